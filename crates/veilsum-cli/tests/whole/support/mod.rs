//! A folder of its own for each test, and the command run in it.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use tempfile::TempDir;

/// A folder that is gone after the test.
pub struct Folder(TempDir);

/// How a command ended.
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Folder {
    /// An empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// Text of a file in it.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The command in this folder, words parted by spaces, not yet started.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_veilsum"));
        command
            .args(words.split_whitespace())
            .current_dir(self.root())
            .env("TMPDIR", self.root())
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub fn run(&self, words: &str) -> Ran {
        Ran::of(&self.command(words).output().unwrap())
    }

    /// Runs the command, which must end well; its standard output.
    pub fn ok(&self, words: &str) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, 0, "{words}: {}", ran.err);
        ran.out
    }

    /// Runs the command with `--json`, which must end well; the last line of its output.
    pub fn json(&self, words: &str) -> Value {
        let out = self.ok(&format!("{words} --json"));
        serde_json::from_str(out.lines().last().unwrap()).unwrap()
    }

    /// Keys of the authority, the coordinator and these members, and a signed roster of them.
    pub fn federation(&self, members: &[&str]) {
        for name in ["authority", "coordinator"].iter().chain(members) {
            self.ok(&format!("keygen --out {name}.key"));
        }
        self.ok(
            "roster init roster.toml --federation test --authority authority.pub --coordinator coordinator.pub",
        );
        for name in members {
            self.ok(&format!(
                "roster add roster.toml --name {name} --key {name}.pub"
            ));
        }
        self.ok("roster sign roster.toml --key authority.key");
    }
}

impl Ran {
    /// The end of a process.
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// Asserts the code, and that one line of standard error is an error with this in it.
    pub fn assert_error(&self, code: i32, part: &str) {
        assert_eq!(self.code, code, "{}", self.err);
        let told = self
            .err
            .lines()
            .any(|line| line.starts_with("error: ") && line.contains(part));
        assert!(told, "wanted an error with {part:?}, found: {}", self.err);
    }
}

/// A command that runs beside the test, ended with it.
pub struct Running {
    child: Option<Child>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Folder {
    /// Starts the command with `--json`.
    pub fn start(&self, command: &mut Command) -> Running {
        let mut child = command
            .arg("--json")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        Running {
            child: Some(child),
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// A federation of these members with configurations of its coordinator and its members; the task takes all of them.
    pub fn configured(&self, members: &[&str], rounds: u32) {
        self.federation(members);
        self.ok("task new task.toml --corrupt 1 --dropout 0 --tensor update:f32:40");
        let coordinator = self.ok("serve --print-example");
        let coordinator = coordinator
            .replace("127.0.0.1:7400", "127.0.0.1:0")
            .replace("rounds = 1", &format!("rounds = {rounds}"));
        self.write("coordinator.toml", &coordinator);
        self.write("member.toml", &self.ok("join --print-example"));
        self.write(
            "policy.toml",
            &self.ok("join --print-policy --authority authority.pub"),
        );
        for (seed, name) in members.iter().enumerate() {
            self.ok(&format!(
                "task sample task.toml --out {name}.npy --seed {seed}"
            ));
        }
    }

    /// Starts the coordinator; its process and where it listens.
    pub fn serve(&self) -> (Running, String) {
        let mut serve = self.start(&mut self.command("serve --config coordinator.toml"));
        let listening = serve.until("listening");
        let address = listening["address"].as_str().unwrap().to_owned();
        (serve, address)
    }

    /// A member with its own key and a new ledger.
    pub fn join(&self, name: &str, address: &str, words: &str) -> Command {
        self.command(&format!(
            "join --config member.toml --key {name}.key --ledger {name}.ledger --new-ledger --coordinator {address} {words}"
        ))
    }
}

impl Running {
    /// Lines up to the first event of this kind.
    pub fn until(&mut self, event: &str) -> Value {
        loop {
            let line = self
                .lines
                .next()
                .unwrap_or_else(|| panic!("no event {event}"))
                .unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["event"] == event {
                return line;
            }
        }
    }

    /// Sends it a signal by its id.
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_child(self.child.as_ref().unwrap());
        kill_process(id, signal).unwrap();
    }

    /// Waits for its end: code, the lines left, and what it said on standard error.
    pub fn end(mut self) -> (i32, Vec<Value>, String) {
        let lines = self
            .lines
            .by_ref()
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        let lines = lines.collect();
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        (
            output.status.code().unwrap_or(-1),
            lines,
            String::from_utf8(output.stderr).unwrap(),
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // gone already, if the test went well
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

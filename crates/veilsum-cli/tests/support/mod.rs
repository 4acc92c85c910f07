//! A folder of its own for each test, and the command run in it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
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

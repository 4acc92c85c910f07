//! The members' processes: started, watched, started again.

use super::coordinator::command;
use super::federation::Federation;
use super::script::{Point, Script, Vanishing};
use crate::exit::Failure;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::timeout;
use veilsum_proto::ids::{Round, Slot};

/// All members of the demo.
pub struct Members {
    folder: PathBuf,
    coordinator: String,
    script: Script,
    running: BTreeMap<Slot, Running>,
    /// Who vanished where and was not told of yet.
    vanished: Vec<(Slot, Vanishing)>,
    words: mpsc::UnboundedReceiver<Word>,
    say: mpsc::UnboundedSender<Word>,
}

struct Running {
    child: Child,
    log: PathBuf,
}

/// What is heard of a member.
enum Word {
    /// It is about to kill itself.
    Vanishing(Slot, Vanishing),
    /// Its output has ended, so it has or will.
    Silent(Slot),
}

impl Members {
    /// Starts everybody.
    pub fn start(
        federation: &Federation,
        coordinator: &str,
        script: Script,
    ) -> Result<Self, Failure> {
        let (say, words) = mpsc::unbounded_channel();
        let mut members = Self {
            folder: federation.folder().to_owned(),
            coordinator: coordinator.to_owned(),
            script,
            running: BTreeMap::new(),
            vanished: Vec::new(),
            words,
            say,
        };
        for slot in (0..federation.members).map(Slot) {
            members.spawn(slot, Round(0))?;
        }
        Ok(members)
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.running.len() as u32
    }

    /// Takes note of what is heard; returns only if a member ends that was not told to. Cancel-safe.
    pub async fn watch(&mut self) -> Failure {
        loop {
            match self.words.recv().await {
                Some(word) => {
                    if let Some(failure) = self.hear(word).await {
                        return failure;
                    }
                }
                // one sender is held here
                None => std::future::pending().await,
            }
        }
    }

    /// Who vanished in a round, and starts them again for the next.
    pub async fn take_vanished(&mut self, round: Round) -> Result<Vec<(Slot, Point)>, Failure> {
        self.hear_all().await?;
        let vanished = self.restart_vanished(Round(round.0 + 1)).await?;
        Ok(vanished
            .into_iter()
            .filter(|(_, vanishing)| vanishing.round == round)
            .map(|(slot, vanishing)| (slot, vanishing.point))
            .collect())
    }

    /// Starts everybody who has vanished again; they follow the script from `round` on.
    pub async fn restart_vanished(
        &mut self,
        round: Round,
    ) -> Result<Vec<(Slot, Vanishing)>, Failure> {
        let mut vanished = std::mem::take(&mut self.vanished);
        vanished.sort_by_key(|(slot, vanishing)| (vanishing.point, *slot));
        for (slot, _) in &vanished {
            if let Some(mut running) = self.running.remove(slot) {
                // its ledger is locked until it is gone
                let _ = running.child.wait().await;
            }
            self.spawn(*slot, round)?;
        }
        Ok(vanished)
    }

    /// Ends everybody.
    pub async fn end(mut self) {
        for running in self.running.values_mut() {
            drop(running.child.stdin.take());
        }
        for mut running in std::mem::take(&mut self.running).into_values() {
            if timeout(PATIENCE, running.child.wait()).await.is_err() {
                // it is gone or will be
                let _ = running.child.kill().await;
            }
        }
    }

    async fn hear_all(&mut self) -> Result<(), Failure> {
        while let Ok(word) = self.words.try_recv() {
            if let Some(failure) = self.hear(word).await {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// The failure, if it is one.
    async fn hear(&mut self, word: Word) -> Option<Failure> {
        let slot = match word {
            Word::Vanishing(slot, vanishing) => {
                self.vanished.push((slot, vanishing));
                return None;
            }
            Word::Silent(slot) => slot,
        };
        if self.vanished.iter().any(|(vanished, _)| *vanished == slot) {
            return None;
        }
        let running = self.running.get_mut(&slot)?;
        let status = running.child.wait().await.ok()?;
        (!status.success()).then(|| lost(slot, running, status))
    }

    fn spawn(&mut self, slot: Slot, round: Round) -> Result<(), Failure> {
        let log = self.folder.join(format!("member-{slot}.log"));
        let mut command = command()?;
        command
            .arg("demo-member")
            .arg("--folder")
            .arg(&self.folder)
            .args([
                "--slot",
                &slot.to_string(),
                "--coordinator",
                &self.coordinator,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).map_err(|error| Failure::io(&log, &error))?);
        for vanishing in self.script.of(slot, round) {
            command.args(["--vanish", &vanishing.to_string()]);
        }
        let mut child = command.spawn().map_err(|error| {
            Failure::failed(format_args!("member {slot} cannot be started: {error}"))
        })?;
        if let Some(stdout) = child.stdout.take() {
            let say = self.say.clone();
            tokio::spawn(async move {
                let mut lines = BufReader::new(stdout).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Ok(vanishing) = line.parse() {
                        // nobody listens any more when the demo is over
                        let _ = say.send(Word::Vanishing(slot, vanishing));
                    }
                }
                let _ = say.send(Word::Silent(slot));
            });
        }
        self.running.insert(slot, Running { child, log });
        Ok(())
    }
}

fn lost(slot: Slot, running: &Running, status: ExitStatus) -> Failure {
    let log = fs::read_to_string(&running.log).unwrap_or_default();
    let said = log
        .lines()
        .find(|line| line.starts_with("error: "))
        .or(log.lines().last());
    Failure::failed(format_args!(
        "member {slot} is lost: {status}; it said: {}",
        said.unwrap_or("nothing")
    ))
}

const PATIENCE: Duration = Duration::from_secs(3);

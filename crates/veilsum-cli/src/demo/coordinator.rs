//! The coordinator's process: `veilsum serve --json` as it is, read line by line.

use super::federation::Federation;
use super::members::Members;
use crate::exit::Failure;
use serde::Deserialize;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use veilsum_proto::ids::{Attempt, Round, Slot};

/// The process and its lines.
pub struct Coordinator {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

/// How a round ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// With a sum.
    Sum(Sum),
    /// Without, in its last attempt.
    Nothing {
        /// The round.
        round: Round,
        /// Its last attempt.
        attempt: Attempt,
        /// Why.
        text: String,
    },
}

/// A sum as the coordinator tells of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Sum {
    /// The round.
    pub round: Round,
    /// The attempt that succeeded.
    pub attempt: Attempt,
    /// Whose contributions are in it.
    pub survivor_ids: Vec<Slot>,
    /// Sum of their weights.
    pub weight_sum: u64,
    /// SHA-256 of its integers, in hex.
    pub sum_sha256: String,
    /// The mean.
    pub file: Option<PathBuf>,
    /// The packed sum.
    pub sum: Option<PathBuf>,
    /// What its noise is worth, in a task with noise.
    pub noise: Option<Noise>,
    /// Bytes that all members sent.
    pub upload_bytes: u64,
    /// Bytes of the model that members got.
    pub download_bytes: Option<Downloaded>,
    /// From the opening to the sum.
    pub wall_s: f64,
}

/// The noise of a sum as the coordinator tells of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Noise {
    /// Survivors whose surplus is still in the sum.
    pub unremoved: Vec<Slot>,
}

/// Bytes of a model, whole and as deltas.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Downloaded {
    /// Whole.
    pub full: u64,
    /// As deltas.
    pub delta: u64,
}

/// The lines that the demo reads, of all that `serve` prints.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Listening {
        address: String,
    },
    Result(Sum),
    Abort {
        round: Round,
        attempt: Attempt,
        reason: String,
        text: String,
    },
    #[serde(other)]
    Other,
}

impl Coordinator {
    /// Starts the process; it ends when this one does.
    pub fn start(federation: &Federation) -> Result<Self, Failure> {
        let log = federation.places().log("coordinator");
        let mut child = command()?
            .args(["serve", "--json", "--with-parent", "--config"])
            .arg(federation.places().coordinator())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).map_err(|error| Failure::io(&log, &error))?)
            .spawn()
            .map_err(|error| {
                Failure::failed(format_args!("coordinator cannot be started: {error}"))
            })?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| Failure::failed("coordinator has no output"))?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout).lines(),
            log,
        })
    }

    /// Where it listens: its first word.
    pub async fn address(&mut self) -> Result<String, Failure> {
        match self.line().await? {
            Some(Line::Listening { address }) => Ok(address),
            Some(_) | None => Err(self.dead("it did not say where it listens")),
        }
    }

    /// The end of the next round; nothing after the last. Members that vanished in an attempt without a sum come back for the
    /// next attempt.
    pub async fn next_round(&mut self, members: &mut Members) -> Result<Option<Ended>, Failure> {
        let mut last: Option<(Round, Attempt, String)> = None;
        loop {
            let line = tokio::select! {
                line = self.line() => line?,
                failure = members.watch() => return Err(failure),
            };
            match line {
                Some(Line::Result(sum)) => return Ok(Some(Ended::Sum(sum))),
                Some(Line::Abort {
                    round,
                    attempt,
                    reason,
                    text,
                }) => {
                    if !RETRIED.contains(&reason.as_str()) || attempt.0 + 1 >= MOST_ATTEMPTS {
                        return Ok(Some(Ended::Nothing {
                            round,
                            attempt,
                            text,
                        }));
                    }
                    last = Some((round, attempt, text));
                    members.restart_vanished(Round(round.0 + 1)).await?;
                }
                Some(Line::Listening { .. } | Line::Other) => {}
                None => {
                    return match last {
                        Some((round, attempt, text)) => Ok(Some(Ended::Nothing {
                            round,
                            attempt,
                            text,
                        })),
                        None => self.over().await,
                    };
                }
            }
        }
    }

    /// Waits for the process to end by itself, for a moment.
    pub async fn end(mut self) {
        drop(self.child.stdin.take());
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            // it is gone or will be
            let _ = self.child.kill().await;
        }
    }

    async fn line(&mut self) -> Result<Option<Line>, Failure> {
        let text = timeout(SILENCE, self.lines.next_line()).await;
        let text = text.map_err(|_| self.dead("it said nothing for so long"))?;
        let Some(text) = text.map_err(|error| self.dead(&error.to_string()))? else {
            return Ok(None);
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| self.dead(&format!("it said {text:?}: {error}")))
    }

    /// The output ended: after the last round, or too early.
    async fn over(&mut self) -> Result<Option<Ended>, Failure> {
        let status = self
            .child
            .wait()
            .await
            .map_err(|error| self.dead(&error.to_string()))?;
        // 4 says that some round had no sum, which the lines have said
        if status.success() || status.code() == Some(4) {
            Ok(None)
        } else {
            Err(self.dead(&status.to_string()))
        }
    }

    fn dead(&self, why: &str) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let said = log.lines().last().unwrap_or("nothing");
        Failure::failed(format_args!(
            "coordinator is lost: {why}; its last words: {said}"
        ))
    }
}

/// This program once more, in a process group of its own: Ctrl-C reaches this process alone, which then ends the others.
pub fn command() -> Result<Command, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::failed(format_args!("this program does not know its path: {error}"))
    })?;
    let mut command = Command::new(program);
    command.process_group(0).kill_on_drop(true);
    Ok(command)
}

/// As the task of the demo says.
const MOST_ATTEMPTS: u32 = 5;
const RETRIED: [&str; 3] = ["too_few_adverts", "too_few_shares", "too_few_updates"];
const PATIENCE: Duration = Duration::from_secs(3);
const SILENCE: Duration = Duration::from_secs(120);

//! A member's ledger as the vectors write it.

use crate::bytes::{Hex, text};
use crate::judge::{Stop, broken};
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_dp::Release;
use veilsum_proto::ids::{
    Attempt, RosterDigest, Round, Sid2, SurvivorsDigest, TaskDigest, UpdateDigest,
};
use veilsum_proto::ledger::{Entry, Ledger as _, MemoryLedger};

/// One act.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    act: String,
    task: Hex<32>,
    round: u64,
    #[serde(default)]
    attempt: u32,
    roster: Option<Hex<32>>,
    sid2: Option<Hex<32>>,
    digest: Option<Hex<32>>,
}

/// A ledger with these acts. Budgets are not in the vectors: a charge is `release`, that of the task at hand.
///
/// # Errors
///
/// An act that lacks a field, or that our ledger does not know.
pub fn ledger(acts: &[Act], release: Option<&Release>) -> Result<MemoryLedger, Stop> {
    let mut ledger = MemoryLedger::default();
    for act in acts {
        act.record_in(&mut ledger, release)?;
    }
    Ok(ledger)
}

/// The acts of a ledger. Those for which an attempt says nothing have attempt 0 in the vectors.
pub fn shown(ledger: &MemoryLedger) -> Value {
    ledger.entries().iter().map(show).collect()
}

impl Act {
    /// Records the act.
    ///
    /// # Errors
    ///
    /// As [`ledger()`].
    pub fn record_in(
        &self,
        ledger: &mut MemoryLedger,
        release: Option<&Release>,
    ) -> Result<(), Stop> {
        ledger.record(self.entry(release)?).map_err(broken)
    }

    fn entry(&self, release: Option<&Release>) -> Result<Entry, Stop> {
        let (task, round, attempt) = (
            TaskDigest(self.task.0),
            Round(self.round),
            Attempt(self.attempt),
        );
        let of = |field: Option<Hex<32>>| {
            field
                .map(|bytes| bytes.0)
                .ok_or_else(|| broken(format!("act {:?} lacks a field", self.act)))
        };
        Ok(match self.act.as_str() {
            "advert" => Entry::Advert {
                task,
                roster: RosterDigest(of(self.roster)?),
                round,
                attempt,
            },
            "charged" => {
                let release = release.ok_or_else(|| broken("a charge in a task without noise"))?;
                Entry::Charged {
                    task,
                    round,
                    release: Box::new(release.clone()),
                    delta: 0.5,
                }
            }
            "update" => Entry::Update {
                task,
                round,
                attempt,
                update: UpdateDigest(of(self.digest)?),
            },
            "signed" => Entry::Signed {
                task,
                round,
                sid2: Sid2(of(self.sid2)?),
                survivors: SurvivorsDigest(of(self.digest)?),
            },
            "certified" => Entry::Certified {
                task,
                round,
                sid2: Sid2(of(self.sid2)?),
                survivors: SurvivorsDigest(of(self.digest)?),
            },
            "closed" => Entry::Closed {
                task,
                round,
                attempt,
            },
            other => return Err(broken(format!("found the act {other:?}"))),
        })
    }
}

fn show(entry: &Entry) -> Value {
    match entry {
        Entry::Advert {
            task,
            roster,
            round,
            attempt,
        } => json!({
            "act": "advert", "task": text(task.as_bytes()), "round": round.0, "attempt": attempt.0, "roster": text(roster.as_bytes()),
        }),
        Entry::Charged {
            task,
            round,
            release: _,
            delta: _,
        } => json!({
            "act": "charged", "task": text(task.as_bytes()), "round": round.0, "attempt": 0,
        }),
        Entry::Update {
            task,
            round,
            attempt,
            update,
        } => json!({
            "act": "update", "task": text(task.as_bytes()), "round": round.0, "attempt": attempt.0, "digest": text(update.as_bytes()),
        }),
        Entry::Signed {
            task,
            round,
            sid2,
            survivors,
        } => json!({
            "act": "signed", "task": text(task.as_bytes()), "round": round.0, "attempt": 0,
            "sid2": text(sid2.as_bytes()), "digest": text(survivors.as_bytes()),
        }),
        Entry::Certified {
            task,
            round,
            sid2,
            survivors,
        } => json!({
            "act": "certified", "task": text(task.as_bytes()), "round": round.0, "attempt": 0,
            "sid2": text(sid2.as_bytes()), "digest": text(survivors.as_bytes()),
        }),
        Entry::Closed {
            task,
            round,
            attempt,
        } => json!({
            "act": "closed", "task": text(task.as_bytes()), "round": round.0, "attempt": attempt.0,
        }),
    }
}

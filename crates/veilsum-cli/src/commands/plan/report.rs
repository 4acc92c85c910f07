//! What a task's rounds over so many members withstand and cost.

use super::alternatives::Alternatives;
use super::privacy::Worth;
use super::traffic::Traffic;
use crate::caution;
use crate::exit::{Failure, Outcome};
use crate::files;
use crate::output::{self, Output};
use crate::table::{Side, Table, bytes, grouped};
use serde::Serialize;
use serde_json::json;
use std::fmt;
use veilsum_proto::ids::Round;
use veilsum_proto::parameters::{Parameters, largest_tolerance};
use veilsum_proto::task::{Derived, Task, TaskError};

/// What a report is about.
pub struct Subject<'a> {
    /// The task.
    pub task: &'a Task,
    /// Slots of the roster.
    pub members: u32,
    /// Last round of the roster.
    pub last_round: Round,
    /// Rounds that epsilon is the total of.
    pub rounds: u64,
}

/// Parameters and costs, or why there are none.
pub struct Report {
    facts: Result<Facts, veilsum_proto::parameters::Refusal>,
    /// Shown by `plan` only.
    pub(super) alternatives: Option<Alternatives>,
}

/// Everything a round is made of.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Facts {
    pub(super) members: u32,
    pub(super) parameters: Parameters,
    /// `complete` or `ring`.
    graph: &'static str,
    /// Slots of a window of the ring.
    window: Option<u32>,
    pub(super) verdict: String,
    verdict_kind: &'static str,
    /// What members or their sites may mind all the same.
    warnings: Vec<String>,
    /// Most drop-outs even if all corrupt members refuse, in the complete graph.
    pub(super) largest_dropout_if_corrupt_refuse: Option<u32>,
    /// Most drop-outs if corrupt members answer, in the complete graph.
    largest_dropout_if_corrupt_answer: Option<u32>,
    dim: u64,
    lane_bits: u8,
    #[serde(flatten)]
    pub(super) traffic: Named,
    /// All bytes that a member uploads, over those of its quantised coordinates.
    pub(super) expansion: Option<f64>,
    rounds: u64,
    /// Base-2 logarithm of the probability that some round's graph or committee is bad; none if nothing is drawn.
    error_log2: Option<f64>,
    /// Of a task with noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    privacy: Option<Worth>,
}

/// [`Traffic`] under the names of the JSON result.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Named {
    pub(super) update_bytes: u64,
    pub(super) member_upload_bytes: u64,
    pub(super) member_upload_bytes_with_dropout: u64,
    pub(super) member_download_bytes: u64,
}

impl Report {
    /// Derives parameters and counts bytes. Parameters that are refused are part of the report, everything else is a failure.
    pub fn derive(subject: &Subject<'_>) -> Result<Self, Failure> {
        let facts = match Facts::derive(subject) {
            Ok(facts) => Ok(facts),
            Err(TaskError::Parameters(refusal)) => Err(refusal),
            Err(error) => return Err(files::task(&error)),
        };
        Ok(Self {
            facts,
            alternatives: None,
        })
    }

    /// Shows the noise as the table of a task file too.
    pub(super) fn with_noise_table(&mut self, task: &Task) {
        let privacy = self
            .facts
            .as_mut()
            .ok()
            .and_then(|facts| facts.privacy.as_mut());
        if let Some((privacy, spec)) = privacy.zip(task.noise()) {
            privacy.with_table(spec);
        }
    }

    /// Shows it; a refusal is shown as the verdict that it is, and ends the command as refused.
    pub fn show(&self, output: Output) -> Outcome {
        match &self.facts {
            Ok(facts) => {
                output.show(&Whole {
                    facts,
                    alternatives: self.alternatives.as_ref(),
                });
                Ok(())
            }
            Err(refusal) => {
                match output {
                    Output::Text => output::print(refusal),
                    Output::Json => output::print_json(&json!({
                        "verdict": refusal.to_string(),
                        "verdict_kind": "refused",
                        "refusal": refusal.kind(),
                    })),
                }
                Err(Failure::refused("no round can have these numbers")
                    .hint("the line above says which number to change; `veilsum plan --help` explains them"))
            }
        }
    }
}

impl Facts {
    pub(super) fn derive(subject: &Subject<'_>) -> Result<Self, TaskError> {
        let Subject {
            task,
            members,
            last_round,
            rounds,
        } = *subject;
        let Derived {
            parameters,
            plan,
            noise,
        } = task.derive(members)?;
        let privacy = task.noise().zip(noise.as_deref());
        let traffic = Traffic::of(task, members, &parameters, &plan);
        let verdict = caution::verdict(&parameters);
        let largest = largest_tolerance(parameters.n, parameters.c);
        let complete = parameters.is_complete();
        Ok(Self {
            members,
            graph: if complete { "complete" } else { "ring" },
            window: parameters.window(),
            verdict: verdict.text,
            verdict_kind: verdict.kind,
            warnings: caution::of(&parameters, members),
            largest_dropout_if_corrupt_refuse: largest.if_corrupt_refuse.filter(|_| complete),
            largest_dropout_if_corrupt_answer: largest.if_corrupt_answer.filter(|_| complete),
            dim: plan.coordinates(),
            lane_bits: plan.lane_bits(),
            traffic: Named {
                update_bytes: traffic.update,
                member_upload_bytes: traffic.upload,
                member_upload_bytes_with_dropout: traffic.upload_with_drop_out,
                member_download_bytes: traffic.download,
            },
            expansion: coordinate_bits(task)
                .map(|bits| traffic.upload as f64 / (plan.coordinates() as f64 * bits / 8.0)),
            rounds: last_round.0,
            error_log2: match task.spec().cohort {
                Some(_) => parameters.error_log2_with_cohorts(last_round),
                None => parameters.error_log2(last_round),
            },
            privacy: privacy.map(|(spec, noise)| Worth::of(task, spec, noise, &plan, rounds)),
            parameters,
        })
    }

    fn graph_in_words(&self) -> String {
        match self.window {
            None => "complete: everybody masks with everybody".to_owned(),
            Some(window) => format!(
                "ring over all slots, windows of {window} slots with more than {} survivors each",
                self.parameters.h.unwrap_or_default()
            ),
        }
    }

    fn electorate_in_words(&self) -> String {
        let Parameters { m, c_m, .. } = self.parameters;
        if self.parameters.has_committee() {
            format!("a committee of {m}, at most {c_m} of them corrupt")
        } else {
            format!("all {m}")
        }
    }

    fn error_in_words(&self) -> String {
        match self.error_log2 {
            None => {
                let rounds = match self.rounds {
                    1 => "1 round".to_owned(),
                    rounds => format!("{} rounds", grouped(rounds)),
                };
                format!("none over {rounds}: nothing is left to chance in a complete graph")
            }
            Some(log2) => {
                let numbers = match self.rounds {
                    1 => "1 round number".to_owned(),
                    rounds => format!("{} round numbers", grouped(rounds)),
                };
                format!("2^{log2:.1} over {numbers}, used or not")
            }
        }
    }
}

/// Bits of a coordinate before lanes are widened for the sum.
fn coordinate_bits(task: &Task) -> Option<f64> {
    match task.encoding() {
        veilsum_encode::Encoding::Float(float) => Some(f64::from(float.precision_bits)),
        veilsum_encode::Encoding::Integer { min, max } => {
            let values = i128::from(*max) - i128::from(*min);
            (values > 0).then(|| f64::from(128 - values.leading_zeros()))
        }
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    facts: &'a Facts,
    #[serde(skip_serializing_if = "Option::is_none")]
    alternatives: Option<&'a Alternatives>,
}

impl fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.facts)?;
        if let Some(table) = self.facts.privacy.as_ref().and_then(Worth::table) {
            write!(f, "\n\n{table}")?;
        }
        match self.alternatives {
            Some(alternatives) => write!(f, "\n\n{alternatives}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parameters {
            n,
            c,
            d,
            k,
            t,
            q,
            f: floor,
            ..
        } = self.parameters;
        let Named {
            update_bytes,
            member_upload_bytes,
            member_upload_bytes_with_dropout,
            member_download_bytes,
        } = self.traffic;
        let mut table = Table::new(&[("", Side::Left), ("", Side::Right), ("", Side::Left)]);
        let mut row =
            |name: &str, value: String, words: String| table.row([name.to_owned(), value, words]);
        row(
            "members",
            format!("n={n}"),
            cohort_in_words(self.members, n),
        );
        row(
            "corrupt",
            format!("c={c}"),
            "may work with the coordinator".to_owned(),
        );
        row(
            "drop-out",
            format!("d={d}"),
            "may vanish at any moment, beside corrupt ones that refuse".to_owned(),
        );
        row("degree", format!("k={k}"), self.graph_in_words());
        row(
            "threshold",
            format!("t={t}"),
            "shares that rebuild a secret of a member that vanished".to_owned(),
        );
        row(
            "quorum",
            format!("q={q}"),
            format!(
                "signatures that certify the survivors, of {}",
                self.electorate_in_words()
            ),
        );
        row(
            "floor",
            format!("f={floor}"),
            "members in a sum, at least".to_owned(),
        );
        row(
            "lane",
            format!("{} bits", self.lane_bits),
            format!(
                "a coordinate of the masked update, {} of them",
                grouped(self.dim)
            ),
        );
        row(
            "update",
            bytes(update_bytes),
            "the masked update of a member".to_owned(),
        );
        row(
            "upload",
            bytes(member_upload_bytes),
            format!(
                "all that a member sends in a round{}; {} if d vanish",
                self.expansion.map_or_else(String::new, |expansion| format!(
                    ", {expansion:.3} times its quantised update"
                )),
                bytes(member_upload_bytes_with_dropout)
            ),
        );
        row(
            "download",
            bytes(member_download_bytes),
            "all that it receives, without model and result".to_owned(),
        );
        row("error", String::new(), self.error_in_words());
        if let Some(privacy) = &self.privacy {
            privacy.rows(&mut table);
        }
        write!(f, "{table}\n\n{}", self.verdict)?;
        self.warnings
            .iter()
            .try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}

fn cohort_in_words(members: u32, n: u32) -> String {
    if members == n {
        "slots of the roster, all take part".to_owned()
    } else {
        format!("drawn for each round, of {members} slots of the roster")
    }
}

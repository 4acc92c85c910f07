//! What other choices would cost and tolerate.

use super::report::{Facts, Subject};
use crate::table::{Side, Table, bytes};
use serde::Serialize;
use std::fmt;
use veilsum_proto::parameters::{Amount, GraphChoice, Parameters, largest_tolerance};
use veilsum_proto::task::{Task, TaskError};

/// The same round with another tolerance, and with the complete graph.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Alternatives(Vec<Alternative>);

#[derive(Debug, Serialize)]
struct Alternative {
    dropout: u32,
    graph: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<Short>,
    verdict: String,
}

#[derive(Debug, Serialize)]
struct Short {
    parameters: Parameters,
    member_upload_bytes: u64,
    member_download_bytes: u64,
}

impl Alternatives {
    pub(super) fn derive(subject: &Subject<'_>) -> Self {
        let n = subject.task.slots(subject.members);
        let mut list = derive_all(subject, &tolerances(n, subject));
        let is_ring = |alternative: &Alternative| {
            let short = alternative.facts.as_ref();
            short.is_some_and(|short| !short.parameters.is_complete())
        };
        if list.iter().any(is_ring) {
            let dropout = subject.task.spec().dropout.ceil_of(n);
            list.extend(derive(subject, dropout, GraphChoice::Complete));
        }
        Self(list)
    }
}

/// Each on a thread of its own: the tables of wide noise take seconds.
fn derive_all(subject: &Subject<'_>, tolerances: &[u32]) -> Vec<Alternative> {
    std::thread::scope(|scope| {
        let derived: Vec<_> = tolerances
            .iter()
            .map(|dropout| scope.spawn(|| derive(subject, *dropout, subject.task.spec().graph)))
            .collect();
        let derived = derived.into_iter().map(std::thread::ScopedJoinHandle::join);
        derived.filter_map(Result::ok).flatten().collect()
    })
}

fn derive(subject: &Subject<'_>, dropout: u32, graph: GraphChoice) -> Option<Alternative> {
    let mut spec = subject.task.spec().clone();
    (spec.dropout, spec.graph, spec.floor) = (Amount::Count(dropout), graph, None);
    let task = Task::new(spec).ok()?;
    let facts = Facts::derive(&Subject {
        task: &task,
        ..*subject
    });
    let (facts, verdict, shape) = match facts {
        Ok(facts) => {
            let shape = if facts.parameters.is_complete() {
                "complete"
            } else {
                "ring"
            };
            let verdict = facts.verdict;
            let short = Short {
                parameters: facts.parameters,
                member_upload_bytes: facts.traffic.member_upload_bytes,
                member_download_bytes: facts.traffic.member_download_bytes,
            };
            (Some(short), verdict, shape.to_owned())
        }
        Err(TaskError::Parameters(refusal)) => (None, refusal.to_string(), graph.to_string()),
        Err(_) => return None,
    };
    Some(Alternative {
        dropout,
        graph: shape,
        facts,
        verdict,
    })
}

/// Drop-outs worth comparing: every count for few members, rates for many, the first that is refused included.
fn tolerances(n: u32, subject: &Subject<'_>) -> Vec<u32> {
    let corrupt = subject.task.spec().corrupt.floor_of(n);
    let largest = largest_tolerance(n, corrupt).if_corrupt_answer;
    let mut counts: Vec<u32> = if n <= 20 {
        (0..=largest.map_or(0, |largest| largest.saturating_add(1))).collect()
    } else {
        [0, 50, 100, 200, 300, 400]
            .map(|rate| (u64::from(n) * rate).div_ceil(1000))
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX))
            .to_vec()
    };
    counts.push(subject.task.spec().dropout.ceil_of(n));
    counts.sort_unstable();
    counts.dedup();
    counts
}

impl fmt::Display for Alternatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&[
            ("drop-out", Side::Right),
            ("graph", Side::Left),
            ("k", Side::Right),
            ("t", Side::Right),
            ("h", Side::Right),
            ("q", Side::Right),
            ("f", Side::Right),
            ("upload", Side::Right),
            ("download", Side::Right),
            ("verdict", Side::Left),
        ]);
        for Alternative {
            dropout,
            graph,
            facts,
            verdict,
        } in &self.0
        {
            let mut row = vec![dropout.to_string(), graph.clone()];
            match facts {
                None => row.extend(["-"; 7].map(str::to_owned)),
                Some(Short {
                    parameters,
                    member_upload_bytes,
                    member_download_bytes,
                }) => {
                    let Parameters { k, t, h, q, f, .. } = parameters;
                    let h = h.map_or_else(|| "-".to_owned(), |h| h.to_string());
                    row.extend([
                        k.to_string(),
                        t.to_string(),
                        h,
                        q.to_string(),
                        f.to_string(),
                    ]);
                    row.extend([bytes(*member_upload_bytes), bytes(*member_download_bytes)]);
                }
            }
            row.push(verdict.clone());
            table.row(row);
        }
        write!(f, "Other choices for the same members:\n\n{table}")
    }
}

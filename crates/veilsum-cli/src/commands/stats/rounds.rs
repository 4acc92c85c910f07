//! The rounds of a query in this process: real machines, no network.

use crate::exit::{Failure, Kind};
use crate::files;
use ndarray::Array2;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use veilsum_learn::stats::{Answer, Inquiry, Progress, Query, Question};
use veilsum_proto::ids::{ModelDigest, Round, Slot};
use veilsum_proto::task::Task;
use veilsum_sim::{Federation, Honest, Inputs, Report, RunError, RunOptions};

/// A round that is over.
#[derive(Clone, Debug, Serialize)]
pub struct RoundLine {
    /// Number of the round.
    pub round: u64,
    /// What values were compared with, of a quantile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Members whose rows are in the sum.
    pub survivors: usize,
    /// Digest of the sum.
    pub sum_sha256: String,
}

/// Asks until there is an answer; the rounds it took.
pub(super) fn run(
    query: &Query,
    tables: &[Array2<f64>],
    task: &Task,
) -> Result<(Answer, Vec<RoundLine>), Failure> {
    let members = u32::try_from(tables.len()).unwrap_or(u32::MAX);
    // identities sign and hide nothing: what is secret is drawn from the entropy of the round
    let federation = Federation::new(members, 0).map_err(Failure::refused)?;
    let mut inquiry = Inquiry::new(query.clone());
    let mut lines = Vec::new();
    loop {
        let question = inquiry.question();
        let round = lines.len() as u64 + 1;
        let report = one(&federation, task, question, tables, round)?;
        let Some(sum) = &report.sum else {
            let reason = report.abort.map(|abort| abort.to_string());
            let reason = reason.unwrap_or_default();
            let error = format!("round {round} ended without a sum: {reason}");
            return Err(Failure::new(Kind::Aborted, error));
        };
        if !report.exact {
            let error = format!("round {round}: the masked sum is not the plain one");
            return Err(Failure::failed(error));
        }
        lines.push(RoundLine {
            round,
            threshold: question.threshold(),
            survivors: report.survivors.len(),
            sum_sha256: report.sum_sha256.map(hex::encode).unwrap_or_default(),
        });
        let noise = report.noise.as_ref();
        let noise = noise.map_or(0.0, |noise| noise.kept.variance().upper.to_f64_up());
        match inquiry.take(sum, noise).map_err(Failure::failed)? {
            Progress::Next(next) => inquiry = *next,
            Progress::Done(answer) => return Ok((answer, lines)),
        }
    }
}

fn one(
    federation: &Federation,
    task: &Task,
    question: &Question,
    tables: &[Array2<f64>],
    round: u64,
) -> Result<Report, Failure> {
    let rows = tables.iter().map(|table| question.encode(table.view()));
    let rows = rows.collect::<Result<_, _>>().map_err(Failure::usage)?;
    let options = RunOptions {
        round: Round(round),
        base_model: ModelDigest(Sha256::digest(question.to_bytes()).into()),
        entropy: Some(entropy()?),
        ..RunOptions::default()
    };
    let inputs = Rows {
        rows,
        integers: question.query().integers(),
    };
    federation
        .run(task, &inputs, &options, &mut Honest)
        .map_err(|error| match &error {
            RunError::Task(error) => files::task(error),
            RunError::Coordinates { .. } => Failure::failed(error),
        })
}

/// The vector of each member.
struct Rows {
    rows: Vec<Vec<i64>>,
    integers: usize,
}

impl Inputs for Rows {
    fn coordinates(&self) -> usize {
        self.integers
    }

    fn row(&self, slot: Slot) -> Vec<i64> {
        self.rows.get(slot.index()).cloned().unwrap_or_default()
    }
}

fn entropy() -> Result<[u8; 32], Failure> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)
        .map(|()| entropy)
        .map_err(|error| {
            Failure::failed(format_args!(
                "no randomness of the operating system: {error}"
            ))
        })
}

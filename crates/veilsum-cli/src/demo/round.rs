//! One round of the demo, judged.

use super::check::{Checked, Reference};
use super::coordinator::Ended;
use super::members::Members;
use super::script::Point;
use crate::exit::Failure;
use serde::Serialize;
use veilsum_learn::Evaluation;
use veilsum_proto::ids::{Attempt, Round, Slot};

/// A round as it is reported.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// The round.
    pub round: Round,
    /// The attempt that it ended with.
    pub attempt: Attempt,
    /// Members of the federation.
    pub members: u32,
    /// Members in the sum.
    pub survivors: usize,
    /// Their slots.
    pub survivor_ids: Vec<Slot>,
    /// Who was killed where. Whoever vanishes after its upload is in the sum all the same.
    pub vanished: Vec<Vanished>,
    /// Whether the sum out of the masks is the plain sum, in every integer.
    pub exact: bool,
    /// Accuracy of the model after the round.
    pub accuracy: f64,
    /// Epsilon of this round alone; null without noise.
    pub epsilon: Option<f64>,
    /// Epsilon of the rounds so far, those without a sum counted too; null without noise.
    pub epsilon_total: Option<f64>,
    /// Bytes that all members sent.
    pub upload_bytes: u64,
    /// Bytes of the model that members got.
    pub download_bytes: u64,
    /// Seconds from the opening of the round to its sum.
    pub wall_s: f64,
    /// Integers compared.
    #[serde(skip)]
    pub integers: usize,
    /// SHA-256 of the sum, in hex.
    #[serde(skip)]
    pub digest: Option<String>,
    /// The model after the round.
    #[serde(skip)]
    pub secure: Evaluation,
    /// The model of plain averages after the round.
    #[serde(skip)]
    pub plain: Evaluation,
    /// Why there is no sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<String>,
}

/// A member that was killed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Vanished {
    /// Its slot.
    pub member: Slot,
    /// Where.
    pub phase: Point,
}

/// Takes in who vanished, has them started again, and compares the sum.
pub async fn judge(
    ended: Ended,
    members: &mut Members,
    reference: &mut Reference,
) -> Result<Judged, Failure> {
    let (round, attempt) = match &ended {
        Ended::Sum(sum) => (sum.round, sum.attempt),
        Ended::Nothing { round, attempt, .. } => (*round, *attempt),
    };
    let vanished = members.take_vanished(round).await?;
    let vanished = vanished
        .into_iter()
        .map(|(member, phase)| Vanished { member, phase });
    let spent = reference.spent(round);
    let mut judged = Judged {
        round,
        attempt,
        members: members.len(),
        survivors: 0,
        survivor_ids: Vec::new(),
        vanished: vanished.collect(),
        exact: false,
        accuracy: reference.secure()?.accuracy,
        epsilon: spent.map(|spent| spent.epsilon),
        epsilon_total: spent.map(|spent| spent.epsilon_total),
        upload_bytes: 0,
        download_bytes: 0,
        wall_s: 0.0,
        integers: 0,
        digest: None,
        secure: reference.secure()?,
        plain: reference.plain()?,
        abort: None,
    };
    match ended {
        Ended::Nothing { text, .. } => {
            judged.abort = Some(text);
            reference.skip(round)?;
        }
        Ended::Sum(sum) => {
            // training takes a while; the processes are served meanwhile by the other threads
            let Checked {
                exact,
                integers,
                secure,
                plain,
            } = tokio::task::block_in_place(|| reference.check(&sum))?;
            judged.survivors = sum.survivor_ids.len();
            judged.survivor_ids = sum.survivor_ids;
            judged.digest = Some(sum.sum_sha256);
            (judged.exact, judged.integers) = (exact, integers);
            (judged.secure, judged.plain) = (secure, plain);
            judged.accuracy = secure.accuracy;
            (judged.upload_bytes, judged.wall_s) = (sum.upload_bytes, sum.wall_s);
            judged.download_bytes = sum.download_bytes.map_or(0, |sent| sent.full + sent.delta);
        }
    }
    Ok(judged)
}

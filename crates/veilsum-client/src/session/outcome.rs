//! The end of a round: the receipt stands, the sum is fetched and decoded, the contributor gets it.

use std::sync::Arc;

use veilsum_encode::{DecodeError, PackedSum};
use veilsum_math::{Blocks, PartialLimb};
use veilsum_proto::bitmap::BitmapError;
use veilsum_proto::ledger::Ledger as _;
use veilsum_proto::message::Receipt;
use veilsum_proto::session::RoundContext;
use veilsum_quic::PartialBlob;

use super::Session;
use super::round::{Local, Model, Outcome, Receipted, RoundKey, RoundState};
use super::step::blocking;
use super::workbench::Job;
use crate::{ClientError, Event, MemberResult, RoundPrivacy};

/// Why a receipt's blob is no sum of its survivors.
#[derive(Debug, thiserror::Error)]
enum NoSum {
    #[error("receipt: {0}")]
    Survivors(#[from] BitmapError),
    #[error("sum: {0}")]
    Limbs(#[from] PartialLimb),
    #[error("sum: {0}")]
    Decode(#[from] DecodeError),
    #[error("sum has not come")]
    Missing,
}

impl Session {
    /// The machine has checked a receipt and erased the attempt's secrets; the update is no longer needed.
    pub(super) fn receipt(&mut self, key: RoundKey, receipt: Receipt, certified: bool) {
        let Some(round) = self.rounds.get_mut(&key) else {
            return;
        };
        round.drop_vectors();
        round.local = Local::Gone;
        round.model = Model::None;
        round.outcome = Outcome::Wanted(Box::new(Receipted {
            blob: PartialBlob::in_memory(receipt.sum.0),
            receipt,
            certified,
            tries: 0,
        }));
        self.fetch_sum(key);
    }

    // spec: [result.decode]
    pub(super) async fn decode_sum(
        &mut self,
        key: RoundKey,
        receipted: Receipted,
    ) -> Result<(), ClientError> {
        let Some(round) = self.rounds.get_mut(&key) else {
            return Ok(());
        };
        round.outcome = Outcome::Done;
        let context = round.context.clone();
        let privacy = self.privacy(&context);
        let decoded = blocking({
            let context = context.clone();
            move || decode(&context, receipted, privacy)
        });
        match decoded.await? {
            Ok(result) => self.publish(&context, result)?,
            Err(error) => self.watcher.refused("sum_undecodable", &error),
        }
        self.advance_after(key).await
    }

    /// Whether the contributor still waits for the result of an earlier round of the same task: a later one is joined only
    /// once it has that, since its update may rest on it.
    pub(super) fn owes_result_before(&self, (task, round): RoundKey) -> bool {
        let owes =
            |state: &RoundState| matches!(state.outcome, Outcome::Wanted(_) | Outcome::Fetching);
        self.rounds
            .iter()
            .any(|(key, state)| key.0 == task && key.1 < round && owes(state))
    }

    /// Takes up the later rounds of the task that waited for this one's result.
    // spec: [join.after-result]
    pub(super) async fn advance_after(
        &mut self,
        (task, round): RoundKey,
    ) -> Result<(), ClientError> {
        let later = self
            .rounds
            .keys()
            .filter(|key| key.0 == task && key.1 > round);
        for key in later.copied().collect::<Vec<_>>() {
            self.advance(key).await?;
        }
        Ok(())
    }

    /// What the round costs, by the ledger; nothing is said when the ledger cannot be trusted any more.
    fn privacy(&self, context: &RoundContext) -> Option<RoundPrivacy> {
        let ledger = self.ledger();
        let floors = self.config.floors(&context.task).privacy;
        RoundPrivacy::of(context, ledger.state().ok()?, &floors)
    }

    fn publish(&self, context: &RoundContext, result: MemberResult) -> Result<(), ClientError> {
        self.watcher.tell(&Event::Result {
            task: context.task.name().to_string(),
            round: result.round,
            attempt: result.attempt,
            survivor_ids: result.survivors.clone(),
            weight_sum: result.weight_sum,
            sum_sha256: hex::encode(result.sum_sha256),
            certified: result.certified,
            privacy: result.privacy,
            file: None,
        });
        self.workbench.give(Job::Result(Arc::new(result)))
    }
}

// spec: [result.certified] [result.privacy]
fn decode(
    context: &RoundContext,
    receipted: Receipted,
    privacy: Option<RoundPrivacy>,
) -> Result<MemberResult, NoSum> {
    let Receipted {
        receipt,
        certified,
        blob,
        ..
    } = receipted;
    receipt.survivors.check(context.slots())?;
    let bytes = blob.into_bytes().ok_or(NoSum::Missing)?;
    let blocks = Blocks::from_le_bytes(&bytes)?;
    let sum = PackedSum::new(blocks, receipt.survivors.count()).unpack(&context.plan)?;
    let mean = sum.mean(&context.plan, &context.rotation_seed())?;
    Ok(MemberResult {
        task: context.task_digest,
        round: context.round,
        attempt: context.attempt,
        survivors: receipt.survivors.iter().collect(),
        weight_sum: sum.weight(),
        sum_sha256: sum.sha256(),
        certified,
        privacy,
        sum,
        mean,
        receipt,
    })
}

/// Text of the coordinator for logs and terminals: UTF-8, no control characters, not long.
// spec: [member.plain-text]
pub(super) fn plain(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let visible = text.chars().filter(|found| !found.is_control());
    visible.take(MOST_TEXT).collect()
}

/// Characters of the coordinator's that are shown.
const MOST_TEXT: usize = 512;

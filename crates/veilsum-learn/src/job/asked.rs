//! Not what members bring: what a round of a job asked of them, by which a member's ledger knows what it brought.

use sha2::{Digest as _, Sha256};

use crate::ModelDigest;

/// Digest of what a round that trains asked, in a job with privacy: of its task's digest, its number, and the bytes of its model. Such a round is charged for
/// each time; what the examples made of it, a second time nothing perhaps, must not show.
// spec: [job.asked]
pub fn asked_to_train(task: &[u8; 32], round: u64, model: &[u8]) -> [u8; 32] {
    let digest = Sha256::new_with_prefix(b"veilsum/v1 trained\0");
    let digest = digest.chain_update(task).chain_update(round.to_le_bytes());
    digest.chain_update(Sha256::digest(model)).finalize().into()
}

/// Digest of what a round that judges asked: how well these values do, whatever the number of the model.
// spec: [job.evaluation.once]
pub fn asked_to_judge(model: &ModelDigest) -> [u8; 32] {
    let digest = Sha256::new_with_prefix(b"veilsum/v1 evaluation\0");
    digest.chain_update(model.0).finalize().into()
}

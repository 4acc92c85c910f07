//! A sum leaves the service: file, blob, receipt, event. Not tensor files: these are the hook's business.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;
use veilsum_proto::{
    coordinator::{Finished, PhaseName},
    ids::{Attempt, Hash, RosterDigest, Round, Sid, Sid2, Slot, TaskDigest},
    message::Receipt,
    roster::Name,
    session::RoundContext,
};

use crate::{
    config::TaskConfig,
    durable,
    event::Event,
    hook::{DownloadBytes, RoundResult},
    privacy::RoundPrivacy,
    shared::{Shared, names},
};

/// A sum with all that is told of it.
pub(crate) struct Published {
    finished: Finished,
    pub(crate) receipt: Receipt,
    survivors: Vec<Slot>,
    vanished: Vec<(Slot, PhaseName)>,
    sum_sha256: [u8; 32],
    noise: Option<RoundPrivacy>,
    file: Option<PathBuf>,
    upload_bytes: u64,
    download_bytes: DownloadBytes,
    wall: Duration,
}

/// Signs the result, serves the packed sum and writes the files. Blocks. A file that cannot be written is logged: the sum
/// stands without it.
// spec: [service.publish.blob] [service.publish.file]
pub(crate) fn publish(
    shared: &Shared,
    config: &TaskConfig,
    finished: Finished,
    vanished: Vec<(Slot, PhaseName)>,
    upload_bytes: u64,
    wall: Duration,
) -> Published {
    let receipt = finished.receipt(&shared.identity);
    let packed = Bytes::from(finished.sum().packed().blocks().to_le_bytes());
    shared
        .blobs
        .put_sum(receipt.task, *receipt.sum.as_bytes(), packed.clone());
    let download_bytes = shared.blobs.model_bytes_sent(&receipt.task);
    let mut published = Published {
        survivors: receipt.survivors.iter().collect(),
        sum_sha256: finished.integers().sha256(),
        noise: RoundPrivacy::of(&finished),
        finished,
        receipt,
        vanished,
        file: None,
        upload_bytes,
        download_bytes,
        wall,
    };
    if let Some(folder) = &config.results {
        match published.write(shared, folder, &packed) {
            Ok(path) => published.file = Some(path),
            Err(error) => {
                let folder = folder.display();
                tracing::error!(%folder, %error, "result cannot be written");
            }
        }
    }
    published
}

impl Published {
    /// What a hook gets.
    pub(crate) fn result(&self) -> RoundResult<'_> {
        let context = self.context();
        RoundResult {
            task: context.task_digest,
            name: context.task.name(),
            round: context.round,
            attempt: context.attempt,
            survivors: self.survivors.clone(),
            vanished: self.vanished.clone(),
            receipt: &self.receipt,
            integers: self.finished.integers(),
            context,
            sum_sha256: self.sum_sha256,
            weight: self.finished.integers().weight(),
            noise: self.noise.clone(),
            upload_bytes: self.upload_bytes,
            download_bytes: self.download_bytes,
            wall: self.wall,
        }
    }

    pub(crate) fn event(&self, name: &Name) -> Event {
        Event::Result {
            task: name.clone(),
            round: self.receipt.round,
            attempt: self.receipt.attempt,
            survivor_ids: self.survivors.clone(),
            weight_sum: self.finished.integers().weight(),
            sum_sha256: hex::encode(self.sum_sha256),
            noise: self.noise.clone(),
            file: self.file.clone(),
        }
    }

    /// The sum before the receipt, so that a receipt that is there has its sum beside it.
    fn write(&self, shared: &Shared, folder: &Path, packed: &[u8]) -> io::Result<PathBuf> {
        let context = self.context();
        let stem = format!("{}-r{}", context.task.name().as_str(), context.round);
        let (receipt, sum) = (
            folder.join(format!("{stem}.json")),
            folder.join(format!("{stem}-sum.bin")),
        );
        fs::create_dir_all(folder)?;
        // spec: [service.publish.private]
        durable::write_private(&sum, packed)?;
        let mut text = serde_json::to_vec_pretty(&self.file_content(shared))?;
        text.push(b'\n');
        durable::write(&receipt, &text)?;
        Ok(receipt)
    }

    fn file_content(&self, shared: &Shared) -> ReceiptFile<'_> {
        let context = self.context();
        let names = names(&shared.roster, &self.survivors);
        ReceiptFile {
            task: context.task.name(),
            task_digest: self.receipt.task,
            roster: context.roster.digest(),
            coordinator: hex::encode(shared.roster.coordinator().as_bytes()),
            round: self.receipt.round,
            attempt: self.receipt.attempt,
            sid: self.receipt.sid,
            sid2: self.receipt.sid2,
            survivor_ids: &self.survivors,
            survivor_names: names.into_values().collect(),
            survivors: hex::encode(self.receipt.survivors.as_bytes()),
            sum: self.receipt.sum,
            signature: hex::encode(self.receipt.signature.0),
            sum_sha256: hex::encode(self.sum_sha256),
            weight_sum: self.finished.integers().weight(),
            noise: self.noise.as_ref(),
            coordinates: context.plan.coordinates(),
            lane_bits: context.plan.lane_bits(),
        }
    }

    fn context(&self) -> &RoundContext {
        self.finished.context()
    }
}

/// The receipt as a file; `survivors` to `signature` are the fields under the signature with it.
#[derive(Serialize)]
struct ReceiptFile<'a> {
    task: &'a Name,
    task_digest: TaskDigest,
    roster: RosterDigest,
    coordinator: String,
    round: Round,
    attempt: Attempt,
    sid: Sid,
    sid2: Sid2,
    survivor_ids: &'a [Slot],
    survivor_names: Vec<Name>,
    survivors: String,
    sum: Hash,
    signature: String,
    sum_sha256: String,
    weight_sum: u64,
    noise: Option<&'a RoundPrivacy>,
    coordinates: u64,
    lane_bits: u8,
}

//! Base models and sums that members fetch by digest. Not an archive: a task keeps the model of its open round and its last
//! two sums.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use veilsum_proto::ids::{ModelDigest, TaskDigest};
use veilsum_quic::{Blob, BlobSource};

/// Blobs of all tasks.
#[derive(Debug, Default)]
pub(crate) struct Blobs(Mutex<BTreeMap<TaskDigest, Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    model: Option<Held>,
    sums: VecDeque<Held>,
}

#[derive(Debug)]
struct Held {
    digest: [u8; 32],
    bytes: Bytes,
}

impl Blobs {
    /// Serves the model of the round to come in place of the last one; the digest is all zero without a model. Hashes,
    /// so it belongs where blocking is allowed.
    // spec: [service.model]
    pub(crate) fn put_model(&self, task: TaskDigest, model: Option<Bytes>) -> ModelDigest {
        let held = model.map(Held::new);
        let digest = held.as_ref().map_or([0; 32], |held| held.digest);
        self.lock().entry(task).or_default().model = held;
        ModelDigest(digest)
    }

    /// Serves a packed sum beside the one before it.
    // spec: [service.publish.blob]
    pub(crate) fn put_sum(&self, task: TaskDigest, digest: [u8; 32], bytes: Bytes) {
        let mut shelves = self.lock();
        let sums = &mut shelves.entry(task).or_default().sums;
        sums.push_back(Held { digest, bytes });
        while sums.len() > SUMS {
            sums.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskDigest, Shelf>> {
        // whole between any two statements that can panic
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlobSource for Blobs {
    fn open(&self, digest: &[u8; 32]) -> Option<Blob> {
        let shelves = self.lock();
        let mut all = shelves
            .values()
            .flat_map(|shelf| shelf.model.iter().chain(&shelf.sums));
        let held = all.find(|held| held.digest == *digest)?;
        Some(Blob::Memory(held.bytes.clone()))
    }
}

impl Held {
    fn new(bytes: Bytes) -> Self {
        Self {
            digest: Sha256::digest(&bytes).into(),
            bytes,
        }
    }
}

/// Sums a task keeps: members that are slow to fetch may still be at the last one when the next is there.
const SUMS: usize = 2;

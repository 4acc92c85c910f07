//! Base models, deltas towards them, and sums that members fetch by digest. Not an archive: a task keeps the model of its open
//! round and its last two sums.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::{sync::Mutex as Turns, task::spawn_blocking};
use veilsum_proto::ids::{ModelDigest, TaskDigest};
use veilsum_quic::{Blob, BlobSource, Delta, MakesDelta};

use crate::hook::{DownloadBytes, ModelDeltas};

/// Blobs of all tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blobs(Arc<Mutex<Shelves>>);

type Shelves = BTreeMap<TaskDigest, Shelf>;

#[derive(Default)]
struct Shelf {
    model: Option<Held>,
    /// Deltas to the model, by the digest of the model that they start from; nothing for one that would not be smaller.
    deltas: BTreeMap<[u8; 32], Option<Held>>,
    maker: Option<Arc<dyn ModelDeltas>>,
    /// Held while a delta is in the making.
    turn: Arc<Turns<()>>,
    /// Bytes of the model that were sent since the round began to gather.
    sent: DownloadBytes,
    sums: VecDeque<Held>,
}

#[derive(Clone, Debug)]
struct Held {
    digest: [u8; 32],
    bytes: Bytes,
}

/// A delta that is to be made.
struct Order {
    task: TaskDigest,
    have: [u8; 32],
    wanted: [u8; 32],
    maker: Arc<dyn ModelDeltas>,
}

/// What is known of a delta.
enum Known {
    /// Here, or none to be had.
    Answer(Option<Delta>),
    /// Nothing yet.
    Unmade(Order, Arc<Turns<()>>),
}

impl Blobs {
    /// Has deltas of the task's models made by `maker`.
    pub(crate) fn make_deltas(&self, task: TaskDigest, maker: Option<Arc<dyn ModelDeltas>>) {
        self.lock().entry(task).or_default().maker = maker;
    }

    /// Serves the model of the round to come in place of the last one; the digest is all zero without a model. Hashes,
    /// so it belongs where blocking is allowed.
    // spec: [service.model] [service.model.delta] [service.model.count]
    pub(crate) fn put_model(&self, task: TaskDigest, model: Option<Bytes>) -> ModelDigest {
        let held = model.map(Held::new);
        let digest = held.as_ref().map_or([0; 32], |held| held.digest);
        let mut shelves = self.lock();
        let shelf = shelves.entry(task).or_default();
        if shelf.model.as_ref().is_none_or(|old| old.digest != digest) {
            shelf.deltas.clear();
        }
        shelf.model = held;
        shelf.sent = DownloadBytes::default();
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

    /// Bytes of the task's model that were sent since [`Blobs::put_model`].
    pub(crate) fn model_bytes_sent(&self, task: &TaskDigest) -> DownloadBytes {
        let sent = self.lock().get(task).map(|shelf| shelf.sent);
        sent.unwrap_or_default()
    }

    /// A delta between two models, made if it is not here.
    // spec: [service.model.delta]
    async fn delta_between(&self, have: [u8; 32], wanted: [u8; 32]) -> Option<Delta> {
        let turn = match self.known(have, wanted) {
            Known::Answer(answer) => return answer,
            Known::Unmade(_, turn) => turn,
        };
        let turn = turn.lock_owned().await;
        let order = match self.known(have, wanted) {
            Known::Answer(answer) => return answer,
            Known::Unmade(order, _) => order,
        };
        let blobs = self.clone();
        // it goes on, and keeps its turn, when nobody waits for it any more
        let making = spawn_blocking(move || {
            let delta = blobs.make(&order);
            drop(turn);
            delta
        });
        making.await.ok().flatten()
    }

    fn known(&self, have: [u8; 32], wanted: [u8; 32]) -> Known {
        let shelves = self.lock();
        let found = shelves.iter().find(|(_, shelf)| shelf.is_at(&wanted));
        let Some((task, shelf)) = found.filter(|_| have != wanted) else {
            return Known::Answer(None);
        };
        if let Some(made) = shelf.deltas.get(&have) {
            return Known::Answer(made.clone().map(Delta::from));
        }
        match &shelf.maker {
            Some(maker) if shelf.deltas.len() < DELTAS => {
                let order = Order {
                    task: *task,
                    have,
                    wanted,
                    maker: maker.clone(),
                };
                Known::Unmade(order, shelf.turn.clone())
            }
            Some(_) | None => Known::Answer(None),
        }
    }

    /// Makes a delta and keeps it as long as the model it leads to. Blocks.
    fn make(&self, order: &Order) -> Option<Delta> {
        let made = order.maker.delta(&order.have, &order.wanted)?;
        let made = Held::new(made);
        let mut shelves = self.lock();
        let shelf = shelves.get_mut(&order.task)?;
        let model = shelf
            .model
            .as_ref()
            .filter(|_| shelf.is_at(&order.wanted))?;
        // spec: [blob.delta.smaller]
        let smaller = made.bytes.len() < model.bytes.len();
        let made = smaller.then_some(made);
        shelf.deltas.insert(order.have, made.clone());
        made.map(Delta::from)
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        // whole between any two statements that can panic
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlobSource for Blobs {
    fn open(&self, digest: &[u8; 32]) -> Option<Blob> {
        let shelves = self.lock();
        let mut all = shelves.values().flat_map(Shelf::all);
        let held = all.find(|held| held.digest == *digest)?;
        Some(Blob::Memory(held.bytes.clone()))
    }

    fn delta<'a>(&'a self, have: &'a [u8; 32], wanted: &'a [u8; 32]) -> MakesDelta<'a> {
        Box::pin(self.delta_between(*have, *wanted))
    }

    // spec: [service.model.count]
    fn sent(&self, digest: &[u8; 32], bytes: u64) {
        let mut shelves = self.lock();
        for shelf in shelves.values_mut() {
            if shelf.is_at(digest) {
                shelf.sent.full = shelf.sent.full.saturating_add(bytes);
                return;
            }
            if shelf.deltas().any(|held| held.digest == *digest) {
                shelf.sent.delta = shelf.sent.delta.saturating_add(bytes);
                return;
            }
        }
    }
}

impl Shelf {
    fn is_at(&self, digest: &[u8; 32]) -> bool {
        self.model
            .as_ref()
            .is_some_and(|model| model.digest == *digest)
    }

    fn deltas(&self) -> impl Iterator<Item = &Held> {
        self.deltas.values().flatten()
    }

    fn all(&self) -> impl Iterator<Item = &Held> {
        self.model.iter().chain(self.deltas()).chain(&self.sums)
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("model", &self.model)
            .finish_non_exhaustive()
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

impl From<Held> for Delta {
    fn from(Held { digest, bytes }: Held) -> Self {
        Self { digest, bytes }
    }
}

/// Sums a task keeps: members that are slow to fetch may still be at the last one when the next is there.
const SUMS: usize = 2;

/// Deltas a task keeps.
const DELTAS: usize = 64;

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Barrier,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use super::*;

    const TASK: TaskDigest = TaskDigest([1; 32]);

    /// Knows deltas of one byte from every model whose digest begins with a zero, and of 100 bytes where it begins with 1.
    #[derive(Default)]
    struct Maker {
        made: AtomicUsize,
        at_once: AtomicUsize,
    }

    impl ModelDeltas for Maker {
        fn delta(&self, from: &[u8; 32], _: &[u8; 32]) -> Option<Bytes> {
            self.made.fetch_add(1, Ordering::SeqCst);
            assert_eq!(self.at_once.fetch_add(1, Ordering::SeqCst), 0);
            std::thread::sleep(Duration::from_millis(5));
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            match from[0] {
                0 => Some(vec![from[1]].into()),
                1 => Some(vec![0; 100].into()),
                _ => None,
            }
        }
    }

    fn from(first: u8, second: u8) -> [u8; 32] {
        let mut digest = [7; 32];
        (digest[0], digest[1]) = (first, second);
        digest
    }

    fn blobs(model: &'static str) -> (Blobs, Arc<Maker>, [u8; 32]) {
        let (blobs, maker) = (Blobs::default(), Arc::new(Maker::default()));
        blobs.make_deltas(TASK, Some(maker.clone()));
        let digest = blobs.put_model(TASK, Some(model.into()));
        (blobs, maker, digest.0)
    }

    fn made(maker: &Maker) -> usize {
        maker.made.load(Ordering::SeqCst)
    }

    // spec: [service.model.delta] [sync.bounded]
    #[tokio::test]
    async fn many_who_ask_at_once_wait_for_one_delta_and_runtime_does_not() {
        let (blobs, maker, model) = blobs("model");
        let askers = (0..50).map(|_| {
            let blobs = blobs.clone();
            tokio::spawn(async move { blobs.delta_between(from(0, 3), model).await })
        });
        for asker in askers.collect::<Vec<_>>() {
            let delta = asker.await.unwrap().unwrap();
            assert_eq!(&delta.bytes[..], [3]);
            assert!(matches!(blobs.open(&delta.digest), Some(Blob::Memory(_))));
        }
        assert_eq!(made(&maker), 1);
    }

    // spec: [blob.delta.smaller] [service.model.delta]
    #[tokio::test]
    async fn a_delta_that_is_not_smaller_is_made_once_and_never_served() {
        let (blobs, maker, model) = blobs("model");
        for _ in 0..3 {
            assert_eq!(blobs.delta_between(from(1, 0), model).await, None);
        }
        assert_eq!(made(&maker), 1);
    }

    #[tokio::test]
    async fn other_ends_unknown_starts_and_the_model_itself_have_no_delta() {
        let (blobs, maker, model) = blobs("model");
        assert_eq!(blobs.delta_between(from(0, 0), [5; 32]).await, None);
        assert_eq!(blobs.delta_between(model, model).await, None);
        assert_eq!(made(&maker), 0);
        assert_eq!(blobs.delta_between(from(2, 0), model).await, None);
    }

    // spec: [service.model.delta]
    #[tokio::test]
    async fn deltas_go_with_their_version_and_are_never_more_than_64() {
        let (blobs, maker, model) = blobs("model");
        for second in 0..100 {
            let found = blobs.delta_between(from(0, second), model).await;
            assert_eq!(found.is_some(), second < 64, "{second}");
        }
        assert_eq!(made(&maker), 64);
        let delta = blobs.delta_between(from(0, 1), model).await.unwrap();
        blobs.put_model(TASK, Some("model".into()));
        assert!(blobs.open(&delta.digest).is_some(), "the same model again");
        blobs.put_model(TASK, Some("another".into()));
        assert!(blobs.open(&delta.digest).is_none());
        assert_eq!(blobs.delta_between(from(0, 1), model).await, None);
    }

    /// Waits for the test before it goes on.
    struct Slow(Barrier, Barrier);

    impl ModelDeltas for Slow {
        fn delta(&self, _: &[u8; 32], _: &[u8; 32]) -> Option<Bytes> {
            self.0.wait();
            self.1.wait();
            Some("d".into())
        }
    }

    // spec: [service.model.delta]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_delta_nobody_waits_for_any_more_is_kept_all_the_same_but_not_past_its_model() {
        let blobs = Blobs::default();
        let maker = Arc::new(Slow(Barrier::new(2), Barrier::new(2)));
        blobs.make_deltas(TASK, Some(maker.clone()));
        for next in ["model", "another"] {
            let model = blobs.put_model(TASK, Some("model".into())).0;
            let asker = tokio::spawn({
                let blobs = blobs.clone();
                async move { blobs.delta_between(from(0, 0), model).await }
            });
            let started = maker.clone();
            spawn_blocking(move || started.0.wait()).await.unwrap();
            asker.abort();
            let _ = asker.await;
            blobs.put_model(TASK, Some(next.into()));
            let go_on = maker.clone();
            spawn_blocking(move || go_on.1.wait()).await.unwrap();
            let turn = blobs.lock()[&TASK].turn.clone();
            drop(turn.lock().await);
            let kept = usize::from(next == "model");
            assert_eq!(blobs.lock()[&TASK].deltas.len(), kept);
            blobs.put_model(TASK, None);
        }
    }

    // spec: [service.model.count]
    #[tokio::test]
    async fn bytes_of_models_are_counted_by_kind_and_those_of_sums_are_not() {
        let (blobs, _, model) = blobs("model");
        let delta = blobs.delta_between(from(0, 0), model).await.unwrap();
        blobs.put_sum(TASK, [4; 32], "sum".into());
        for (digest, bytes) in [(model, 5), (model, 2), (delta.digest, 1), ([4; 32], 3)] {
            blobs.sent(&digest, bytes);
        }
        let sent = blobs.model_bytes_sent(&TASK);
        assert_eq!(sent, DownloadBytes { full: 7, delta: 1 });
        blobs.put_model(TASK, Some("model".into()));
        assert_eq!(blobs.model_bytes_sent(&TASK), DownloadBytes::default());
    }
}

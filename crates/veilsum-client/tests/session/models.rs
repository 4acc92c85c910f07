//! Models that come as deltas, whole after a delta that was a lie, or not at all because they are here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use veilsum_client::{Event, Failure, FileLedger, ModelBy, ModelStore};
use veilsum_proto::ids::{ModelDigest, Slot, TaskDigest};
use veilsum_quic::{Blob, Delta, Limits};

use crate::coordinator::{House, roster, task, until};
use crate::member::{Ended, Setup};

/// A store whose deltas are bytes to append.
#[derive(Clone, Default)]
pub struct Shelf {
    held: Arc<Mutex<BTreeMap<TaskDigest, Bytes>>>,
    /// Where a model on its way is collected.
    part: Option<PathBuf>,
    /// What it does wrong.
    fault: Fault,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    /// Names the digest of other bytes than it holds.
    Damaged,
    Full,
    Panics,
}

impl Shelf {
    fn with(model: &[u8]) -> Self {
        let shelf = Self::default();
        let model = Bytes::copy_from_slice(model);
        shelf.held.lock().unwrap().insert(task().digest(), model);
        shelf
    }

    fn held(&self) -> Option<Bytes> {
        self.held.lock().unwrap().get(&task().digest()).cloned()
    }
}

impl ModelStore for Shelf {
    fn have(&mut self, task: &TaskDigest) -> Option<ModelDigest> {
        let held = self.held.lock().unwrap().get(task).cloned()?;
        Some(ModelDigest(sha256(&held)))
    }

    fn load(&mut self, _: &TaskDigest) -> Result<Bytes, Failure> {
        match self.fault {
            Fault::Damaged => Ok("other bytes".into()),
            Fault::None | Fault::Full | Fault::Panics => {
                Ok(self.held().ok_or("nothing is kept")?)
            }
        }
    }

    fn rebuild(&mut self, _: &TaskDigest, delta: &[u8]) -> Result<Bytes, Failure> {
        assert!(self.fault != Fault::Panics, "as the test wants it");
        if delta == b"not a delta" {
            return Err("found bytes that are no delta".into());
        }
        let held = self.held().ok_or("nothing is kept")?;
        Ok([&held, delta].concat().into())
    }

    fn keep(
        &mut self,
        task: &TaskDigest,
        digest: ModelDigest,
        model: &Bytes,
    ) -> Result<(), Failure> {
        assert_eq!(digest.0, sha256(model));
        if self.fault == Fault::Full {
            return Err("disk is full".into());
        }
        self.held.lock().unwrap().insert(*task, model.clone());
        Ok(())
    }

    fn part(&mut self, _: &TaskDigest, _: ModelDigest) -> Option<PathBuf> {
        self.part.clone()
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Has the coordinator offer `delta` to whoever has `have` and wants `wanted`.
fn offer(house: &House, have: &[u8], wanted: &[u8], delta: &[u8]) {
    let delta = Delta {
        digest: sha256(delta),
        bytes: Bytes::copy_from_slice(delta),
    };
    let way = (sha256(have), sha256(wanted));
    house.inner.lock().deltas.insert(way, delta);
}

/// How the models came: by what, how many bytes for it, and of which size.
fn reports(ended: &Ended) -> Vec<(ModelBy, u64, u64)> {
    let events = ended.log.events.iter();
    let reports = events.filter_map(|event| match event {
        Event::Model {
            by,
            fetched_bytes,
            bytes,
            ..
        } => Some((*by, *fetched_bytes, *bytes)),
        _ => None,
    });
    reports.collect()
}

/// Runs a round from `model`, with these models kept by the first member, who takes in 100 bytes at most, and others that keep
/// none.
async fn round(house: &House, kept: Shelf, model: &[u8]) -> Ended {
    house.round(1, 0, Some(model));
    let [first, _second, _third] = [1, 2, 3].map(|seed| {
        let mut setup = Setup::new(house, seed);
        if seed == 1 {
            setup.config.policy.max_model_bytes = 100;
            setup.models = Some(kept.clone());
        }
        setup.run()
    });
    let (outcome, ended) = first.end().await;
    outcome.unwrap();
    assert_eq!(ended.log.asked[0].model.as_deref(), Some(model));
    ended
}

const OLD: &[u8] = b"the model";
const NEW: &[u8] = b"the model and more";

// spec: [model.delta] [model.report]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delta_from_the_kept_model_makes_the_rounds_model() {
    let house = House::open(roster(1));
    offer(&house, OLD, NEW, b" and more");
    let shelf = Shelf::with(OLD);
    let ended = round(&house, shelf.clone(), NEW).await;
    assert_eq!(reports(&ended), [(ModelBy::Delta, 9, 18)]);
    assert_eq!(ended.refusals(), []);
    assert_eq!(shelf.held().unwrap(), NEW);
    let sent = house.inner.lock().blob_bytes;
    assert!(sent >= 9 + 2 * 18, "others got it whole: {sent}");
    let told = ended.log.events.iter().find_map(|event| match event {
        Event::Model { sha256, .. } => Some(sha256.clone()),
        _ => None,
    });
    assert_eq!(told, Some(hex::encode(sha256(NEW))));
}

// spec: [model.delta] [model.report]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_delta_the_model_comes_whole_and_is_kept() {
    for shelf in [Shelf::default(), Shelf::with(b"of long ago")] {
        let house = House::open(roster(1));
        let ended = round(&house, shelf.clone(), OLD).await;
        assert_eq!(reports(&ended), [(ModelBy::Full, 9, 9)]);
        assert_eq!(ended.refusals(), []);
        assert_eq!(shelf.held().unwrap(), OLD);
    }
}

// spec: [model.delta] [model.verify]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_here_is_not_fetched_but_verified() {
    let house = House::open(roster(1));
    let ended = round(&house, Shelf::with(OLD), OLD).await;
    assert_eq!(reports(&ended), [(ModelBy::Kept, 0, 9)]);

    let mut damaged = Shelf::with(OLD);
    damaged.fault = Fault::Damaged;
    let house = House::open(roster(1));
    let ended = round(&house, damaged, OLD).await;
    assert_eq!(reports(&ended), [(ModelBy::Full, 9, 9)]);
}

// spec: [blob.delta.verify] [model.verify] [sync.end]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lying_delta_is_refused_and_the_model_fetched_whole() {
    let cases = [
        (&b" and less"[..], "model has digest", 27),
        (b"not a delta", "no delta", 29),
        (b"", "model has digest", 18),
        // beyond the site's limit: not a byte of it comes
        (&[b'x'; 101], "wanted at most 100", 18),
        // too large once it is made
        (&[b'x'; 95], "wanted at most 100", 113),
    ];
    for (lie, text, fetched) in cases {
        let house = House::open(roster(1));
        offer(&house, OLD, NEW, lie);
        let ended = round(&house, Shelf::with(OLD), NEW).await;
        assert_eq!(reports(&ended), [(ModelBy::Full, fetched, 18)]);
        let refusals = ended.refusals();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert_eq!(refusals[0].0, "model_delta");
        assert!(refusals[0].1.contains(text), "{refusals:?}");
    }
}

// spec: [blob.delta.verify] [blob.digest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delta_under_a_false_digest_is_refused() {
    let house = House::open(roster(1));
    offer(&house, OLD, NEW, b" and more");
    for delta in house.inner.lock().deltas.values_mut() {
        delta.digest = [7; 32];
    }
    let ended = round(&house, Shelf::with(OLD), NEW).await;
    assert_eq!(reports(&ended), [(ModelBy::Full, 27, 18)]);
    assert_eq!(ended.refusals()[0].0, "model_delta");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_costs_a_whole_model_and_nothing_else() {
    let cases = [
        (Fault::Full, (ModelBy::Delta, 9, 18)),
        (Fault::Panics, (ModelBy::Full, 27, 18)),
    ];
    for (fault, wanted) in cases {
        let house = House::open(roster(1));
        offer(&house, OLD, NEW, b" and more");
        let mut shelf = Shelf::with(OLD);
        shelf.fault = fault;
        let ended = round(&house, shelf, NEW).await;
        assert_eq!(reports(&ended), [wanted]);
    }
}

// spec: [model.delta] [blob.delta.verify]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delta_that_breaks_off_again_and_again_is_given_up() {
    let limits = Limits {
        blob_range: 1000,
        ..Limits::default()
    };
    let house = House::open_with(roster(1), limits);
    let more = [7; 5000];
    let model = [OLD, &more].concat();
    offer(&house, OLD, &model, &more);
    // the first range comes with the offer, no other ever does
    let gone = Blob::File("/nowhere/at/all".into());
    house.inner.lock().blobs.insert(sha256(&more), gone);
    house.round(1, 0, Some(&model));
    let [first, _second, _third] = [1, 2, 3].map(|seed| {
        let mut setup = Setup::new(&house, seed);
        setup.models = (seed == 1).then(|| Shelf::with(OLD));
        setup.run()
    });
    let (outcome, ended) = first.end().await;
    outcome.unwrap();
    assert_eq!(reports(&ended), [(ModelBy::Full, 6009, 5009)]);
    let kinds = ended.refusals().into_iter().map(|(kind, _)| kind);
    assert_eq!(kinds.collect::<Vec<_>>(), ["model_broken_off"; 4]);
}

// spec: [blob.delta.ranges] [model.fetch]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delta_is_fetched_on_where_its_line_broke() {
    let limits = Limits {
        blob_range: 100_000,
        ..Limits::default()
    };
    let house = House::open_with(roster(1), limits);
    let more = (0..2_500_000_u32)
        .flat_map(u32::to_le_bytes)
        .collect::<Vec<_>>();
    let model = [OLD, more.as_slice()].concat();
    offer(&house, OLD, &model, &more);
    house.inner.lock().break_asks = true;
    house.round(1, 0, Some(&model));
    let members = [1, 2, 3].map(|seed| {
        let mut setup = Setup::new(&house, seed);
        setup.models = Some(Shelf::with(OLD));
        setup.run()
    });
    for member in members {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        assert!(ended.log.asked[0].model.as_deref() == Some(model.as_slice()));
        assert_eq!(ended.refusals(), []);
        let wanted = (ModelBy::Delta, more.len() as u64, model.len() as u64);
        assert_eq!(reports(&ended), [wanted]);
    }
    assert_eq!(house.connections(), 6);
    // 99 ranges by the delta's own digest (the first came with the offer), 3 that broke, and the sum
    let asks = house.inner.lock().asks[&Slot(0)];
    assert!((100..=109).contains(&asks), "{asks}");
}

// spec: [sync.part] [model.fetch]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_killed_while_it_fetched_asks_for_the_rest_alone() {
    const RANGE: u64 = 10_000;
    let limits = Limits {
        blob_range: RANGE,
        ..Limits::default()
    };
    let house = House::open_with(roster(1), limits);
    let model = (0..1_000_000_u32)
        .flat_map(u32::to_le_bytes)
        .collect::<Vec<_>>();
    let place = tempfile::tempdir().unwrap();
    let shelf = Shelf {
        part: Some(place.path().join("part")),
        ..Shelf::default()
    };
    house.round(1, 0, Some(&model));
    let [first, _second, _third] = [1, 2, 3].map(|seed| {
        let mut setup = Setup::new(&house, seed);
        setup.models = (seed == 1).then(|| shelf.clone());
        setup.run()
    });
    until("the start of the model", || {
        house.inner.lock().asks.get(&Slot(0)).copied().unwrap_or(0) > 30
    })
    .await;
    let folder = first.kill();
    until("the end of the member", || {
        FileLedger::open(folder.path().join("ledger")).is_ok()
    })
    .await;
    let mut again = Setup::in_folder(&house, 1, folder);
    again.models = Some(shelf);
    let (outcome, ended) = again.run().end().await;
    outcome.unwrap();
    assert!(ended.log.asked[0].model.as_deref() == Some(model.as_slice()));
    assert_eq!(ended.refusals(), []);
    let size = model.len() as u64;
    let [(by, fetched, told)] = reports(&ended)[..] else {
        panic!("one model was fetched");
    };
    assert_eq!((by, told), (ModelBy::Full, size));
    assert!(fetched <= size - 25 * RANGE, "{fetched} of {size}");
}

// spec: [sync.part]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_of_another_model_is_thrown_away_and_the_round_goes_on() {
    // the start of another model, one that is as long, one that is longer, one beyond the site's limit
    let cases: [(&[u8], u64); 5] = [
        (b"the", 18 - 3),
        (b"THE", 18 - 3 + 18),
        (b"THE MODEL AND MORE", 18),
        (b"the model and more than that", 18),
        (&[b'x'; 101], 18),
    ];
    for (kept, fetched) in cases {
        let house = House::open(roster(1));
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("part");
        std::fs::write(&path, kept).unwrap();
        let shelf = Shelf {
            part: Some(path),
            ..Shelf::default()
        };
        let ended = round(&house, shelf.clone(), NEW).await;
        assert_eq!(reports(&ended), [(ModelBy::Full, fetched, 18)], "{kept:?}");
        assert_eq!(shelf.held().unwrap(), NEW);
        let kinds = ended.refusals().into_iter().map(|(kind, _)| kind);
        let thrown_away = !NEW.starts_with(kept) && kept.len() <= 100;
        let wanted = if thrown_away {
            &["model_part"][..]
        } else {
            &[]
        };
        assert_eq!(kinds.collect::<Vec<_>>(), wanted, "{kept:?}");
    }
}

// spec: [model.delta]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_round_goes_on_from_the_model_of_the_last_one() {
    let house = House::open(roster(1));
    let whole = b"model";
    let shelves = [1, 2, 3].map(|_| Shelf::default());
    let members = [1, 2, 3].map(|seed| {
        let mut setup = Setup::new(&house, seed);
        setup.rounds = whole.len();
        setup.models = Some(shelves[usize::from(seed) - 1].clone());
        setup.run()
    });
    for size in 1..=whole.len() {
        let (model, last) = (&whole[..size], &whole[..size - 1]);
        offer(&house, last, model, &whole[size - 1..size]);
        house.round(size as u64, 0, Some(model));
        until("the results", || {
            let results = |member: &crate::member::Member| member.log.lock().unwrap().results.len();
            members.iter().all(|member| results(member) >= size)
        })
        .await;
    }
    for (member, shelf) in members.into_iter().zip(shelves) {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        let mut wanted = vec![(ModelBy::Full, 1, 1)];
        wanted.extend((2..=5).map(|size| (ModelBy::Delta, 1, size)));
        assert_eq!(reports(&ended), wanted);
        assert_eq!(shelf.held().unwrap(), &whole[..]);
    }
}

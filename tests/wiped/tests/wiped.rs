//! No block of the heap is given back with a secret in it, whoever frees it and when.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use veilsum_math::backend::Backend;
use veilsum_math::{
    Blocks, Keystream, KeystreamKey, Lagrange, Mask, Point, Secret, Sign, Threads, apply_masks,
    split,
};
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Sid2, Slot};
use veilsum_proto::message::{
    Caps, Message, PairSeedReveal, Reveal, RevealedSeed, ShareAnswer, Shares,
};
use veilsum_wiped::{Kind, Known, Round, Watch, alive, secrets_of, unwatch, unwiped, watch};
use zeroize::Zeroizing;

#[global_allocator]
static ALLOCATOR: Watch = Watch;

/// There is one allocator, so that there is one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn known(kind: Kind, bytes: [u8; 32]) -> Known {
    Known { kind, bytes }
}

/// Fails with the first block that was freed unwiped, and who freed it.
fn assert_all_wiped(when: &str) {
    let found = unwiped();
    let all = found.iter().map(|found| (found.kind, found.block));
    let all = all.collect::<BTreeSet<_>>();
    if let Some(first) = found.first() {
        panic!(
            "{when}: freed unwiped {all:?}, the first by\n{}",
            first.freed_by
        );
    }
}

fn kinds<const N: usize>(kinds: [Kind; N]) -> BTreeSet<Kind> {
    BTreeSet::from(kinds)
}

#[test]
fn what_is_freed_with_a_secret_in_it_is_found() {
    let _alone = alone();
    let secret: [u8; 32] = std::array::from_fn(|index| index as u8 * 7 + 1);
    watch(&[known("control", secret)]);

    let mut plain = vec![0; 100];
    plain[33..65].copy_from_slice(&secret);
    assert_eq!(alive(), kinds(["control"]));
    drop(black_box(plain));
    let found = unwiped();
    assert_eq!((found.len(), found[0].block), (1, 100));
    assert_eq!(alive(), kinds([]));

    let mut grown = Vec::with_capacity(32);
    grown.extend_from_slice(&secret);
    grown.reserve(1000);
    assert_eq!(unwiped().len(), 1, "a vector leaves its bytes where it was");
    black_box(&mut grown).fill(0);
    drop(grown);
    assert_eq!(unwiped().len(), 0);

    drop(black_box(secret[16..].to_vec()));
    assert_eq!(unwiped().len(), 1, "half of a secret is one");
    drop(black_box(Zeroizing::new(secret.to_vec())));
    drop(black_box(secret[1..16].to_vec()));
    assert_all_wiped("what was wiped, and what is too short");
    unwatch();
}

/// Five members vanish before they upload, so that pair seeds with them are revealed; two after they were counted, so that shares of
/// their self seeds and of the root seeds of the five are given out.
#[test]
fn a_whole_round_frees_no_secret_and_each_phase_keeps_only_its_own() {
    let _alone = alone();
    let secrets = secrets_of(MEMBERS);
    let all = secrets
        .iter()
        .map(|secret| secret.kind)
        .collect::<BTreeSet<_>>();
    watch(&secrets);
    drop(secrets);

    let mut round = Round::new(MEMBERS, false);
    assert_eq!(alive(), kinds([]));

    round.run_to(PhaseName::Share);
    assert_all_wiped("advertise");
    let noise = ["noise base", "noise chain"];
    let advertised = ["mask key", "root seed", "seal key", "self seed"];
    assert_eq!(alive(), advertised.into_iter().chain(noise).collect());

    round.run_to(PhaseName::Accept);
    assert_all_wiped("share");
    let shared = ["pair seed", "sealing key", "self seed"];
    assert_eq!(alive(), shared.into_iter().chain(noise).collect());

    round.run_to(PhaseName::Upload);
    assert_all_wiped("accept");
    let shares = ["share of a root seed", "share of a self seed"];
    let accepted = ["pair seed", "self seed"].into_iter().chain(shares);
    assert_eq!(alive(), accepted.chain(noise).collect());

    (12..17).for_each(|slot| drop(round.players.remove(&Slot(slot))));
    assert_all_wiped("members vanished before Upload");
    round.run_to(PhaseName::Confirm);
    assert_all_wiped("upload");
    let uploaded = ["noise chain", "pair seed", "self seed"].into_iter();
    assert_eq!(alive(), uploaded.chain(shares).collect());

    round.run_to(PhaseName::Reveal);
    (10..12).for_each(|slot| drop(round.players.remove(&Slot(slot))));
    assert_all_wiped("confirm");
    round.run_to(PhaseName::Recover);
    assert_all_wiped("reveal");
    round.run_to(PhaseName::Finished);
    assert_all_wiped("recover");
    round.players.clear();
    assert_all_wiped("the members are gone");
    drop(round);
    assert_all_wiped("the coordinator is gone");
    assert_eq!(alive(), kinds([]));
    for kind in ["contribution", "polynomial", "agreed secret"] {
        assert!(all.contains(kind), "{kind} was looked for");
    }
    unwatch();
}

#[test]
fn a_member_that_ends_in_any_phase_leaves_no_secret() {
    let _alone = alone();
    let secrets = secrets_of(MEMBERS);
    watch(&secrets);
    drop(secrets);
    let phases = [
        PhaseName::Share,
        PhaseName::Accept,
        PhaseName::Upload,
        PhaseName::Confirm,
        PhaseName::Reveal,
    ];
    let late = Duration::from_secs(1 << 40);
    for phase in phases {
        for end in ["dropped", "closed", "past its deadline"] {
            let mut round = Round::new(MEMBERS, false);
            round.run_to(phase);
            assert_ne!(alive(), kinds([]), "{phase}");
            match end {
                "dropped" => round.players.clear(),
                "closed" => round.players.values_mut().for_each(|player| player.close()),
                _ => round
                    .players
                    .values_mut()
                    .for_each(|player| player.wait(late)),
            }
            assert_eq!(alive(), kinds([]), "{end} in {phase}");
            assert_all_wiped(&format!("{end} in {phase}"));
        }
    }
    unwatch();
}

/// Both lists are longer than what a list first has room for, so that they move while they are read.
#[test]
fn reading_a_reveal_and_shares_leaves_seeds_in_the_message_alone() {
    let _alone = alone();
    let caps = Caps::new(MEMBERS, MEMBERS - 1);
    let (session, slot) = (Sid2([0; 32]), Slot(0));
    let bytes = |kind: u8, index: u32| -> [u8; 32] {
        std::array::from_fn(|place| (place as u8).wrapping_mul(77) ^ kind.wrapping_add(index as u8))
    };
    let seed = |kind, index| RevealedSeed::new(&bytes(kind, index));
    let reveal = Message::new(Reveal {
        sid2: session,
        slot,
        self_seed: seed(1, 0),
        pair_seeds: (1..MEMBERS)
            .map(|other| PairSeedReveal {
                slot: Slot(other),
                seed: seed(40, other),
            })
            .collect(),
        chain_value: Some(seed(2, 0)),
    });
    let shares = Message::new(Shares {
        sid2: session,
        slot,
        answers: (1..MEMBERS)
            .map(|of| match of % 2 {
                0 => ShareAnswer::SelfSeed(Slot(of), seed(80, of)),
                _ => ShareAnswer::RootSeed(Slot(of), seed(80, of)),
            })
            .collect(),
    });
    let all = (1..MEMBERS).flat_map(|other| {
        [
            known("pair seed", bytes(40, other)),
            known("share", bytes(80, other)),
        ]
    });
    let own = [
        known("self seed", bytes(1, 0)),
        known("chain value", bytes(2, 0)),
    ];
    let secrets = own.into_iter().chain(all).collect::<Vec<_>>();
    let frames = [&reveal, &shares].map(|message| Zeroizing::new(message.encode()));
    drop((reveal, shares));
    watch(&secrets);
    drop(secrets);

    let messages = frames.each_ref().map(|frame| Message::decode(frame, &caps));
    assert_all_wiped("read");
    drop(frames);
    assert_eq!(
        alive(),
        kinds(["chain value", "pair seed", "self seed", "share"])
    );
    // Moved, and copied as a coordinator does that keeps what it was told.
    let moved = messages.map(|message| Box::new(message.unwrap()));
    let copies = moved.clone();
    drop(moved);
    assert_all_wiped("the messages are gone");
    drop(copies);
    assert_eq!(alive(), kinds([]));
    assert_all_wiped("the copies are gone");
    unwatch();
}

#[test]
fn keystreams_and_masks_of_every_kernel_wipe_their_keys() {
    let _alone = alone();
    let key: [u8; 32] = std::array::from_fn(|index| (index as u8).wrapping_mul(53) ^ 0x5a);
    watch(&[known("keystream key", key)]);
    for backend in Backend::available() {
        let stream = Box::new(Keystream::with_backend(KeystreamKey::new(key), backend));
        let mut bytes = vec![0; 1000];
        stream.fill(5, &mut bytes);
        drop(stream);
        let masks = [Sign::Add, Sign::Subtract]
            .map(|sign| Mask::with_backend(KeystreamKey::new(key), sign, backend));
        for threads in [Threads::One, Threads::All] {
            apply_masks(&mut Blocks::zeroed(5000), &masks, threads);
        }
        drop(masks.into_iter().collect::<Vec<_>>());
        assert_eq!(alive(), kinds([]));
        assert_all_wiped(backend.name());
    }
    let boxed = KeystreamKey::new(key);
    assert_eq!(alive(), kinds(["keystream key"]));
    drop(boxed);
    assert_all_wiped("a key");
    unwatch();
}

#[test]
fn sharing_and_rebuilding_wipe_what_they_work_with() {
    let _alone = alone();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let points = (0..9).map(Point::of_slot).collect::<Vec<_>>();
    let secret = Secret::random(&mut rng);
    let before = rng.clone();
    let shares = split(&secret, 5, &points, &mut rng).unwrap();
    let mut secrets = vec![known("secret", *secret.expose_bytes())];
    secrets.extend(
        shares
            .iter()
            .map(|share| known("share", *share.expose_bytes())),
    );
    let mut again = before.clone();
    secrets.extend((1..5).map(|_| known("polynomial", *Secret::random(&mut again).expose_bytes())));
    drop(shares);
    watch(&secrets);
    drop(secrets);

    let shares = split(&secret, 5, &points, &mut before.clone()).unwrap();
    assert_eq!(alive(), kinds(["secret", "share"]));
    let lagrange = Lagrange::at_zero(&points[2..7]).unwrap();
    let rebuilt = lagrange
        .combine(&shares[2..7].iter().collect::<Vec<_>>())
        .unwrap();
    assert!(bool::from(rebuilt.ct_eq(&secret)));
    drop((shares, rebuilt, secret));
    assert_eq!(alive(), kinds([]));
    assert_all_wiped("sharing");
    unwatch();
}

#[test]
fn an_identity_and_the_text_of_its_file_are_wiped() {
    let _alone = alone();
    let secret: [u8; 32] = std::array::from_fn(|index| (index as u8).wrapping_mul(91) ^ 0xc3);
    let text = hex::encode(secret);
    let halves = text.as_bytes().as_chunks::<32>().0;
    watch(&[
        known("identity", secret),
        known("identity in text", halves[0]),
        known("identity in text", halves[1]),
    ]);
    drop(Zeroizing::new(text));

    let identity = Identity::from_secret_bytes(&secret);
    assert_eq!(alive(), kinds(["identity"]));
    let text = identity.to_file_text();
    assert_eq!(alive(), kinds(["identity", "identity in text"]));
    let again = Identity::from_file_text(&text).unwrap();
    assert_eq!(again.public(), identity.public());
    drop((text, again, identity));
    assert_eq!(alive(), kinds([]));
    assert_all_wiped("identity");
    unwatch();
}

/// Seven of which may be missing: more of anything than a vector first has room for.
const MEMBERS: u32 = 17;

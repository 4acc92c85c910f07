//! The tap can find something: what it calls safe elsewhere is not for lack of looking.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Round, Slot};
use veilsum_proto::message::{
    Confirmation, PairSeedReveal, Reveal, RevealedSeed, ShareAnswer, Shares,
};
use veilsum_tests::{Play, Setup};

const SECRET: RevealedSeed = RevealedSeed([0; 32]);

fn is_unsafe(play: &Play) -> bool {
    catch_unwind(AssertUnwindSafe(|| play.tap.assert_safe())).is_err()
}

fn uploaded() -> Play {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[6]);
    play.run_to(PhaseName::Confirm);
    play
}

fn reveal(play: &Play, slot: u32, dropped: &[u32]) -> Reveal {
    let all = play.all_but(&[]);
    let pair_seeds = dropped.iter().map(|slot| PairSeedReveal {
        slot: Slot(*slot),
        seed: SECRET,
    });
    Reveal {
        sid2: play.survivor_set(&all, &all).sid2,
        slot: Slot(slot),
        self_seed: SECRET,
        pair_seeds: pair_seeds.collect(),
        chain_value: None,
    }
}

#[test]
fn it_sees_a_member_that_reveals_its_self_seed_and_all_pair_seeds() {
    let mut play = uploaded();
    let context = play.context.clone();
    play.tap
        .revealed(&context, &reveal(&play, 0, &[1, 2, 3, 4]));
    assert!(!is_unsafe(&play), "the mask with member 5 is still on");
    play.tap.revealed(&context, &reveal(&play, 0, &[5]));
    assert_eq!(play.tap.known_sums(Round(1)), [BTreeSet::from([Slot(0)])]);
    assert!(is_unsafe(&play));
}

/// What R1 is about: the victim reveals for one set, its neighbours give shares of their dropped peers for another.
#[test]
fn it_sees_two_fates_of_one_member_come_true() {
    let mut play = uploaded();
    let context = play.context.clone();
    play.tap.revealed(&context, &reveal(&play, 0, &[3, 4, 5]));
    let roots = [1, 2].map(|slot| ShareAnswer::RootSeed(Slot(slot), SECRET));
    for holder in 2..6 {
        let all = play.all_but(&[]);
        let sid2 = play.survivor_set(&all, &all).sid2;
        let shares = Shares {
            sid2,
            slot: Slot(holder),
            answers: roots.to_vec(),
        };
        assert!(!is_unsafe(&play), "t - 1 shares tell nothing");
        play.tap.shared(&context, &shares);
    }
    assert!(
        is_unsafe(&play),
        "with the corrupt member's these are t = 5 shares of each"
    );
}

#[test]
fn it_sees_a_sum_over_a_part_of_the_survivors() {
    let mut play = uploaded();
    let context = play.context.clone();
    for slot in 0..3 {
        play.tap
            .revealed(&context, &reveal(&play, slot, &[3, 4, 5]));
    }
    assert_eq!(
        play.tap.known_sums(Round(1)),
        [(0..3).map(Slot).collect::<BTreeSet<_>>()]
    );
    assert!(is_unsafe(&play));
}

#[test]
fn it_sees_two_sets_that_can_be_certified() {
    let mut play = uploaded();
    let context = play.context.clone();
    let all = play.all_but(&[]);
    for gone in [4, 5] {
        let set = play.survivor_set(&all, &play.all_but(&[gone]));
        for slot in 0..4 {
            let mut signed = play.forged_signature(6, &set);
            signed.slot = Slot(slot);
            let confirmation = Confirmation {
                sid2: set.sid2,
                signed,
            };
            assert!(!is_unsafe(&play));
            play.tap.confirmed(&context, &set, &confirmation);
        }
    }
    assert_eq!(play.tap.certifiable(Round(1)).len(), 2);
    assert!(is_unsafe(&play));
}

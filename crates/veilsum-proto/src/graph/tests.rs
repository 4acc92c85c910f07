use super::*;
use crate::parameters::{Amount, Demand};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const RANDOMNESS: [u8; 32] = [7; 32];
const ROSTER: RosterDigest = RosterDigest([42; 32]);
const ROUND: Round = Round(5);

fn derived(n: u32, c: u32, d: u32) -> Parameters {
    Parameters::derive(&Demand::new(n, Amount::Count(c), Amount::Count(d))).unwrap()
}

/// A ring too small for any derivation.
fn tiny(n: u32, k: u32, h: u32) -> Parameters {
    Parameters {
        k,
        h: Some(h),
        ..derived(n, 0, 0)
    }
}

fn graph(parameters: &Parameters) -> Graph {
    Graph::new(
        Population::whole(parameters.n),
        parameters,
        &RANDOMNESS,
        &ROSTER,
        ROUND,
    )
}

fn slots(numbers: &[u32]) -> Vec<Slot> {
    numbers.iter().copied().map(Slot).collect()
}

fn digest(slots: &[Slot]) -> String {
    let bytes: Vec<u8> = slots.iter().flat_map(|slot| slot.0.to_be_bytes()).collect();
    hex::encode(Sha256::digest(bytes))
}

// shape

// spec: [graph.neighbours]
#[test]
fn the_complete_graph_joins_everyone_with_everyone() {
    let graph = graph(&derived(5, 1, 1));
    assert_eq!(graph.neighbours(Slot(2)), slots(&[0, 1, 3, 4]));
    assert!(graph.are_neighbours(Slot(0), Slot(4)));
    assert!(!graph.are_neighbours(Slot(3), Slot(3)));
    assert!(!graph.are_neighbours(Slot(0), Slot(5)));
    assert_eq!(graph.neighbours(Slot(5)), []);
    assert_eq!(graph.ring_order(), None);
    assert_eq!(graph.electorate(), slots(&[0, 1, 2, 3, 4]));
    assert_eq!(graph.check_windows(&Bitmap::empty(5)), Ok(()));
}

// spec: [graph.ring] [graph.neighbours]
#[test]
fn every_slot_of_a_ring_has_k_neighbours_and_each_has_it_too() {
    let parameters = derived(1000, 100, 100);
    let graph = graph(&parameters);
    for slot in (0..1000).map(Slot) {
        let neighbours = graph.neighbours(slot);
        assert_eq!(neighbours.len(), 66);
        assert!(neighbours.is_sorted() && !neighbours.contains(&slot));
        for other in (0..1000).map(Slot) {
            let joined = neighbours.binary_search(&other).is_ok();
            assert_eq!(graph.are_neighbours(slot, other), joined);
            assert_eq!(graph.are_neighbours(other, slot), joined);
        }
    }
}

// spec: [graph.key] [graph.rank] [graph.ring] [graph.neighbours]
#[test]
fn the_ring_of_the_worked_example_comes_out() {
    let graph = graph(&derived(1000, 100, 100));
    let order = graph.ring_order().unwrap();
    assert_eq!(order[..8], slots(&[286, 524, 644, 116, 197, 673, 736, 235]));
    assert_eq!(order[86], Slot(0));
    assert_eq!(
        digest(order),
        "1907daf3d363fe4cc214a247a72d6b91748310f995acdc2bb7adeb25e99cde45"
    );
    let neighbours = graph.neighbours(Slot(0));
    assert_eq!(neighbours[..6], slots(&[14, 35, 38, 45, 74, 89]));
    assert_eq!(neighbours[60..], slots(&[914, 937, 950, 968, 973, 978]));
}

// spec: [graph.committee]
#[test]
fn the_committee_of_the_worked_example_comes_out() {
    let graph = graph(&derived(1000, 100, 100));
    let committee = graph.electorate();
    assert_eq!(committee.len(), 145);
    assert_eq!(committee[..6], slots(&[1, 8, 9, 10, 13, 20]));
    assert_eq!(
        digest(committee),
        "5ab05e272fa1cbd0702c8d415772b0b4aa62fbd70159aa5881f1cf949886bd4e"
    );
    assert!(
        graph.is_elector(Slot(8)) && !graph.is_elector(Slot(0)) && !graph.is_elector(Slot(1001))
    );
}

// spec: [graph.electorate.all]
#[test]
fn a_ring_without_a_committee_lets_all_slots_sign() {
    let graph = graph(&derived(1000, 200, 100));
    assert_eq!(graph.electorate().len(), 1000);
    assert!(graph.ring_order().is_some());
}

// spec: [graph.cohort]
#[test]
fn the_cohort_of_the_worked_example_comes_out() {
    let cohort = cohort(1000, 20, &RANDOMNESS, &ROSTER, ROUND);
    let wanted = slots(&[
        10, 160, 176, 222, 297, 340, 353, 373, 442, 463, 475, 541, 593, 693, 723, 777, 786, 847,
        857, 901,
    ]);
    assert_eq!(cohort.slots().collect::<Vec<_>>(), wanted);
    assert_eq!(
        (
            cohort.len(),
            cohort.index_of(Slot(176)),
            cohort.index_of(Slot(177))
        ),
        (20, Some(2), None)
    );
}

// spec: [graph.cohort]
#[test]
fn a_cohort_of_all_is_the_roster() {
    for size in [10, 11, u32::MAX] {
        assert_eq!(
            cohort(10, size, &RANDOMNESS, &ROSTER, ROUND),
            Population::whole(10)
        );
    }
    assert!(cohort(10, 0, &RANDOMNESS, &ROSTER, ROUND).is_empty());
}

// spec: [graph.cohort] [graph.ring]
#[test]
fn a_graph_over_a_cohort_joins_its_slots_only() {
    let population = cohort(5000, 300, &RANDOMNESS, &ROSTER, ROUND);
    let members: BTreeSet<Slot> = population.slots().collect();
    let parameters = derived(300, 30, 30);
    let graph = Graph::new(population, &parameters, &RANDOMNESS, &ROSTER, ROUND);
    for slot in (0..5000).map(Slot) {
        let neighbours = graph.neighbours(slot);
        assert_eq!(graph.contains(slot), members.contains(&slot));
        assert_eq!(
            neighbours.len(),
            if members.contains(&slot) { 58 } else { 0 }
        );
        assert!(neighbours.iter().all(|other| members.contains(other)));
    }
    assert!(graph.electorate().iter().all(|slot| members.contains(slot)));
    assert_eq!(graph.electorate().len(), 98);

    let all = Bitmap::of(5000, members.iter().copied());
    assert_eq!(graph.check_windows(&all), Ok(()));
    let others = Bitmap::of(
        5000,
        (0..5000).map(Slot).filter(|slot| !members.contains(slot)),
    );
    assert!(
        graph.check_windows(&others).is_err(),
        "slots outside the cohort fill no window"
    );
}

// what a graph depends on

// spec: [graph.key]
#[test]
fn labels_randomness_roster_and_round_each_give_another_order() {
    let parameters = derived(1000, 100, 100);
    let order = |randomness, roster, round| {
        let graph = Graph::new(
            Population::whole(1000),
            &parameters,
            &randomness,
            &roster,
            round,
        );
        (
            graph.ring_order().unwrap().to_vec(),
            graph.electorate().to_vec(),
        )
    };
    let base = order(RANDOMNESS, ROSTER, ROUND);
    assert_eq!(base, order(RANDOMNESS, ROSTER, ROUND));
    for other in [
        order([8; 32], ROSTER, ROUND),
        order(RANDOMNESS, RosterDigest([43; 32]), ROUND),
        order(RANDOMNESS, ROSTER, Round(6)),
    ] {
        assert_ne!(base.0, other.0);
        assert_ne!(base.1, other.1);
    }
    let mut first: Vec<Slot> = base.0[..145].to_vec();
    first.sort_unstable();
    assert_ne!(
        first, base.1,
        "the committee is not the first part of the ring"
    );
}

/// Who is absent, who advertised, which attempt it is: none of it is an argument. What the windows are checked over is the same ring
/// for any set.
// spec: [graph.slots]
#[test]
fn the_ring_does_not_depend_on_who_is_absent() {
    let graph = graph(&tiny(30, 8, 1));
    let before = graph.ring_order().unwrap().to_vec();
    let absent = Bitmap::of(30, (0..30).map(Slot).filter(|slot| slot.0 % 3 != 0));
    let _ = graph.check_windows(&absent);
    assert_eq!(graph.ring_order().unwrap(), before);
    for slot in (0..30).map(Slot) {
        assert_eq!(
            graph.neighbours(slot).len(),
            8,
            "absent neighbours are not replaced"
        );
    }
}

// windows

// spec: [graph.window]
#[test]
fn a_thin_window_is_named_with_what_it_holds() {
    let graph = graph(&tiny(30, 8, 1));
    let order = graph.ring_order().unwrap();
    // positions 28, 29, 0 of the window from 27 are missing: one slot is left where two are wanted
    let held = (0..30)
        .filter(|position| ![28, 29, 0].contains(position))
        .map(|position| order[position]);
    let thin = graph.check_windows(&Bitmap::of(30, held)).unwrap_err();
    assert_eq!(
        thin,
        ThinWindow {
            position: 27,
            width: 4,
            found: 1,
            wanted: 2
        }
    );
    assert_eq!(
        thin.to_string(),
        "the window of 4 ring positions from 27 holds 1 of the set, wanted 2"
    );
    let held = (0..30)
        .filter(|position| ![29, 0].contains(position))
        .map(|position| order[position]);
    assert_eq!(graph.check_windows(&Bitmap::of(30, held)), Ok(()));
}

proptest! {
    // spec: [graph.window]
    #[test]
    fn windows_are_checked_as_by_hand(
        n in 7u32..60,
        half in 1u32..12,
        floor in 0u32..8,
        held in prop::collection::vec(any::<bool>(), 60),
        density in prop::collection::vec(0u8..10, 60),
    ) {
        let half = half.min(n / 3);
        let graph = graph(&tiny(n, 2 * half, floor));
        let holds = |slot: &Slot| held[slot.index()] || density[slot.index()] > 2;
        let set = Bitmap::of(n, (0..n).map(Slot).filter(holds));
        let order = graph.ring_order().unwrap();
        let count = |start: u32| {
            let window = (start..start + half).map(|position| order[(position % n) as usize]);
            u32::try_from(window.filter(holds).count()).unwrap()
        };
        let first = (0..n).find(|start| count(*start) < floor + 1);
        let wanted = first.map(|position| ThinWindow { position, width: half, found: count(position), wanted: floor + 1 });
        prop_assert_eq!(graph.check_windows(&set).err(), wanted);
    }

    /// What is well-formed and makes no sense ends in a graph or an empty answer, not in a panic.
    #[test]
    fn any_numbers_make_a_graph(n in 0u32..40, k: u32, h: Option<u32>, m: u32, size in 0u32..50) {
        let parameters = Parameters { n, k, h, m, ..derived(40, 0, 0) };
        let population = cohort(n, size, &RANDOMNESS, &ROSTER, ROUND);
        let graph = Graph::new(population.clone(), &parameters, &RANDOMNESS, &ROSTER, ROUND);
        for slot in (0..n + 1).map(Slot) {
            let neighbours = graph.neighbours(slot);
            let distinct: BTreeSet<&Slot> = neighbours.iter().collect();
            prop_assert_eq!(distinct.len(), neighbours.len());
            prop_assert!(neighbours.iter().all(|other| graph.are_neighbours(slot, *other) && population.contains(*other)));
        }
        let _ = graph.check_windows(&Bitmap::of(n, (0..n).map(Slot)));
        prop_assert!(graph.electorate().len() <= population.len() as usize);
    }
}

/// The lemma behind the window rule, for every set of honest survivors on every ring of up to 12 slots: if they are disconnected, two
/// disjoint windows hold none of them.
// spec: [graph.window]
#[test]
fn disconnected_honest_survivors_leave_two_disjoint_windows_empty() {
    let mut disconnected = 0;
    for n in 3u32..=12 {
        for reach in 1..=(n - 1) / 2 {
            for survivors in 0u32..1 << n {
                if connected(n, reach, survivors) {
                    continue;
                }
                disconnected += 1;
                let empty: Vec<u32> = (0..n)
                    .filter(|start| window(n, reach, *start) & survivors == 0)
                    .collect();
                let disjoint = empty.iter().any(|a| {
                    empty
                        .iter()
                        .any(|b| window(n, reach, *a) & window(n, reach, *b) == 0)
                });
                assert!(disjoint, "n={n} reach={reach} survivors={survivors:b}");
            }
        }
    }
    assert!(
        disconnected > 1000,
        "found {disconnected} disconnected sets"
    );
}

/// Positions of a window as bits.
fn window(n: u32, reach: u32, start: u32) -> u32 {
    (start..start + reach).fold(0, |bits, position| bits | 1 << (position % n))
}

/// Whether the survivors, as bits of ring positions, are connected by edges of up to `reach` steps.
fn connected(n: u32, reach: u32, survivors: u32) -> bool {
    let mut reached = survivors & survivors.wrapping_neg();
    loop {
        let next = (0..n).filter(|position| reached >> position & 1 == 1).fold(
            reached,
            |bits, position| {
                (1..=reach).fold(bits, |bits, steps| {
                    bits | 1 << ((position + steps) % n) | 1 << ((position + n - steps) % n)
                })
            },
        ) & survivors;
        if next == reached {
            return reached == survivors;
        }
        reached = next;
    }
}

#[test]
fn a_million_slots_are_ranked_within_seconds() {
    let parameters = derived(1_000_000, 100_000, 100_000);
    let start = Instant::now();
    let graph = graph(&parameters);
    let neighbours = graph.neighbours(Slot(123_456));
    let checked = graph.check_windows(&Bitmap::of(1_000_000, (0..1_000_000).map(Slot)));
    assert_eq!((neighbours.len(), checked), (98, Ok(())));
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "took {:?}",
        start.elapsed()
    );
}

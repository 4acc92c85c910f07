//! The second half of R16: a dealer that cuts honest holders, as many as stays unpunished, and vanishes. It can end the round, as any
//! member can that the round needs; nobody is named for it, and nobody's input shows.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use std::collections::BTreeSet;
use veilsum_proto::abort::Abort;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Round, Slot};
use veilsum_proto::message::{Cut, CutReason};
use veilsum_tests::{Dealing, Forger, Play, Setup};

/// The last of `corrupt` deals rightly and signs an accept that cuts the edges to `cut`, for shares that are right. Everybody else is
/// honest so far; the round is in Upload.
fn dealt(setup: &Setup, corrupt: &[u32], cut: &[u32]) -> (Play, Forger) {
    let dealer = *corrupt.last().unwrap();
    let mut play = Play::new(setup, corrupt);
    let mut forger = play.forge(dealer);
    play.run_to(PhaseName::Share);
    let parts = forger.parts(&play.due_adverts(dealer), Dealing::Right);
    play.say(dealer, forger.sealed(parts)).unwrap();
    play.run_to(PhaseName::Accept);
    let cuts = cut.iter().map(|slot| Cut {
        slot: Slot(*slot),
        reason: CutReason::Share,
    });
    play.say(dealer, forger.accept(cuts.collect())).unwrap();
    play.run_to(PhaseName::Upload);
    assert_eq!(play.faults, [], "as many cuts as an honest member may have");
    (play, forger)
}

/// It uploads, masked with everybody that it did not cut, and says nothing more.
fn uploaded(setup: &Setup, corrupt: &[u32], cut: &[u32]) -> Play {
    let (mut play, forger) = dealt(setup, corrupt, cut);
    play.act_all();
    let peers = (0..setup.members).filter(|slot| *slot != forger.slot.0 && !cut.contains(slot));
    play.upload_as(&forger, &peers.collect::<Vec<_>>());
    play.run_to(PhaseName::Reveal);
    play
}

/// The round ends for want of shares of the dealer; nobody is blamed, and the other side has the one certified sum at most.
fn ends_unnamed(play: &mut Play, dealer: u32, secret: &'static str, got: usize) {
    play.finish();
    let want = play.context.parameters.t;
    let abort = Abort::MissingShares {
        slot: Slot(dealer),
        secret,
        got,
        want,
    };
    assert_eq!(play.abort(), Some(&abort));
    assert!(!abort.may_retry(), "somebody has signed");
    assert_eq!(play.faults, [], "whose word is wrong cannot be told");
    play.tap.assert_safe();
}

/// Honest members of the only sum that is known.
fn assert_one_sum_of(play: &Play, members: impl IntoIterator<Item = u32>) {
    let wanted = members.into_iter().map(Slot).collect::<BTreeSet<_>>();
    assert_eq!(play.tap.known_sums(Round(1)), std::slice::from_ref(&wanted));
    assert_eq!(play.tap.smallest_sum(), Some(wanted));
}

/// The next round without the dealer.
fn goes_on_without(mut play: Play, dealer: u32, survivors: impl IntoIterator<Item = u32>) {
    play.silent.clear();
    for player in play.players.values_mut() {
        player.floors.reuse_update = true;
    }
    play.players.get_mut(&Slot(dealer)).unwrap().machine = None;
    assert!(play.reopen(2, 0).is_empty());
    play.silent.insert(Slot(dealer));
    play.assert_exact(survivors);
}

// spec: [share.cut-limit] [recover.targets] [recover.rebuild]
#[test]
fn a_dealer_that_cut_honest_holders_and_vanishes_is_rebuilt_while_a_threshold_is_left() {
    let setup = Setup::new(7, 1, 2);
    let mut play = uploaded(&setup, &[6], &[5]);
    assert_eq!(play.context.parameters.t, 5);
    play.assert_exact(0..7);
    assert_eq!(play.faults, []);
    assert_one_sum_of(&play, 0..6);
}

// spec: [share.cut-limit] [recover.targets] [recover.rebuild] [attempt.retry]
#[test]
fn with_one_more_holder_gone_the_round_ends_unnamed_and_tells_the_one_sum_at_most() {
    let setup = Setup::new(7, 1, 2);
    let mut play = uploaded(&setup, &[6], &[5]);
    play.silent.insert(Slot(0));
    ends_unnamed(&mut play, 6, "self", 4);
    // The dealer knows its own mask, so the two of them have what a finished round would have told.
    assert_one_sum_of(&play, 0..6);
    goes_on_without(play, 6, 0..6);
}

/// Two that work together need nobody else to vanish: the second refuses its share.
// spec: [share.cut-limit] [recover.rebuild]
#[test]
fn a_second_corrupt_holder_that_refuses_ends_the_round_and_bares_nobody() {
    let setup = Setup::new(10, 2, 1);
    let mut play = uploaded(&setup, &[8, 9], &[6, 7]);
    assert_eq!(play.context.parameters.t, 7);
    play.silent.insert(Slot(8));
    ends_unnamed(&mut play, 9, "self", 6);
    assert_one_sum_of(&play, 0..8);
    goes_on_without(play, 9, 0..9);
}

/// Before Upload it has dropped, and its root seed is wanted only for the edge to a survivor that went silent.
// spec: [recover.targets] [recover.rebuild]
#[test]
fn a_dealer_that_drops_is_needed_for_a_silent_survivor_only() {
    for silent in [None, Some(Slot(0))] {
        let (mut play, _) = dealt(&Setup::new(7, 1, 2), &[6], &[5]);
        play.act_all();
        play.run_to(PhaseName::Reveal);
        play.silent.extend(silent);
        match silent {
            None => play.assert_exact(0..6),
            Some(_) => ends_unnamed(&mut play, 6, "root", 4),
        }
        assert_one_sum_of(&play, 0..6);
    }
}

/// One cut more than the coordinator tolerates is a named fault, and costs the dealer alone.
// spec: [share.exclude]
#[test]
fn one_cut_more_excludes_the_dealer() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[6]);
    let mut forger = play.forge(6);
    play.run_to(PhaseName::Share);
    let parts = forger.parts(&play.due_adverts(6), Dealing::Right);
    play.say(6, forger.sealed(parts)).unwrap();
    play.run_to(PhaseName::Accept);
    let cuts = [4, 5].map(|slot| Cut {
        slot: Slot(slot),
        reason: CutReason::Share,
    });
    play.say(6, forger.accept(cuts.to_vec())).unwrap();
    play.run_to(PhaseName::Upload);
    let blamed = play.faults.iter().map(|fault| fault.slot);
    assert_eq!(blamed.collect::<Vec<_>>(), [Slot(6)]);
    play.assert_exact(0..6);
}

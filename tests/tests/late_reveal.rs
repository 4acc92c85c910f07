//! Reveals that come while shares are gathered, and how long the coordinator waits for them.

use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::Slot;
use veilsum_proto::message::Body;
use veilsum_tests::{Play, Setup};

/// Seven members; two vanish in Upload, member 4 before its reveal. Four holders are left, and a threshold of five.
fn short_of_shares() -> Play {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[]);
    assert_eq!(play.context.parameters.t, 5);
    play.run_to(PhaseName::Upload);
    play.silent.extend([Slot(5), Slot(6)]);
    play.run_to(PhaseName::Reveal);
    play.silent.insert(Slot(4));
    play.run_to(PhaseName::Recover);
    for slot in 0..4 {
        assert!(play.coordinator.waits_for().contains(&Slot(slot)));
        play.act(slot);
    }
    play
}

// spec: [recover.late]
#[test]
fn the_coordinator_waits_for_a_late_reveal_that_could_save_the_round() {
    let mut play = short_of_shares();
    assert_eq!(play.coordinator.waits_for(), [Slot(4)]);
    play.silent.remove(&Slot(4));
    play.act(4);
    assert_eq!(play.coordinator.waits_for(), []);
    play.assert_exact(0..5);
    assert_eq!(play.faults, []);
}

// spec: [recover.late] [recover.rebuild]
#[test]
fn without_it_the_round_ends_at_the_deadline() {
    let mut play = short_of_shares();
    play.close();
    let abort = play.abort().expect("too few shares");
    assert_eq!(abort.kind(), "missing_shares");
}

// spec: [recover.late]
#[test]
fn nobody_is_waited_for_once_every_secret_has_its_shares() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[]);
    play.run_to(PhaseName::Reveal);
    play.silent.insert(Slot(4));
    play.run_to(PhaseName::Recover);
    for slot in [0, 1, 2, 3, 5] {
        assert!(!play.coordinator.waits_for().is_empty());
        play.act(slot);
    }
    assert_eq!(play.coordinator.waits_for(), []);
    play.assert_exact(0..7);
}

/// Two survivors are silent: the one that comes back is asked for its own reveal before it is asked for shares of the other.
// spec: [recover.silent]
#[test]
fn a_silent_survivor_gets_the_certificate_again_and_a_request_once_it_has_revealed() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[]);
    play.run_to(PhaseName::Reveal);
    play.silent.extend([Slot(4), Slot(5)]);
    play.run_to(PhaseName::Recover);
    assert!(matches!(play.due(0), Some(Body::ShareRequest(_))));
    for slot in [4, 5] {
        assert!(matches!(play.due(slot), Some(Body::Certificate(_))));
    }
    play.silent.remove(&Slot(4));
    play.act(4);
    match play.due(4) {
        Some(Body::ShareRequest(request)) => assert_eq!(request.wanted.len(), 1),
        other => panic!("found {:?}", other.map(|body| body.name())),
    }
    assert!(matches!(play.due(5), Some(Body::Certificate(_))));
    play.assert_exact(0..7);
    assert_eq!(play.faults, []);
}

/// What the machine says of its sessions is what its members know.
// spec: [session.sid] [session.sid2]
#[test]
fn the_machine_tells_its_sessions_and_its_share_set() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[]);
    assert_eq!(play.coordinator.sid(), None);
    play.run_to(PhaseName::Share);
    let sid = *play
        .coordinator
        .sid()
        .expect("Share fixes the first session");
    play.silent.insert(Slot(5));
    assert_eq!(play.coordinator.sid2(), None);
    play.run_to(PhaseName::Upload);
    assert_eq!(play.sid(), sid);
    assert_eq!(play.coordinator.share_set(), Some(&play.all_but(&[5])));
    for phase in [PhaseName::Confirm, PhaseName::Reveal, PhaseName::Finished] {
        play.run_to(phase);
        assert_eq!(play.coordinator.sid(), Some(&sid));
        assert_eq!(play.coordinator.sid2(), Some(&play.sid2()));
    }
}

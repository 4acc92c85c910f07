//! The smallest federations, thresholds that cannot be, and rounds of a cohort.

use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::fault::FaultKind;
use veilsum_proto::ids::{Attempt, Round, Slot};
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::member::{Floors, Member};
use veilsum_proto::parameters::{Amount, Demand, GraphChoice, Parameters, largest_tolerance};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::roster::RosterError;
use veilsum_proto::task::TaskError;
use veilsum_sim::{Federation, SetupError};
use veilsum_tests::{Forger, Play, Setup};

fn derive(n: u32, c: u32, d: u32) -> Result<Parameters, String> {
    let demand = Demand::new(n, Amount::Count(c), Amount::Count(d));
    Parameters::derive(&demand).map_err(|refusal| refusal.to_string())
}

// spec: [params.small]
#[test]
fn no_one_and_two_members_are_refused_in_words() {
    assert_eq!(
        derive(0, 0, 0),
        Err("refused: 0 members: there is nothing to sum".into())
    );
    assert_eq!(
        derive(1, 0, 0),
        Err("refused: 1 member: the sum would be its input".into())
    );
    let two = "refused: 2 members: the sum would tell each the other's input";
    assert_eq!(derive(2, 0, 0), Err(two.into()));
    // And the same where a federation begins.
    let none = Federation::new(0, 1).unwrap_err();
    assert!(
        matches!(none, SetupError::Roster(RosterError::Empty)),
        "{none}"
    );
    assert_eq!(none.to_string(), "roster has no members, wanted at least 1");
    for (members, text) in [
        (1, "refused: 1 member: the sum would be its input"),
        (2, two),
    ] {
        let federation = Federation::new(members, 1).unwrap();
        let refused = federation
            .task(Setup::new(members, 0, 0).spec())
            .unwrap_err();
        assert_eq!(refused.to_string(), text);
    }
}

// spec: [params.small]
#[test]
fn a_member_does_not_join_a_round_of_two_that_the_coordinator_opens() {
    let play = Play::new(&Setup::new(3, 0, 1), &[]);
    let two = Federation::new(2, 1).unwrap();
    let mut open = play.context.open();
    open.roster = two.roster().digest();
    let identity = two.member(Slot(0)).unwrap().clone();
    let refused = Member::invited(
        &open,
        two.roster().clone(),
        identity,
        Floors::default(),
        &MemoryLedger::default(),
    );
    let refusal = refused.unwrap_err();
    assert!(matches!(refusal, Refusal::Task(TaskError::Parameters(_))));
    assert_eq!(
        refusal.to_string(),
        "refused: 2 members: the sum would tell each the other's input"
    );
}

// spec: [params.small]
#[test]
fn thresholds_that_cannot_be_met_are_refused_with_what_to_change() {
    for (n, c, d, text) in [
        (
            3,
            1,
            1,
            "refused: n=3 c=1 d=1: needs c + 2d < n; lower the tolerance to 0",
        ),
        (
            5,
            1,
            2,
            "refused: n=5 c=1 d=2: needs c + 2d < n; lower the tolerance to 1",
        ),
        (
            7,
            6,
            0,
            "refused: n=7 c=6 d=0: needs c + 2 <= n - d; lower the corrupt count to 5",
        ),
    ] {
        assert_eq!(derive(n, c, d), Err(text.into()), "n={n} c={c} d={d}");
        let federation = Federation::new(n, 1).unwrap();
        let refused = federation.task(Setup::new(n, c, d).spec()).unwrap_err();
        assert_eq!(refused.to_string(), text);
    }
    let mut spec = Setup::new(9, 1, 2);
    spec.floor = Some(2);
    let federation = Federation::new(9, 1).unwrap();
    assert_eq!(
        federation.task(spec.spec()).unwrap_err().to_string(),
        "refused: floor 2: needs f >= c + 2; raise it to 3"
    );
    spec.floor = Some(8);
    assert_eq!(
        federation.task(spec.spec()).unwrap_err().to_string(),
        "refused: floor 8: needs f <= n - d; lower it to 7"
    );
    spec.floor = None;
    spec.graph = GraphChoice::Degree(4);
    assert!(
        federation
            .task(spec.spec())
            .unwrap_err()
            .to_string()
            .starts_with("refused: degree 4")
    );
}

#[test]
fn three_members_work_with_any_one_absent_from_any_phase() {
    let phases = [
        PhaseName::Advertise,
        PhaseName::Share,
        PhaseName::Accept,
        PhaseName::Upload,
    ];
    for absent in 0..3 {
        for phase in phases {
            let mut play = Play::new(&Setup::new(3, 0, 1), &[]);
            play.run_to(phase);
            play.silent.insert(Slot(absent));
            play.assert_exact((0..3).filter(|slot| *slot != absent));
        }
        for phase in [PhaseName::Confirm, PhaseName::Reveal] {
            let mut play = Play::new(&Setup::new(3, 0, 1), &[]);
            play.run_to(phase);
            play.silent.insert(Slot(absent));
            play.assert_exact(0..3);
        }
    }
}

#[test]
fn three_members_with_two_absent_have_no_sum() {
    for phase in [
        PhaseName::Advertise,
        PhaseName::Share,
        PhaseName::Accept,
        PhaseName::Upload,
        PhaseName::Confirm,
        PhaseName::Reveal,
    ] {
        let mut play = Play::new(&Setup::new(3, 0, 1), &[]);
        play.run_to(phase);
        play.silent.extend([Slot(0), Slot(2)]);
        play.finish();
        assert!(play.abort().is_some(), "{phase}");
        play.tap.assert_safe();
    }
}

#[test]
fn every_row_of_the_table_of_small_cohorts_sums_with_all_it_tolerates_absent() {
    for n in 3..=7 {
        for c in 0..=n - 2 {
            let d = largest_tolerance(n, c).if_corrupt_answer.unwrap();
            let mut play = Play::new(&Setup::new(n, c, d), &[]);
            play.run_to(PhaseName::Upload);
            play.silent.extend((0..d).map(Slot));
            play.assert_exact(d..n);
        }
    }
}

// spec: [graph.cohort] [task.cohort]
#[test]
fn a_round_with_client_sampling_sums_its_cohort_and_listens_to_nobody_else() {
    let mut setup = Setup::new(30, 1, 2);
    setup.cohort = Some(12);
    let mut play = Play::new(&setup, &[]);
    let cohort = play
        .context
        .graph
        .population()
        .slots()
        .map(|slot| slot.0)
        .collect::<Vec<_>>();
    assert_eq!(cohort.len(), 12);
    assert_eq!(play.context.parameters.n, 12);
    let outside = (0..30).find(|slot| !cohort.contains(slot)).unwrap();
    assert_eq!(
        play.invite(outside),
        Err(Refusal::NotInRound("the cohort of this round"))
    );
    let stranger = Forger::new(
        &play.context,
        play.players[&Slot(outside)].identity.clone(),
        1,
    );
    let not_expected = FaultKind::NotExpected { phase: "advertise" };
    assert_eq!(play.blamed(outside, stranger.advert), not_expected);
    play.run_to(PhaseName::Upload);
    play.silent.insert(Slot(cohort[3]));
    play.run_to(PhaseName::Reveal);
    play.silent.insert(Slot(cohort[7]));
    let survivors = cohort
        .iter()
        .copied()
        .filter(|slot| *slot != cohort[3])
        .collect::<Vec<_>>();
    play.assert_exact(survivors);
    // Another round draws another cohort; another attempt the same.
    play.reopen(2, 0);
    let next = play
        .context
        .graph
        .population()
        .slots()
        .map(|slot| slot.0)
        .collect::<Vec<_>>();
    assert_ne!(next, cohort);
    play.reopen(2, 1);
    assert_eq!(
        play.context
            .graph
            .population()
            .slots()
            .map(|slot| slot.0)
            .collect::<Vec<_>>(),
        next
    );
    assert_eq!(
        (play.context.round, play.context.attempt),
        (Round(2), Attempt(1))
    );
}

// spec: [graph.cohort] [advertise.floor]
#[test]
fn a_set_that_names_a_slot_outside_the_cohort_is_refused() {
    let mut setup = Setup::new(30, 1, 2);
    setup.cohort = Some(12);
    let mut play = Play::new(&setup, &[]);
    let cohort = play
        .context
        .graph
        .population()
        .slots()
        .map(|slot| slot.0)
        .collect::<Vec<_>>();
    let outside = (0..30).find(|slot| !cohort.contains(slot)).unwrap();
    play.run_to(PhaseName::Share);
    let me = cohort[0];
    let mut adverts = play.due_adverts(me);
    adverts.advertised.insert(Slot(outside));
    let refusal = play.tell(me, adverts).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        format!("the advertised set names slot {outside}, which is not in the cohort")
    );
}

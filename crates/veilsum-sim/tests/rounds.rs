//! Whole rounds: the sum is that of the named survivors, whoever vanishes where, or there is none.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use veilsum_proto::ids::Slot;
use veilsum_proto::parameters::{Amount, GraphChoice};
use veilsum_sim::{Federation, Formula, Honest, Report, RunOptions, Script, Vanish};

fn run(members: u32, corrupt: u32, missing: u32, graph: GraphChoice, script: Script) -> Report {
    let federation = Federation::new(members, 7).unwrap();
    let mut spec =
        Federation::integer_task(300, 16, Amount::Count(corrupt), Amount::Count(missing)).unwrap();
    spec.graph = graph;
    let task = federation.task(spec).unwrap();
    let inputs = Formula {
        seed: 3,
        coordinates: 300,
        bits: 16,
    };
    let options = RunOptions {
        script,
        ..RunOptions::default()
    };
    federation
        .run(&task, &inputs, &options, &mut Honest)
        .unwrap()
}

#[test]
fn a_round_without_drop_outs_gives_the_plain_sum_of_all() {
    for (members, graph) in [
        (3, GraphChoice::Auto),
        (9, GraphChoice::Auto),
        (220, GraphChoice::Auto),
    ] {
        let report = run(members, 0, 1, graph, Script::default());
        assert_eq!(report.abort, None, "{members}");
        assert_eq!(report.refusals, []);
        assert_eq!(report.faults, []);
        assert_eq!(report.survivors.len(), members as usize);
        assert!(report.exact);
    }
}

#[test]
fn one_member_may_vanish_anywhere() {
    for vanish in Vanish::ALL {
        for (members, graph) in [(7, GraphChoice::Complete), (220, GraphChoice::Auto)] {
            let report = run(members, 1, 2, graph, Script::of([(Slot(2), vanish)]));
            assert_eq!(report.abort, None, "{vanish:?} of {members}");
            assert!(report.exact, "{vanish:?} of {members}");
            assert_eq!(report.refusals, []);
            assert_eq!(report.faults, []);
            assert_eq!(
                report.survivors.contains(&Slot(2)),
                vanish.is_late(),
                "{vanish:?}"
            );
        }
    }
}

// spec: [upload.quorum]
#[test]
fn survivors_without_a_quorum_among_them_are_not_asked_to_sign() {
    let federation = Federation::new(10, 7).unwrap();
    let mut spec = Federation::integer_task(5, 16, Amount::Count(1), Amount::Count(3)).unwrap();
    spec.floor = Some(3);
    let task = federation.task(spec).unwrap();
    let inputs = Formula {
        seed: 3,
        coordinates: 5,
        bits: 16,
    };
    let script = Script::of((0..5).map(|slot| (Slot(slot), Vanish::Upload)));
    let options = RunOptions {
        script,
        ..RunOptions::default()
    };
    let report = federation
        .run(&task, &inputs, &options, &mut Honest)
        .unwrap();
    let abort = report.abort.unwrap();
    assert_eq!((report.parameters.q, report.parameters.f), (6, 3));
    assert_eq!(
        abort.to_string(),
        "upload: 5 of the survivor set may sign, the quorum is 6"
    );
    assert!(abort.may_retry(), "nobody has signed");
    assert_eq!(
        report.attempt, 2,
        "so the round was tried as often as the task allows"
    );
}

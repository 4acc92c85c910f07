//! Rounds with noise, honest: the sum is that of the named survivors and of just the noise that should stay, worked out from the
//! members' seeds by hand; its variance is the stated one.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use veilsum_dp::{Rational, Sharing, Unit};
use veilsum_proto::coordinator::{Coordinator, Finished, PhaseName};
use veilsum_proto::ids::Slot;
use veilsum_proto::message::{Body, Reveal};
use veilsum_proto::task::{NoiseLaw, NoiseSpec};
use veilsum_sim::{Federation, Formula, Honest, Inputs as _, Report, RunOptions, Script, Vanish};
use veilsum_tests::{Case, Play, Setup, skellam};

/// Seven members, one of which may be corrupt and two missing.
fn setup(noise: NoiseSpec) -> Setup {
    Setup::new(7, 1, 2).noised(noise)
}

fn finished(play: &Play) -> &Finished {
    match &play.coordinator {
        Coordinator::Finished(finished) => finished,
        other => panic!("no sum: {other:?}"),
    }
}

fn reveal(play: &mut Play, slot: u32) -> Reveal {
    match play.answer(slot) {
        Some(Body::Reveal(reveal)) => reveal,
        other => panic!("found {:?}", other.map(|body| body.name())),
    }
}

// spec: [finish.surplus] [finish.noise] [reveal.chain] [advertise.noise] [noise.plan.level] [noise.reveal.subtract]
#[test]
fn the_sum_carries_just_the_noise_that_stays_whoever_is_missing() {
    let laplace = NoiseSpec {
        law: NoiseLaw::Laplace,
        parameter: "3.5".parse().unwrap(),
        ..skellam("1")
    };
    for noise in [skellam("40"), laplace] {
        for missing in 0..=2 {
            let mut play = Play::new(&setup(noise), &[]);
            play.run_to(PhaseName::Upload);
            play.silent.extend((0..missing).map(Slot));
            play.assert_exact(missing..7);
            let noise = finished(&play).noise().unwrap();
            assert_eq!(noise.level.components(), missing as usize);
            assert_eq!(noise.unremoved, []);
            assert!(noise.kept.excess().is_zero(), "{missing} missing");
            assert_eq!(play.faults, []);
        }
    }
}

/// Nobody may be missing: base noise alone, an end of a chain without components, nothing to reveal.
// spec: [reveal.chain] [noise.plan.levels]
#[test]
fn with_no_drop_out_tolerated_there_is_nothing_to_remove() {
    let mut play = Play::new(&Setup::new(5, 1, 0).noised(skellam("40")), &[]);
    play.run_to(PhaseName::Reveal);
    assert_eq!(reveal(&mut play, 0).chain_value, None);
    play.silent.insert(Slot(4));
    play.assert_exact(0..5);
    let noise = finished(&play).noise().unwrap();
    assert_eq!(
        (noise.level.components(), &noise.unremoved[..]),
        (0, &[][..])
    );
    assert!(noise.kept.excess().is_zero());
}

/// Above 16 drop-outs the levels are coarser, and the result says what that costs.
// spec: [noise.kept.stated]
#[test]
fn more_drop_outs_than_levels_leave_the_stated_excess() {
    let setup = Setup::new(40, 1, 18).noised(skellam("500"));
    let mut play = Play::new(&setup, &[]);
    play.silent.insert(Slot(3));
    play.assert_exact((0..40).filter(|slot| *slot != 3));
    let noise = finished(&play).noise().unwrap();
    assert_eq!(noise.level.components(), 1);
    assert_eq!(*noise.kept.excess(), Rational::new(1, 38).unwrap());
}

// spec: [finish.noise] [noise.kept.stated]
#[test]
fn the_surplus_of_a_survivor_that_went_silent_stays_and_is_stated() {
    let mut play = Play::new(&setup(skellam("40")), &[]);
    play.run_to(PhaseName::Reveal);
    play.silent.insert(Slot(5));
    play.assert_exact(0..7);
    let noise = finished(&play).noise().unwrap();
    assert_eq!(noise.unremoved, [Slot(5)]);
    // One of seven keeps F/5 instead of F/7 of the target.
    assert_eq!(*noise.kept.excess(), Rational::new(2, 35).unwrap());
    assert_eq!(play.faults, []);
}

// spec: [recover.late] [reveal.chain-checked]
#[test]
fn a_late_reveal_takes_its_surplus_off_too() {
    let mut play = Play::new(&setup(skellam("40")), &[]);
    play.run_to(PhaseName::Reveal);
    play.silent.insert(Slot(5));
    play.run_to(PhaseName::Recover);
    play.silent.clear();
    play.assert_exact(0..7);
    assert_eq!(finished(&play).noise().unwrap().unremoved, []);
}

// spec: [reveal.chain] [noise.reveal.one] [upload.base]
#[test]
fn a_chain_value_is_there_unless_all_noise_stays() {
    for missing in 0..=2 {
        let mut play = Play::new(&setup(skellam("40")), &[]);
        play.run_to(PhaseName::Upload);
        play.silent.extend((0..missing).map(Slot));
        play.run_to(PhaseName::Reveal);
        let seeds = play.players[&Slot(6)].seeds.clone().unwrap();
        let value = reveal(&mut play, 6).chain_value;
        let chain = seeds.chain(2);
        let wanted = (missing < 2).then(|| chain[missing as usize]);
        assert_eq!(
            value.map(|value| *value.expose()),
            wanted,
            "{missing} missing"
        );
        assert!(!play.tap.is_silent());
    }
}

// spec: [advertise.noise] [reveal.chain]
#[test]
fn noise_without_removal_has_no_chain_and_stays_whole() {
    for (law, sharing) in [
        (NoiseLaw::Gaussian, Sharing::Shared),
        (NoiseLaw::Skellam, Sharing::Shared),
        (NoiseLaw::Laplace, Sharing::Local),
    ] {
        let noise = NoiseSpec {
            law,
            sharing,
            ..skellam("30")
        };
        let mut play = Play::new(&setup(noise), &[]);
        play.run_to(PhaseName::Upload);
        assert!(!play.context.has_chain());
        play.silent.insert(Slot(0));
        play.run_to(PhaseName::Reveal);
        assert_eq!(reveal(&mut play, 6).chain_value, None);
        play.silent.insert(Slot(2));
        play.assert_exact(1..7);
        let noise = finished(&play).noise().unwrap();
        assert_eq!(
            (noise.level.components(), &noise.unremoved[..]),
            (0, &[][..])
        );
    }
}

// spec: [upload.base] [advertise.fresh] [key.memory]
#[test]
fn noise_is_at_hand_from_the_advert_to_the_upload_and_secrets_show_nowhere() {
    let mut play = Play::new(&setup(skellam("40")), &[]);
    let at_hand = |play: &Play| play.players[&Slot(1)].machine.as_ref().unwrap().noise();
    assert!(at_hand(&play).is_none());
    play.run_to(PhaseName::Share);
    let noise = at_hand(&play).unwrap();
    assert_eq!(*noise.context(), play.context.noise_context(Slot(1)));
    play.run_to(PhaseName::Upload);
    assert!(at_hand(&play).is_some());
    play.run_to(PhaseName::Confirm);
    assert!(at_hand(&play).is_none());
    play.run_to(PhaseName::Reveal);
    let revealed = reveal(&mut play, 1);

    let player = &play.players[&Slot(1)];
    let seeds = player.seeds.as_ref().unwrap();
    let written = serde_json::to_string(player.ledger.entries()).unwrap();
    let shown = format!(
        "{revealed:?} {:?} {noise:?} {:?}",
        player.machine,
        seeds.secrets()
    );
    for secret in seeds.chain(2) {
        let listed = format!("{:?}", &secret[..4]);
        let listed = listed.trim_matches(['[', ']']);
        for text in [&written, &shown] {
            assert!(!text.contains(&hex::encode(secret)), "{text}");
            assert!(!text.contains(listed), "{text}");
        }
    }
}

// spec: [attempt.superseded] [advertise.fresh] [advertise.noise]
#[test]
fn each_attempt_has_noise_of_its_own() {
    let mut play = Play::new(&setup(skellam("40")), &[]);
    play.run_to(PhaseName::Upload);
    let first = play.players[&Slot(1)].seeds.as_ref().unwrap().chain(2);
    assert!(play.reopen(1, 1).is_empty());
    play.run_to(PhaseName::Share);
    let second = play.players[&Slot(1)].seeds.as_ref().unwrap().chain(2);
    assert!(first.iter().all(|value| !second.contains(value)));
    play.assert_exact(0..7);
}

/// Who vanishes where does not matter: the sum is exact, or there is none and nobody is to blame.
// spec: [finish.surplus] [confirm.noise]
#[test]
fn rounds_with_noise_end_as_the_script_says() {
    let all = Case::new(setup(skellam("40")));
    let slots = (0..7).map(Slot);
    for (slot, vanish) in slots.zip(Vanish::ALL) {
        all.check(&Script::of([(slot, vanish)]));
    }
    let ring = Setup::new(220, 5, 20).noised(skellam("40"));
    for (setup, most, seeds) in [(setup(skellam("40")), 3, 0..6), (ring, 22, 4..6)] {
        let case = Case::new(setup.clone());
        assert!(case.context().has_chain());
        for seed in seeds {
            let early = most * seed / 5;
            let script = Script::drawn(setup.members, early, seed % 3, seed.into());
            case.check(&script);
        }
    }
}

/// `n`, `c` and `T` are those of the cohort.
// spec: [graph.cohort] [noise.plan.level]
#[test]
fn drop_outs_of_a_cohort_are_counted_from_the_cohort() {
    let setup = Setup {
        cohort: Some(20),
        ..Setup::new(40, 2, 4).noised(skellam("40"))
    };
    let mut play = Play::new(&setup, &[]);
    assert_eq!(play.context.parameters.n, 20);
    let taking_part = play.acting();
    assert_eq!(taking_part.len(), 20);
    play.silent.insert(Slot(taking_part[7]));
    let survivors = taking_part.iter().filter(|slot| **slot != taking_part[7]);
    play.assert_exact(survivors.copied());
    let noise = finished(&play).noise().unwrap();
    assert_eq!(
        (noise.level.components(), &noise.unremoved[..]),
        (1, &[][..])
    );
    assert!(noise.kept.excess().is_zero());
}

// --- the law, over many coordinates

const COORDINATES: usize = 20_000;

/// Nine members, one of which may be corrupt and three missing, and what the sum has beside the plain sum.
fn noise_of(noise: NoiseSpec, script: Script) -> (Report, Vec<f64>) {
    let setup = Setup {
        coordinates: COORDINATES as u64,
        ..Setup::new(9, 1, 3).noised(noise)
    };
    let federation = Federation::new(setup.members, 11).unwrap();
    let task = federation.task(setup.spec()).unwrap();
    let inputs = Formula {
        seed: 5,
        coordinates: COORDINATES,
        bits: 16,
    };
    let options = RunOptions {
        script,
        ..RunOptions::default()
    };
    let report = federation
        .run(&task, &inputs, &options, &mut Honest)
        .unwrap();
    assert_eq!(report.abort, None);
    assert!(report.exact);
    let mut rest = report.sum.clone().unwrap();
    for slot in &report.survivors {
        for (rest, value) in rest.iter_mut().zip(inputs.row(*slot)) {
            *rest -= value;
        }
    }
    (report, rest.into_iter().map(|value| value as f64).collect())
}

/// Mean and variance against the stated law: each fails by chance once in 10^10 (6.5 deviations), over fixed seeds.
fn assert_law(noise: &[f64], variance: f64, kurtosis: f64) {
    let count = noise.len() as f64;
    let mean = noise.iter().sum::<f64>() / count;
    assert!(mean.abs() < 6.5 * (variance / count).sqrt(), "mean {mean}");
    let found = noise.iter().map(|value| value * value).sum::<f64>() / count;
    let deviation = variance * ((2.0 + kurtosis) / count).sqrt();
    assert!(
        (found - variance).abs() < 6.5 * deviation,
        "variance {found}, wanted {variance}"
    );
}

// spec: [finish.noise] [noise.plan.factor] [noise.kept.stated]
#[test]
fn what_stays_has_the_stated_variance_for_every_number_of_drop_outs() {
    let laplace = NoiseSpec {
        law: NoiseLaw::Laplace,
        parameter: "8".parse().unwrap(),
        ..skellam("1")
    };
    // F = 6/5; the excess kurtosis of Skellam is 1/v, of Laplace shares with such a sum at most 3.1.
    for (noise, target, kurtosis) in [(skellam("90"), 90.0, 0.01), (laplace, 127.83, 3.1)] {
        for missing in 0..=3 {
            let script = Script::of((0..missing).map(|slot| (Slot(slot), Vanish::Upload)));
            let (report, rest) = noise_of(noise, script);
            let stated = report.noise.unwrap();
            let variance = stated.kept.variance().upper.to_f64_up();
            assert!(
                (variance - 1.2 * target).abs() < 0.01 * target,
                "{variance}"
            );
            assert_eq!(
                (stated.level, &stated.unremoved[..]),
                (missing as usize, &[][..])
            );
            assert_eq!(
                (stated.statement.delta, stated.statement.unit),
                (1e-6, Unit::Member)
            );
            assert_law(&rest, variance, kurtosis);
        }
    }
}

// spec: [noise.kept.stated]
#[test]
fn unremoved_surplus_has_the_stated_variance() {
    let silent = (0..3).map(|slot| (Slot(slot), Vanish::Reveal));
    let (report, rest) = noise_of(skellam("90"), Script::of(silent));
    let stated = report.noise.unwrap();
    assert_eq!(stated.unremoved, [Slot(0), Slot(1), Slot(2)]);
    // Six of nine keep F/9, three F/6.
    let variance = 90.0 * 1.2 * (6.0 / 9.0 + 3.0 / 6.0);
    let found = stated.kept.variance().upper.to_f64_up();
    assert!((found - variance).abs() < 1e-6, "{found}");
    assert_law(&rest, variance, 0.01);
}

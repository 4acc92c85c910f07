//! Noise over real QUIC: what a sum carries with drop-outs and with members that went silent, what coordinator and members
//! say of it, and what a site's budget and its ledger let through.

#![expect(
    clippy::unwrap_used,
    reason = "support of tests: a failure here is a failed test"
)]

use std::sync::Arc;
use std::time::Duration;

use veilsum_client::{Event, RoundPrivacy};
use veilsum_dp::{Adjacency, NoiseBound, Sharing, Unit};
use veilsum_encode::{Clip, Dtype, Encoding, FloatEncoding, Manifest, Plan, TensorSpec};
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot};
use veilsum_proto::member::{Bounds, ExampleClip, PrivacyFloors};
use veilsum_proto::message::Deadlines;
use veilsum_proto::noise::RoundNoise;
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::{NoiseLaw, NoiseSpec, Task, TaskSpec};
use veilsum_server::{Gather, RoundPrivacy as Told, TaskConfig};
use veilsum_sim::Vanish;
use veilsum_tests::quic::{
    Federation, House, How, Inputs, Runner, Site, Sum, Trap, deadlines, integer_task, reencoded,
};

const PATIENT: Duration = Duration::from_secs(60);

/// Long enough for honest members, and waited for when somebody is gone.
const SHORT_MS: u32 = 6_000;

/// Steps squared; one round of [`noisy_task`] then costs an epsilon of a few.
const VARIANCE: &str = "100000000";

/// Floats with dropout-exact Skellam noise that hides members.
fn noisy_task(name: &str, coordinates: u64, missing: u32) -> TaskSpec {
    let mut spec = integer_task(name, coordinates, 1, missing);
    let tensor = TensorSpec {
        name: "w".into(),
        shape: vec![coordinates],
        dtype: Dtype::F64,
    };
    spec.manifest = Manifest::new(vec![tensor]).unwrap();
    spec.encoding = Encoding::Float(FloatEncoding::new(Clip::L2(1.0), 12));
    spec.noise = Some(NoiseSpec {
        law: NoiseLaw::Skellam,
        parameter: VARIANCE.parse().unwrap(),
        sharing: Sharing::DropoutExact,
        unit: Unit::Member,
        adjacency: Adjacency::ZeroOut,
        example_clip: None,
        delta: "0.000001".parse().unwrap(),
    });
    spec
}

fn rounds(spec: TaskSpec, rounds: u64, members: u32) -> TaskConfig {
    let mut config = TaskConfig::new(Task::new(spec).unwrap());
    config.rounds = Some(rounds);
    config.gather = Gather {
        members: Some(members),
        wait: PATIENT,
    };
    config.deadlines = deadlines(PATIENT);
    config
}

fn noise_of(federation: &Federation, task: &Task) -> Arc<RoundNoise> {
    let context = RoundContext::new(
        task.clone(),
        federation.roster().clone(),
        Round(1),
        Attempt(0),
        ModelDigest([0; 32]),
        Deadlines::default(),
    );
    context.unwrap().noise.unwrap()
}

fn slots(slots: impl IntoIterator<Item = u32>) -> Vec<Slot> {
    slots.into_iter().map(Slot).collect()
}

/// What the coordinator's event says of the noise.
fn told(house: &House, wanted: u64) -> Told {
    house.log.until("the noise of a sum", |log| {
        log.events.iter().find_map(|event| match event {
            veilsum_server::Event::Result { round, noise, .. } if *round == Round(wanted) => {
                Some(noise.clone().unwrap())
            }
            _ => None,
        })
    })
}

fn charged(member: &Runner, wanted: u64) -> Vec<RoundPrivacy> {
    member.log.look(|log| {
        let charged = log.events.iter().filter_map(|event| match event {
            Event::Charged { round, privacy, .. } if *round == Round(wanted) => Some(*privacy),
            _ => None,
        });
        charged.collect()
    })
}

fn refused(member: &Runner, wanted: &str) -> String {
    let what = format!("a refusal of kind {wanted}");
    member.log.until(&what, |log| {
        log.events.iter().find_map(|event| match event {
            Event::Refused { kind, text } if kind == wanted => Some(text.clone()),
            _ => None,
        })
    })
}

/// Mean and variance of what was added to the plain sum.
fn added(inputs: Inputs, sum: &Sum) -> (f64, f64) {
    let plan = &sum.plan;
    let (manifest, encoding) = (plan.manifest(), plan.encoding());
    let quiet = Plan::derive(manifest, encoding, plan.enrolled(), NoiseBound::NONE).unwrap();
    let plain = reencoded(
        inputs,
        &Sum {
            plan: quiet,
            ..sum.clone()
        },
    );
    let noise = sum
        .integers
        .iter()
        .zip(&plain)
        .map(|(sum, plain)| (sum - plain) as f64);
    let noise = noise.collect::<Vec<_>>();
    let count = noise.len() as f64;
    let mean = noise.iter().sum::<f64>() / count;
    let square = noise
        .iter()
        .map(|noise| (noise - mean).powi(2))
        .sum::<f64>();
    (mean, square / (count - 1.0))
}

/// The noise in the sum has the variance that was told: within 5 deviations of a sample variance of near-normal values, which an
/// honest run leaves once in a million.
fn check_variance(inputs: Inputs, sum: &Sum, told: &Told) {
    let (mean, variance) = added(inputs, sum);
    let count = sum.integers.len() as f64;
    let off = (variance / told.variance - 1.0).abs();
    assert!(
        off < 5.0 * (2.0 / count).sqrt(),
        "variance {variance}, told {told:?}"
    );
    assert!(
        mean.abs() < 5.0 * (told.variance / count).sqrt(),
        "mean {mean}"
    );
    // on the mean, in the units of the values
    let step = sum.plan.step().unwrap().to_f64_up();
    let deviation = told.variance.sqrt() * step / sum.weight as f64;
    assert!((told.deviation / deviation - 1.0).abs() < 1e-9, "{told:?}");
}

fn run_all(
    federation: &Federation,
    house: &House,
    inputs: Inputs,
    traps: &[(u32, Trap)],
) -> Vec<Runner> {
    let members = federation.slots().map(|slot| {
        let mut site = Site::new(federation, house, slot, inputs);
        let mut traps = traps.iter();
        site.trap = traps.find(|(at, _)| *at == slot.0).map(|(_, trap)| *trap);
        site.run(federation)
    });
    members.collect()
}

const COORDINATES: u64 = 40_000;

/// One round of 8 members with up to 3 missing, in which these vanish.
fn round_with(traps: &[(u32, Trap)], survivors: &[u32], unremoved: &[u32], fraction: f64) {
    let federation = Federation::new(8, 61);
    let mut config = rounds(noisy_task("noisy", COORDINATES, 3), 1, 8);
    let noise = noise_of(&federation, &config.task);
    if !traps.is_empty() {
        config.deadlines.upload_ms = SHORT_MS;
        config.deadlines.reveal_ms = SHORT_MS;
    }
    config.results = Some(federation.results());
    let house = House::open(&federation, vec![config]);
    let inputs = Inputs::of(61);
    let members = run_all(&federation, &house, inputs, traps);
    let sum = house.sum("noisy", 1);
    assert_eq!(sum.survivors, slots(survivors.iter().copied()));
    let told = told(&house, 1);
    assert_eq!(told.unremoved, slots(unremoved.iter().copied()));
    let variance = VARIANCE.parse::<f64>().unwrap() * fraction;
    assert!(
        (told.variance / variance - 1.0).abs() < 1e-9,
        "{told:?}, wanted {variance}"
    );
    check_variance(inputs, &sum, &told);
    let statement = noise.statement();
    assert!(
        statement.epsilon > 0.1 && statement.epsilon < 10.0,
        "{statement}"
    );
    assert_eq!(
        (told.unit, told.epsilon, told.epsilon_total, told.delta),
        (Unit::Member, statement.epsilon, statement.epsilon, 1e-6)
    );
    let spent = RoundPrivacy {
        unit: Unit::Member,
        epsilon: statement.epsilon,
        epsilon_total: statement.epsilon,
        delta: 1e-6,
    };
    for member in &members {
        if traps.iter().all(|(slot, _)| *slot != member.slot.0) {
            let result = member.result("noisy", 1);
            assert_eq!(result.sum.values(), sum.integers);
            assert_eq!(result.privacy, Some(spent));
        }
        // whoever was about to send a masked update has been charged for it, once
        assert_eq!(charged(member, 1), [spent], "member {}", member.slot);
    }
    let text = std::fs::read_to_string(federation.results().join("noisy-r1.json")).unwrap();
    let side: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(side["noise"]["unit"], "member");
    assert_eq!(side["noise"]["epsilon"], statement.epsilon);
    let slots = side["noise"]["unremoved"].as_array().unwrap();
    assert_eq!(slots.len(), unremoved.len());
}

// F = (n - T) / (n - T - c) = 5 / 4; with D missing each survivor keeps F / (n - D) of the target.

// spec: [service.publish.noise] [upload.noise] [event.charged] [result.privacy]
#[test]
fn with_everybody_there_the_sum_carries_the_planned_noise() {
    round_with(&[], &[0, 1, 2, 3, 4, 5, 6, 7], &[], 1.25);
}

#[test]
fn after_a_drop_out_the_sum_carries_the_planned_noise_and_no_more() {
    let gone = Trap::new(Vanish::Upload, How::Crash);
    round_with(&[(7, gone)], &[0, 1, 2, 3, 4, 5, 6], &[], 1.25);
}

#[test]
fn the_surplus_of_a_survivor_that_went_silent_stays_and_is_told() {
    let gone = Trap::new(Vanish::Upload, How::Hang);
    let silent = Trap::new(Vanish::Reveal, How::Crash);
    // slot 6 keeps F / (n - T) where the others keep F / (n - D)
    let fraction = 1.25 + 1.25 / 5.0 - 1.25 / 7.0;
    let survivors = [0, 1, 2, 3, 4, 5, 6];
    round_with(&[(7, gone), (6, silent)], &survivors, &[6], fraction);
}

/// Three rounds of 4 members, of which one may spend what two rounds cost; it is run anew after the first.
// spec: [member.over-budget] [ledger.charged]
#[test]
fn a_member_whose_budget_is_spent_stays_out_whether_it_was_restarted_or_not() {
    let federation = Federation::new(4, 62);
    let mut config = rounds(noisy_task("budget", 200, 1), 3, 4);
    config.deadlines.advertise_ms = SHORT_MS;
    let noise = noise_of(&federation, &config.task);
    let total = |rounds| noise.total(rounds).epsilon;
    let most = (total(2) + total(3)) / 2.0;
    let house = House::open(&federation, vec![config]);
    let inputs = Inputs::of(62);
    let frugal = |rounds_per_day| {
        let site = Site::new(&federation, &house, Slot(3), inputs);
        let site = site.with(|config| {
            config.policy.rounds_per_day = rounds_per_day;
            config.policy.privacy = PrivacyFloors {
                required: true,
                bounds: vec![Bounds {
                    delta: 1e-6,
                    per_round: None,
                    per_task: Some(most),
                    total: None,
                }],
                ..Default::default()
            };
        });
        site.run(&federation)
    };
    let others =
        (0..3).map(|slot| Site::new(&federation, &house, Slot(slot), inputs).run(&federation));
    let others = others.collect::<Vec<_>>();
    // it is not to advertise in the next round before it is stopped
    let member = frugal(Some(1));
    assert_eq!(
        member.result("budget", 1).privacy.unwrap().epsilon_total,
        total(1)
    );
    member.stop();
    let member = frugal(None);
    // what the first run spent is in the second's total
    assert_eq!(
        member.result("budget", 2).privacy.unwrap().epsilon_total,
        total(2)
    );
    assert_eq!(charged(&member, 2).len(), 1);
    let text = refused(&member, "over_budget");
    assert!(
        text.contains("would be spent on this task") && text.contains(&most.to_string()),
        "{text}"
    );
    let sum = house.sum("budget", 3);
    assert_eq!(sum.survivors, slots(0..3));
    for other in &others {
        let result = other.result("budget", 3);
        assert_eq!(result.sum.values(), sum.integers);
        assert_eq!(result.privacy.unwrap().epsilon_total, total(3));
    }
    assert!(
        !member.saw(|event| matches!(event, Event::Sending { round, .. } if *round == Round(3)))
    );
    assert_eq!(told(&house, 3).epsilon_total, total(3));
}

/// Attempt 0 loses two of 4 members where one may be missing. One had recorded its update, which went with its memory: it stays away
/// from further attempts. The other had not, and is back in attempt 1.
// spec: [upload.charge] [event.charged] [attempt.forgotten]
#[test]
fn a_further_attempt_costs_nothing_more() {
    let federation = Federation::new(4, 64);
    let mut spec = noisy_task("again", COORDINATES, 1);
    spec.max_attempts = 2;
    let mut config = rounds(spec, 1, 4);
    config.deadlines.advertise_ms = SHORT_MS;
    config.deadlines.accept_ms = SHORT_MS;
    config.deadlines.upload_ms = SHORT_MS;
    let noise = noise_of(&federation, &config.task);
    let house = House::open(&federation, vec![config]);
    let inputs = Inputs::of(64);
    let [early, late] = [Vanish::Accept, Vanish::Upload].map(|at| Trap::new(at, How::Crash));
    let members = run_all(&federation, &house, inputs, &[(2, late), (3, early)]);
    members[2..].iter().for_each(Runner::vanish);
    let again = [2, 3].map(|slot| Site::new(&federation, &house, Slot(slot), inputs));
    let again = again.map(|site| site.run(&federation));
    let sum = house.sum("again", 1);
    assert_eq!(sum.attempt, Attempt(1));
    assert_eq!(sum.survivors, slots([0, 1, 3]));
    let told = told(&house, 1);
    // F = (4 - 1) / (4 - 1 - 1), all of it kept by the three of whom none may be missing any more.
    let variance = VARIANCE.parse::<f64>().unwrap() * 1.5;
    assert!((told.variance / variance - 1.0).abs() < 1e-9, "{told:?}");
    check_variance(inputs, &sum, &told);
    for member in members[..2].iter().chain(&again[1..]) {
        let privacy = member.result("again", 1).privacy.unwrap();
        assert_eq!(privacy.epsilon_total, noise.total(1).epsilon);
    }
    let times = |members: &[Runner]| {
        members
            .iter()
            .map(|member| charged(member, 1).len())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (times(&members), times(&again)),
        (vec![1, 1, 1, 0], vec![0, 1])
    );
}

// spec: [join.privacy]
#[test]
fn a_site_that_hides_members_does_not_join_a_task_that_hides_examples() {
    let federation = Federation::new(4, 63);
    let mut spec = noisy_task("examples", 200, 1);
    spec.noise = spec.noise.map(|noise| NoiseSpec {
        parameter: "1000000".parse().unwrap(),
        unit: Unit::Example,
        example_clip: Some(Clip::L2(0.01)),
        ..noise
    });
    let mut config = rounds(spec, 1, 4);
    config.deadlines.advertise_ms = SHORT_MS;
    let house = House::open(&federation, vec![config]);
    let inputs = Inputs::of(63);
    let others = (0..3).map(|slot| {
        Site::new(&federation, &house, Slot(slot), inputs)
            .with(|config| {
                config.contributor.example_clip = ExampleClip::Checked;
            })
            .run(&federation)
    });
    let others = others.collect::<Vec<_>>();
    let site = Site::new(&federation, &house, Slot(3), inputs).with(|config| {
        config.policy.privacy = PrivacyFloors {
            required: true,
            unit: Some(Unit::Member),
            ..Default::default()
        };
    });
    let strict = site.run(&federation);
    let text = refused(&strict, "policy");
    assert_eq!(text, "unit of privacy is example, this site wants member");
    let sum = house.sum("examples", 1);
    assert_eq!(sum.survivors, slots(0..3));
    assert_eq!(told(&house, 1).unit, Unit::Example);
    for other in &others {
        assert_eq!(
            other.result("examples", 1).privacy.unwrap().unit,
            Unit::Example
        );
    }
    assert!(!strict.saw(|event| matches!(event, Event::Sending { .. })));
}

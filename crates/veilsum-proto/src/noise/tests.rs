use super::*;
use crate::task::TaskError;
use veilsum_dp::{Law, NoiseBound, Observer, Rational};

const TASK: &str = r#"
version = 1
name = "noisy"
corrupt = 1
dropout = 3

[encoding]
kind = "float"
clip = { l2 = 1.0 }
precision_bits = 12

[noise]
law = "skellam"
parameter = 40000000
unit = "member"
delta = 0.000001

[[tensors]]
name = "weight"
shape = [100]
dtype = "f32"
"#;

fn task(from: &str, to: &str) -> Task {
    assert!(TASK.contains(from), "{from}");
    Task::from_toml(&TASK.replacen(from, to, 1)).unwrap()
}

fn cohort(members: u32) -> Cohort {
    Cohort::new(members, 3, 1).unwrap()
}

fn noise(task: &Task, slots: u32) -> Arc<RoundNoise> {
    task.round_noise(slots).unwrap().unwrap()
}

// spec: [task.noise.round]
#[test]
fn noise_is_planned_for_the_members_of_the_parameters() {
    let task = task("", "");
    let parameters = task.parameters(10).unwrap();
    assert_eq!(parameters.tolerated, Some(3));
    let noise = noise(&task, 10);
    assert_eq!(noise.plan().cohort(), cohort(10));
    assert_eq!(
        *noise.plan().target(),
        Law::skellam(Rational::integer(40_000_000)).unwrap()
    );
    assert_eq!(noise.plan().levels(), [0, 1, 2, 3]);
    assert_eq!((noise.unit(), noise.delta()), (Unit::Member, 1e-6));
}

// spec: [task.noise.round], [params.cohort]
#[test]
fn a_cohort_takes_the_place_of_the_roster_in_the_noise() {
    let task = task("dropout = 3", "dropout = 0.1\ncohort = 300");
    let parameters = task.parameters(5000).unwrap();
    let noise = noise(&task, 5000);
    let cohort = Cohort::new(300, 30, parameters.c).unwrap();
    assert_eq!(noise.plan().cohort(), cohort);
    assert_eq!(noise.plan().components().len(), 16);
}

// spec: [task.noise.round]
#[test]
fn lanes_have_room_for_the_noise_of_all() {
    let noisy = task("", "");
    let derived = noisy.derive(10).unwrap();
    let bound = noise(&noisy, 10).plan().bound();
    assert!(bound > NoiseBound::NONE);
    assert_eq!(derived.plan.noise_bound(), bound);
    assert_eq!(noisy.plan(10).unwrap(), derived.plan);
    assert_eq!(noisy.parameters(10).unwrap(), derived.parameters);

    let mut spec = noisy.into_spec();
    spec.noise = None;
    let plain = Task::new(spec).unwrap().derive(10).unwrap();
    assert!(plain.noise.is_none());
    assert_eq!(plain.parameters.tolerated, None);
    assert_eq!(plain.plan.noise_bound(), NoiseBound::NONE);
    assert!(plain.plan.lane_bits() < derived.plan.lane_bits());
}

#[test]
fn sensitivity_is_that_of_the_padded_coordinates_whatever_the_roster() {
    let task = task("precision_bits", "rotation = true\nprecision_bits");
    for slots in [10, 20] {
        let derived = task.derive(slots).unwrap();
        let noise = derived.noise.unwrap();
        let padded = derived.plan.padded_coordinates();
        assert!(padded > 100);
        assert_eq!(noise.sensitivity().coordinates(), padded);
        let own = derived
            .plan
            .sensitivity(noise.unit(), noise.sensitivity().adjacency(), None);
        assert_eq!(Ok(noise.sensitivity()), own.as_ref());
    }
}

// spec: [task.noise.chain]
#[test]
fn only_dropout_exact_noise_has_a_chain() {
    for (sharing, chain) in [("dropout-exact", true), ("shared", false), ("local", false)] {
        let task = task("delta", &format!("sharing = \"{sharing}\"\ndelta"));
        assert_eq!(noise(&task, 10).has_chain(), chain, "{sharing}");
    }
    let nobody_missing = task("dropout = 3", "dropout = 0");
    let noise = noise(&nobody_missing, 10);
    assert!(noise.has_chain());
    assert_eq!(noise.plan().components().len(), 0);
}

#[test]
fn rounds_cost_more_together_than_one_and_less_than_their_sum() {
    let noise = noise(&task("", ""), 10);
    let (one, fifty) = (noise.statement(), noise.total(50));
    assert_eq!(one.observer, Observer::Everyone);
    assert_eq!((one.unit, one.delta), (Unit::Member, 1e-6));
    assert!(one.epsilon > 0.0 && one.epsilon.is_finite());
    assert!(fifty.epsilon > one.epsilon && fifty.epsilon < 50.0 * one.epsilon);
    assert_eq!(noise.total(0).epsilon, 0.0);

    let mut accountant = Accountant::new(Unit::Member);
    accountant.compose(noise.release(), 50).unwrap();
    assert_eq!(accountant.statement(1e-6), fifty);
}

#[test]
fn the_same_noise_has_one_place() {
    let shelf = Shelf::default();
    let (ten, eleven) = (cohort(10), cohort(11));
    let digest = task("", "").digest();
    let again = Task::decode(task("", "").encode()).unwrap().digest();
    let other = task("40000000", "40000001").digest();
    let first = shelf.place(digest, ten);
    assert!(Arc::ptr_eq(&first, &shelf.place(again, ten)));
    assert!(!Arc::ptr_eq(&first, &shelf.place(digest, eleven)));
    assert!(!Arc::ptr_eq(&first, &shelf.place(other, ten)));
}

#[test]
fn what_is_kept_is_bounded_and_the_least_used_goes_first() {
    let shelf = Shelf::default();
    let digest = task("", "").digest();
    let (first, second) = (
        shelf.place(digest, cohort(10)),
        shelf.place(digest, cohort(11)),
    );
    for members in 12..10 + u32::try_from(KEPT_MAX).unwrap() {
        shelf.place(digest, cohort(members));
    }
    assert!(Arc::ptr_eq(&first, &shelf.place(digest, cohort(10))));
    shelf.place(digest, cohort(99));
    assert!(Arc::ptr_eq(&first, &shelf.place(digest, cohort(10))));
    assert!(!Arc::ptr_eq(&second, &shelf.place(digest, cohort(11))));
}

// spec: [task.noise.round]
#[test]
fn a_share_without_a_table_is_refused_for_that_roster_alone() {
    // a share of the widest law still fits a table, that of each alone does not
    let wide = task("40000000", "2000000000\nsharing = \"shared\"");
    assert!(wide.round_noise(60).is_ok());
    let refused = wide.round_noise(10).unwrap_err();
    assert!(matches!(refused, TaskError::NoisePlan(_)), "{refused}");
    assert_eq!(wide.plan(10), Err(refused.clone()));
    assert_eq!(wide.derive(10).err(), Some(refused));
}

#[test]
fn a_roster_without_parameters_has_no_noise() {
    let task = task("", "");
    assert!(matches!(task.round_noise(4), Err(TaskError::Parameters(_))));
    assert!(matches!(task.plan(4), Err(TaskError::Parameters(_))));
}

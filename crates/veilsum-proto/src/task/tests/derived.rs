use super::*;
use veilsum_encode::PlanError;

#[test]
fn parameters_follow_from_task_and_roster() {
    let parameters = task(FLOAT).parameters(12).unwrap();
    // c = 1, d = ceil(1.2) = 2, all of 12 slots: q = floor(13 / 2) + 1
    assert_eq!((parameters.n, parameters.c, parameters.d), (12, 1, 2));
    assert_eq!((parameters.q, parameters.f), (7, 5));
    assert!(matches!(
        task(FLOAT).parameters(2),
        Err(TaskError::Parameters(_))
    ));
}

#[test]
fn lanes_are_wide_enough_for_all_that_take_part() {
    let counts = task(&INTEGER.replace("cohort = 1000\n", ""));
    assert_eq!(counts.plan(1000).unwrap().enrolled(), 1000);
    // 1003 values more than the least, times the members
    assert_eq!(counts.plan(1).unwrap().lane_bits(), 10);
    assert_eq!(counts.plan(1000).unwrap().lane_bits(), 20);
    assert!(matches!(
        counts.plan(0),
        Err(TaskError::Plan(PlanError::NobodyEnrolled))
    ));
}

// spec: [task.cohort]
#[test]
fn a_cohort_takes_the_place_of_the_roster() {
    let counts = task(INTEGER);
    assert_eq!(counts.slots(5000), 1000);
    assert_eq!(counts.plan(5000).unwrap().enrolled(), 1000);
    let demand = counts.demand(5000);
    assert_eq!(demand.slots, 1000);
    let expected = crate::parameters::cohort_corrupt(5000, 1250, 1000);
    assert!(expected > 250);
    assert_eq!(demand.corrupt, Amount::Count(expected));
}

// spec: [task.cohort]
#[test]
fn a_cohort_larger_than_the_roster_is_refused() {
    let refused = TaskError::Cohort {
        cohort: 1000,
        slots: 999,
    };
    assert_eq!(task(INTEGER).plan(999), Err(refused.clone()));
    assert_eq!(task(INTEGER).parameters(999).err(), Some(refused));
    assert!(task(INTEGER).plan(1000).is_ok());
}

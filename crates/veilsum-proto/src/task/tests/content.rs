use super::*;
use veilsum_encode::{ManifestError, PlanError};

// spec: [task.rates]
#[test]
fn rates_are_the_decimals_that_were_written() {
    let c = |amount: &str| {
        let demand =
            task(&FLOAT.replace("corrupt = 1", &format!("corrupt = {amount}"))).demand(100);
        demand.corrupt.floor_of(100)
    };
    assert_eq!(c("0.29"), 29, "a binary float would give 28");
    assert_eq!(c("\"0.29\""), 29);
    assert_eq!(c("29"), 29);
}

// spec: [task.rates]
#[test]
fn rates_beyond_one_are_refused() {
    assert!(matches!(
        refusal(FLOAT, "dropout = 0.1", "dropout = 1.1"),
        TaskError::Toml(_)
    ));
    assert!(matches!(
        refusal(FLOAT, "dropout = 0.1", "dropout = -0.1"),
        TaskError::Toml(_)
    ));
    assert!(matches!(
        refusal(FLOAT, "dropout = 0.1", "dropout = nan"),
        TaskError::Toml(_)
    ));
    // 0.1 as 1 unit of the first place becomes 11 units of it
    let bytes = replaced(
        task(FLOAT).encode(),
        "01000000000000000101",
        "01000000000000000b01",
    );
    assert_eq!(
        Task::decode(&bytes),
        Err(TaskError::Rate {
            key: "dropout",
            found: "1.1".parse().unwrap()
        })
    );
}

// spec: [task.encoding]
#[test]
fn numbers_that_make_no_plan_are_refused() {
    for bound in ["0.0", "-0.0", "-1.0", "nan", "inf", "-inf", "1e-40", "1e40"] {
        let found = refusal(FLOAT, "l2 = 1.5", &format!("l2 = {bound}"));
        assert!(
            matches!(found, TaskError::Plan(PlanError::Clip { .. })),
            "{bound}: {found}"
        );
        let found = refusal(
            FLOAT,
            "rotation = true",
            &format!("range = {{ fixed = {bound} }}"),
        );
        assert!(
            matches!(found, TaskError::Plan(PlanError::Range { .. })),
            "{bound}: {found}"
        );
    }
    for (from, to, want) in [
        (
            "precision_bits = 16",
            "precision_bits = 1",
            PlanError::Precision { found: 1 },
        ),
        ("max_weight = 500", "max_weight = 0", PlanError::NoWeight),
        (
            "clip = { l2 = 1.5 }",
            "clip = { linf = 1.5 }\nrounding = \"conditional\"",
            PlanError::ConditionalClip { found: "linf" },
        ),
        (
            "rotation = true",
            "range = { deviations = 0 }",
            PlanError::Deviations { found: 0 },
        ),
    ] {
        assert_eq!(refusal(FLOAT, from, to), TaskError::Plan(want));
    }
    assert_eq!(
        refusal(INTEGER, "min = -3", "min = 1000"),
        TaskError::Plan(PlanError::EmptyRange {
            min: 1000,
            max: 1000
        })
    );
    assert!(matches!(
        refusal(FLOAT, "dtype = \"f32\"", "dtype = \"i8\""),
        TaskError::Plan(PlanError::IntegerTensor { .. })
    ));
}

// spec: [task.encoding]
#[test]
fn floats_that_are_no_numbers_are_refused_in_bytes_too() {
    let task = task(FLOAT);
    let bytes = task.encode();
    for bits in [
        "7ff8000000000000",
        "7ff0000000000000",
        "bff8000000000000",
        "8000000000000000",
    ] {
        let found = Task::decode(&replaced(bytes, "3ff8000000000000", bits));
        assert!(
            matches!(found, Err(TaskError::Plan(PlanError::Clip { .. }))),
            "{bits}"
        );
    }
}

#[test]
fn a_task_without_or_with_twice_named_tensors_is_refused() {
    let none = &INTEGER[..INTEGER.find("[[tensors]]").unwrap()];
    let none = none.replace("max_attempts = 1", "max_attempts = 1\ntensors = []");
    assert_eq!(
        Task::from_toml(&none),
        Err(TaskError::Manifest(ManifestError::Empty))
    );
    assert_eq!(
        refusal(FLOAT, "\"weight\"", "\"bias\""),
        TaskError::Manifest(ManifestError::TwiceNamed {
            tensor: "bias".into()
        })
    );
}

// spec: [task.attempts]
#[test]
fn attempts_are_one_to_sixteen() {
    for (attempts, good) in [(0, false), (1, true), (16, true), (17, false)] {
        let text = INTEGER.replace("max_attempts = 1", &format!("max_attempts = {attempts}"));
        match Task::from_toml(&text) {
            Ok(task) => assert!(good && task.max_attempts() == attempts),
            Err(error) => assert_eq!(
                (error, good),
                (TaskError::Attempts { found: attempts }, false)
            ),
        }
    }
}

//! Tasks: as bytes and as text, a task that exists says the same in both.

use veilsum_proto::task::{Task, TaskError};

/// Reads bytes as a task, and as a text as one.
pub fn run(data: &[u8]) {
    if let Some(task) = told(Task::decode(data)) {
        assert_eq!(task.encode(), data, "decode is not the inverse of encode");
        check(&task);
    }
    if let Ok(text) = str::from_utf8(data)
        && let Some(task) = told(Task::from_toml(text))
    {
        check(&task);
    }
}

fn check(task: &Task) {
    let again = Task::from_toml(&task.to_toml()).expect("its own text is a task");
    assert_eq!(&again, task, "another task from its own text");
    let again = Task::decode(task.encode()).expect("its own bytes are a task");
    assert_eq!(&again, task, "another task from its own bytes");
    for slots in [1, 12, 250] {
        if let Some(parameters) = told(task.parameters(slots)) {
            assert!(parameters.q <= slots && parameters.t <= slots);
            assert!(parameters.f >= 2, "a sum of one member is its update");
        }
        if let Some(plan) = told(task.plan(slots)) {
            assert!(plan.coordinates() <= plan.lanes());
        }
    }
}

fn told<T>(outcome: Result<T, TaskError>) -> Option<T> {
    outcome
        .map_err(|error| assert!(!error.to_string().is_empty()))
        .ok()
}

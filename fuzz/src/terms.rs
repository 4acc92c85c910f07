//! What a member computes: the question that a round asks, as bytes of the coordinator; the job that it follows, as text. Either
//! holds together, or is refused in words.

use std::fmt::Display;
use veilsum_learn::stats::Question;
use veilsum_learn::{DataSpec, Job};

/// Reads bytes as a question, text as a job.
pub fn run(data: &[u8]) {
    if let Some(question) = told(Question::from_bytes(data)) {
        assert_eq!(
            question.to_bytes(),
            data,
            "decode is not the inverse of encode"
        );
    }
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Some(spec) = told(Job::spec_from_toml(text)) else {
        return;
    };
    // Examples of one's own, and models, are files: none is read here.
    let built_in = matches!(spec.data, DataSpec::Digits { .. } | DataSpec::Cancer { .. });
    if built_in && !text.contains("file") && spec.members <= 64 {
        told(Job::new(spec));
    }
}

fn told<T>(outcome: Result<T, impl Display>) -> Option<T> {
    outcome
        .map_err(|error| assert!(!error.to_string().is_empty()))
        .ok()
}

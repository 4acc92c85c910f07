//! Tasks: bytes and files, taken or refused.

use crate::bytes::{Bytes, text};
use crate::file::Case;
use crate::judge::{Refused, Stop, refused};
use crate::kinds::{Kind, parameters};
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_encode::{ManifestError, PlanError};
use veilsum_proto::roster::TomlError;
use veilsum_proto::task::{NoiseSpecError, Task, TaskError};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Task",
        layer: "task",
        run: task,
    },
    Kind {
        name: "TaskText",
        layer: "task",
        run: task_text,
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    task: Bytes,
}

fn task(case: &Case) -> Result<Value, Stop> {
    let i: Encoded = case.input()?;
    let task = Task::decode(&i.task.0).map_err(refusal)?;
    Ok(json!({
        "name": task.name().as_str(),
        "tensors": task.manifest().tensors().len(),
        "digest": text(task.digest().as_bytes()),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    text: String,
}

fn task_text(case: &Case) -> Result<Value, Stop> {
    let i: File = case.input()?;
    let task = Task::from_toml(&i.text).map_err(|error| in_file(error, &i.text))?;
    Ok(json!({
        "task": text(task.encode()),
        "digest": text(task.digest().as_bytes()),
    }))
}

/// What a task that is refused violates.
pub(crate) fn refusal(error: TaskError) -> Refused {
    let requirement = match &error {
        TaskError::Toml(_) => "task.text",
        TaskError::EncodingLacks { .. } | TaskError::EncodingHas { .. } => "task.text",
        TaskError::Version { .. } | TaskError::Code { .. } | TaskError::LeftOver { .. } => {
            "task.canonical"
        }
        TaskError::NotCanonical | TaskError::TooLong { .. } => "task.canonical",
        TaskError::Codec(error) => of_codec(&error.to_string()),
        TaskError::TensorName { .. } => "encode.manifest.names",
        TaskError::Tensors { .. } => "encode.manifest.coordinates",
        TaskError::Manifest(error) => of_manifest(error),
        TaskError::Plan(error) => of_plan(error),
        TaskError::Noise(error) => match error {
            NoiseSpecError::Weights { .. } => "task.noise.weights",
            NoiseSpecError::Delta { .. } => "task.noise.delta",
            NoiseSpecError::Parameter(_) => "task.noise.parameter",
            NoiseSpecError::GaussianRemoval => "task.noise.sharing",
        },
        TaskError::NoisePlan(_) => "noise.plan",
        TaskError::Rate { .. } => "task.rates",
        TaskError::Attempts { .. } => "task.attempts",
        TaskError::Cohort { .. } => "params.cohort",
        TaskError::Parameters(error) => return parameters::refusal(error.clone()),
    };
    refused(requirement, error)
}

/// As [`refusal`], of a file. Its numbers are read with it: which of them is wrong is on the line.
fn in_file(error: TaskError, text: &str) -> Refused {
    let line = match &error {
        TaskError::Toml(TomlError {
            line: Some(line),
            message,
        }) if !message.contains("unknown") => text.lines().nth(line.saturating_sub(1)),
        TaskError::Version { .. } => return refusal(error).about("task.text"),
        _ => None,
    };
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("corrupt" | "dropout") => refusal(error).about("params.counts"),
        Some("delta" | "parameter") => refusal(error).about("task.decimals"),
        _ => refusal(error),
    }
}

fn of_codec(text: &str) -> &'static str {
    match text.contains("name") {
        true => "roster.name",
        false => "task.canonical",
    }
}

fn of_manifest(error: &ManifestError) -> &'static str {
    match error {
        ManifestError::BadName { .. } | ManifestError::TwiceNamed { .. } => "encode.manifest.names",
        ManifestError::Empty
        | ManifestError::Rank { .. }
        | ManifestError::NoCoordinates { .. }
        | ManifestError::TooLarge => "encode.manifest.coordinates",
    }
}

pub(super) fn of_plan(error: &PlanError) -> &'static str {
    match error {
        PlanError::IntegerTensor { .. } | PlanError::FloatTensor { .. } => "encode.dtype.rule",
        PlanError::Precision { .. }
        | PlanError::Clip { .. }
        | PlanError::Range { .. }
        | PlanError::Deviations { .. }
        | PlanError::NoWeight
        | PlanError::EmptyRange { .. } => "task.encoding",
        PlanError::WeightedNoise { .. } => "task.noise.weights",
        PlanError::ConditionalClip { .. } | PlanError::ConditionalNorm => {
            "encode.round.conditional"
        }
        PlanError::ExampleClipMissing
        | PlanError::ExampleClipOfMember
        | PlanError::ExampleClipNorm { .. }
        | PlanError::Sensitivity(_) => "task.noise.unit",
        PlanError::ExampleClipBelowOne { .. } => "noise.sensitivity.whole",
        PlanError::ExampleDtype { .. } => "noise.sensitivity.dtype",
        PlanError::NobodyEnrolled
        | PlanError::LaneTooWide { .. }
        | PlanError::SumTooLarge { .. } => "encode.plan.bound",
        PlanError::TooLarge => "encode.plan.size",
    }
}

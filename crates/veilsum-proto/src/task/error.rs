//! Why a task is refused.

use super::noise::NoiseSpecError;
use super::{MAX_ATTEMPTS, MAX_BYTES, MAX_TENSORS};
use crate::parameters::{Decimal, Refusal};
use crate::roster::TomlError;
use veilsum_dp::NoisePlanError;
use veilsum_encode::{ManifestError, PlanError};

/// Why a task, its text or its bytes are refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TaskError {
    /// The text is not a task file.
    #[error("task file: {0}")]
    Toml(#[from] TomlError),
    /// The encoding lacks a key that its kind wants.
    #[error("encoding of kind `{kind}` lacks `{key}`")]
    EncodingLacks {
        /// Kind of the encoding.
        kind: &'static str,
        /// Key wanted.
        key: &'static str,
    },
    /// The encoding has a key of the other kind.
    #[error("encoding of kind `{kind}` has `{key}`, which the other kind wants")]
    EncodingHas {
        /// Kind of the encoding.
        kind: &'static str,
        /// Key found.
        key: &'static str,
    },
    /// File or bytes are of another version.
    #[error("task has version {found}, wanted {wanted}")]
    Version {
        /// Version found.
        found: u16,
        /// Version of this implementation.
        wanted: u16,
    },
    /// The tensors are no manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Tensors and encoding make no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Too many tensors.
    #[error("task has {found} tensors, wanted at most {MAX_TENSORS}")]
    Tensors {
        /// Tensors found.
        found: usize,
    },
    /// The noise does not fit the task.
    #[error(transparent)]
    Noise(#[from] NoiseSpecError),
    /// The noise has no plan over the roster: a share of it is too small or too large.
    #[error("noise of the task: {0}")]
    NoisePlan(#[from] NoisePlanError),
    /// A rate above 1.
    #[error("`{key}` is {found}, wanted a rate from 0 to 1")]
    Rate {
        /// Which rate.
        key: &'static str,
        /// Rate found.
        found: Decimal,
    },
    /// Too few or too many attempts.
    #[error("`max_attempts` is {found}, wanted 1 to {MAX_ATTEMPTS}")]
    Attempts {
        /// Attempts found.
        found: u32,
    },
    /// The cohort is larger than the roster.
    #[error("task draws a cohort of {cohort}, the roster has {slots} slots")]
    Cohort {
        /// Slots of the cohort.
        cohort: u32,
        /// Slots of the roster.
        slots: u32,
    },
    /// Roster and task give no parameters.
    #[error(transparent)]
    Parameters(#[from] Refusal),
    /// The encoding is longer than any task.
    #[error("task has {found} bytes, wanted at most {MAX_BYTES}")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// The bytes end early, or hold what the format does not have.
    #[error("task cannot be decoded: {}", reason(.0))]
    Codec(#[from] tls_codec::Error),
    /// A code without meaning.
    #[error("task has {field} {found}, wanted {wanted}")]
    Code {
        /// Which field.
        field: &'static str,
        /// Code found.
        found: u8,
        /// Codes that have a meaning.
        wanted: &'static str,
    },
    /// A tensor's name is not UTF-8.
    #[error("name of tensor {index} is not UTF-8")]
    TensorName {
        /// Position in the list, from 0.
        index: usize,
    },
    /// Bytes follow the task.
    #[error("task is followed by {found} bytes, wanted none")]
    LeftOver {
        /// Bytes left.
        found: usize,
    },
    /// Another encoding of the same task.
    #[error("task is not in its canonical encoding")]
    NotCanonical,
}

fn reason(error: &tls_codec::Error) -> String {
    match error {
        tls_codec::Error::EndOfStream => "found the end of the bytes, wanted more".to_owned(),
        tls_codec::Error::UnknownValue(code) => format!("found the unknown code {code}"),
        tls_codec::Error::DecodingError(text) => text.clone(),
        other => other.to_string(),
    }
}

//! Why a job is refused, or a half of it cannot go on.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::adaptive::AdaptiveError;
use crate::average::AverageError;
use crate::cancer::CancerError;
use crate::checkpoint::CheckpointError;
use crate::digits::DigitsError;
use crate::examples::ExamplesError;
use crate::files::FileError;
use crate::model::ModelError;
use crate::optimizer::OptimizerError;
use crate::scaling::ScalingError;
use crate::setting::SettingError;
use crate::stats::StatsError;
use crate::subset::SubsetError;
use crate::tensors::Mismatch;
use crate::train::TrainError;

/// Why a job is refused, or a half of it cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JobError {
    /// The text is no job.
    #[error("{}{text}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Toml {
        /// Where, from 1, if that is known.
        line: Option<usize>,
        /// What is wrong.
        text: String,
    },
    /// A key whose value is out of its range, or does not go with another.
    #[error("`{key}` is {found}, wanted {wanted}")]
    Key {
        /// The key, with its table.
        key: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// A number out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A file that the system does not give.
    #[error("{}: {fault}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        fault: io::Error,
    },
    /// A table of examples that is none.
    #[error("{}: {text}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        text: String,
    },
    /// Examples that cannot be made or dealt.
    #[error(transparent)]
    Examples(#[from] ExamplesError),
    /// The built-in digits.
    #[error(transparent)]
    Digits(#[from] DigitsError),
    /// The built-in tumours.
    #[error(transparent)]
    Cancer(#[from] CancerError),
    /// Features that cannot be scaled.
    #[error(transparent)]
    Scaling(#[from] ScalingError),
    /// A file of tensors.
    #[error(transparent)]
    File(#[from] FileError),
    /// Bytes that are no model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Tensors of another form.
    #[error(transparent)]
    Tensors(#[from] Mismatch),
    /// Local training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// An average in the clear, of a comparison.
    #[error(transparent)]
    Average(#[from] AverageError),
    /// A clip that adapts.
    #[error(transparent)]
    Adaptive(#[from] AdaptiveError),
    /// A subset of the coordinates.
    #[error(transparent)]
    Subset(#[from] SubsetError),
    /// A sum of evaluations.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// The coordinator's step.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    /// A checkpoint that cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint or a member's memory that another job wrote.
    #[error("found state of another job; it goes on with the configuration that wrote it alone")]
    OtherJob,
    /// Bytes that are no memory of a member.
    #[error("found bytes that are no memory of a member")]
    Memory,
    /// A round out of its turn.
    #[error("found round {found}, wanted round {wanted}")]
    Round {
        /// The round given.
        found: u64,
        /// The round that is next.
        wanted: u64,
    },
    /// A member that the job does not have.
    #[error("found member {found}, wanted one below {members}")]
    Member {
        /// The member asked for.
        found: u32,
        /// Members of the job.
        members: u32,
    },
    /// Tensors that make no manifest.
    #[error(transparent)]
    Manifest(#[from] veilsum_encode::ManifestError),
}

impl From<crate::files::SafetensorsError> for JobError {
    fn from(error: crate::files::SafetensorsError) -> Self {
        Self::Model(error.into())
    }
}

/// Refuses the value of a key.
pub(super) fn key(
    key: &'static str,
    found: impl std::fmt::Display,
    wanted: &'static str,
) -> JobError {
    JobError::Key {
        key,
        found: found.to_string(),
        wanted,
    }
}

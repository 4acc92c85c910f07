//! The file of a training, its paths resolved.

use crate::config::resolve;
use crate::exit::{Failure, Kind};
use crate::files;
use std::path::{Path, PathBuf};
use veilsum_learn::job::{DataSpec, JobError, ModelSpec};
use veilsum_learn::{Job, JobSpec};

/// Reads a job; paths in it are relative to its file.
pub(crate) fn job(path: &Path) -> Result<Job, Failure> {
    Job::new(spec(path)?).map_err(|error| failure(&error).in_file(path))
}

fn spec(path: &Path) -> Result<JobSpec, Failure> {
    let text = files::read_text(path)?;
    let mut spec = Job::spec_from_toml(&text).map_err(|error| failure(&error).in_file(path))?;
    let here = |of: &mut PathBuf| *of = resolve(path, of);
    if let ModelSpec::File(file) = &mut spec.model {
        here(file);
    }
    if let DataSpec::Csv { files, test, .. } = &mut spec.data {
        files.iter_mut().chain(test).for_each(here);
    }
    if let Some(file) = &mut spec.checkpoint {
        here(file);
    }
    Ok(spec)
}

/// A job's error with its exit code.
pub(crate) fn failure(error: &JobError) -> Failure {
    match error {
        JobError::Toml { .. } | JobError::Key { .. } | JobError::Setting(_) => {
            Failure::usage(error)
                .hint("veilsum train --print-example prints a file with every key explained")
        }
        JobError::Csv { .. } => Failure::usage(error).hint(
            "a line for each example, a head that names the columns, the label as 0, 1 and so on",
        ),
        JobError::Io { path, fault } => Failure::io(path, fault),
        JobError::File(error) => crate::commands::task::tensor_file(error),
        JobError::OtherJob => Failure::refused(error).hint(
            "take the configuration that the training began with, or another --out to start afresh",
        ),
        JobError::Checkpoint(error) => {
            Failure::new(Kind::Io, error).hint("take another --out to start afresh")
        }
        JobError::Examples(_) | JobError::Member { .. } => Failure::usage(error),
        _ => Failure::failed(error),
    }
}

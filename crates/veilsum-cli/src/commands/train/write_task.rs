//! `--write-task`: the tasks of a job, for a network.

use super::lines::WrittenTask;
use super::setup::failure;
use super::task::task;
use crate::caution;
use crate::exit::{Failure, Outcome};
use crate::files::{self, Existing, Readers};
use crate::output::Output;
use std::path::Path;
use veilsum_learn::Job;

/// Writes the tasks of a job, that which trains first.
pub(super) fn write_tasks(job: &Job, folder: &Path, output: Output) -> Outcome {
    let members = job.spec().members;
    std::fs::create_dir_all(folder).map_err(|error| Failure::io(folder, &error))?;
    let judging = job.evaluation_task().map_err(|error| failure(&error))?;
    let training = job.task().map_err(|error| failure(&error))?;
    for parts in std::iter::once(training).chain(judging) {
        let task = task(parts, members)?;
        caution::of_task(&task, members)?;
        let file = folder.join(format!("{}.task.toml", task.name()));
        files::write(
            &file,
            task.to_toml().as_bytes(),
            Readers::Everyone,
            Existing::Keep,
        )?;
        output.show(&WrittenTask {
            task: task.name().to_string(),
            digest: task.digest().to_string(),
            file,
        });
    }
    Ok(())
}

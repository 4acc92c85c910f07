//! What the tables of the configuration come to: tasks with what drives their rounds.

use super::asker::Asker;
use super::driver::Driver;
use super::hook::{Publisher, Tally};
use super::job::JobRounds;
use super::judge::Judging;
use super::learner::Learner;
use super::lines::Printer;
use crate::commands::train::setup::{failure, job};
use crate::commands::train::task::is_of;
use crate::config::coordinator::TaskTable;
use crate::exit::{Failure, Outcome};
use crate::files;
use std::path::Path;
use std::sync::Arc;
use veilsum_learn::Job;
use veilsum_proto::roster::Roster;
use veilsum_proto::task::Task;
use veilsum_server::{TaskConfig, TaskHook};

/// A task as the service takes it.
pub(super) type Hooked = (TaskConfig, Box<dyn TaskHook>);

/// Makes tasks of tables.
pub(super) struct Tasks<'a> {
    pub(super) roster: &'a Roster,
    pub(super) printer: &'a Arc<Printer>,
    pub(super) tally: &'a Arc<Tally>,
}

impl Tasks<'_> {
    /// The task of a table, and that which judges the models of its job where members do.
    pub(super) fn of(&self, table: &TaskTable) -> Result<Vec<Hooked>, Failure> {
        let config = config(table, &table.task)?;
        gathers(table, self.roster)?;
        files::usable_folder(&table.results)?;
        if let Some(path) = &table.job {
            return self.job(table, config, path);
        }
        let driver = match &table.model {
            Some(model) => {
                let learner = Learner::start(&config.task, model, &table.results, table.step)?;
                Some(Driver::Step(learner))
            }
            None => None,
        };
        self.shows(&config.task, None);
        let publisher = self.publisher(&config.task, table, driver);
        let hook: Box<dyn TaskHook> = match &table.query {
            Some(query) => Box::new(Asker::start(
                &config.task,
                query,
                &table.results,
                publisher,
                self.printer.clone(),
            )?),
            None => Box::new(publisher),
        };
        Ok(vec![(config, hook)])
    }

    fn job(
        &self,
        table: &TaskTable,
        config: TaskConfig,
        path: &Path,
    ) -> Result<Vec<Hooked>, Failure> {
        let job = job(path)?;
        let judging = judging(&job, path, table)?;
        let rounds = JobRounds::start(&job, &config.task, path, &table.results)?;
        let rounds = Arc::new(rounds);
        let driver = Driver::Job(rounds.clone());
        let privacy = job.spec().privacy.as_ref();
        self.shows(&config.task, privacy.map(|privacy| privacy.epsilon));
        let publisher = self.publisher(&config.task, table, Some(driver));
        let mut tasks: Vec<Hooked> = vec![(config, Box::new(publisher))];
        if let Some(config) = judging {
            self.shows(&config.task, None);
            let publisher = self.publisher(&config.task, table, None);
            let hook = Judging::new(rounds, publisher, self.printer.clone());
            tasks.push((config, Box::new(hook)));
        }
        Ok(tasks)
    }

    /// Has the status show the task.
    fn shows(&self, task: &Task, epsilon_budget: Option<f64>) {
        let board = self.printer.board();
        board.task(task.name(), task.digest(), epsilon_budget);
    }

    fn publisher(&self, task: &Task, table: &TaskTable, driver: Option<Driver>) -> Publisher {
        Publisher::new(
            task.name(),
            &table.results,
            driver,
            self.printer.clone(),
            self.tally.clone(),
        )
    }
}

/// The task whose rounds judge the models of a job; refused where it is missing, or is there for nothing.
// spec: [job.evaluation.task]
fn judging(job: &Job, path: &Path, table: &TaskTable) -> Result<Option<TaskConfig>, Failure> {
    let parts = job.evaluation_task().map_err(|error| failure(&error))?;
    match (parts, &table.evaluation) {
        (None, None) => Ok(None),
        (Some(parts), Some(file)) => {
            let config = TaskConfig {
                // as many as the rounds that train ask for
                rounds: None,
                pause_between_rounds: std::time::Duration::ZERO,
                ..config(table, file)?
            };
            match is_of(&parts, &config.task) {
                true => Ok(Some(config)),
                false => Err(Failure::refused(
                    "this is not the task that judges the models of the job",
                )
                .in_file(file)
                .hint(writes(path, &parts.name))),
            }
        }
        (Some(parts), None) => Err(Failure::refused(
            "the job has its models judged at the members, and no task for that is configured",
        )
        .in_file(path)
        .hint(format_args!(
            "{}; have the authority list it (veilsum roster allow ROSTER --task DIR/{}.task.toml, then sign the roster) and name it as `evaluation` beside `job`; a job with `every = 0` or `on = \"public\"` in [evaluation] needs none",
            writes(path, &parts.name),
            parts.name
        ))),
        (None, Some(_)) => Err(Failure::usage(
            "`evaluation` names a task, but the models of the job are not judged at the members",
        )
        .in_file(path)
        .hint("leave `evaluation` out of the configuration of the coordinator")),
    }
}

fn writes(job: &Path, name: &str) -> String {
    format!(
        "veilsum train --config {} --write-task DIR writes DIR/{name}.task.toml",
        job.display()
    )
}

fn config(table: &TaskTable, task: &Path) -> Result<TaskConfig, Failure> {
    Ok(TaskConfig {
        rounds: table.rounds,
        deadlines: table.deadlines.deadlines(),
        gather: table.gather.gather(),
        results: Some(table.results.clone()),
        pause_between_rounds: table.pause(),
        ..TaskConfig::new(files::task_file(task)?)
    })
}

/// A round that waits for more members than there are waits to the end of `wait` for nothing.
fn gathers(table: &TaskTable, roster: &Roster) -> Outcome {
    match table.gather.gather().members {
        Some(found) if found > roster.len() => Err(Failure::refused(format_args!(
            "`gather.members` is {found}, the roster has {} members",
            roster.len()
        ))
        .hint("choose a smaller number, or leave it out")),
        _ => Ok(()),
    }
}

//! What the member brings to a round, and where the result goes.

use super::lines::{EvaluationLine, Printer};
use super::source::Source;
use super::standing::Standing;
use crate::args::join::{Format, Join};
use crate::commands::task::tensor_file;
use crate::commands::train::setup::failure;
use crate::exit::Failure;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use veilsum_client::{Asked, Contributor, Event, LocalUpdate, MemberResult, RoundAbort, RoundInfo};
use veilsum_encode::{Encoding, Tensors, Update};
use veilsum_learn::{CoordinatorHalf, Evaluation, FileKind};
use veilsum_proto::ids::{Round, TaskDigest};

/// Reads or makes updates, writes results.
pub(super) struct Contribution {
    source: Source,
    weight: u32,
    result: ResultFile,
    standing: Arc<Standing>,
    printer: Arc<Printer>,
    /// The round that the member is in, of each task.
    joined: BTreeMap<TaskDigest, RoundInfo>,
    /// The task whose result a file holds.
    written: BTreeMap<PathBuf, TaskDigest>,
    /// Whether it was told that a weight does not count.
    told_of_weight: bool,
}

impl Contribution {
    pub(super) fn new(
        source: Source,
        weight: u32,
        result: ResultFile,
        standing: Arc<Standing>,
        printer: Arc<Printer>,
    ) -> Self {
        Self {
            source,
            weight,
            result,
            standing,
            printer,
            joined: BTreeMap::new(),
            written: BTreeMap::new(),
            told_of_weight: false,
        }
    }

    fn make(&mut self, info: &RoundInfo) -> Result<LocalUpdate, Failure> {
        let (tensors, said) = self.source.update(info, &self.standing)?;
        let weight = self.weight(said, info)?;
        // the check wipes its copy
        Update::for_plan(&info.plan, tensors.clone()).map_err(|error| {
            Failure::refused(format_args!("the update does not fit the task: {error}"))
        })?;
        Ok(LocalUpdate { tensors, weight })
    }

    /// The nearest weight that the task takes, whatever a program says: it may say how many examples there are, the task is the coordinator's choice, and
    /// all see who is absent. Told once.
    // spec: [contributor.weight]
    fn weight(
        &mut self,
        said: Result<Option<u32>, Failure>,
        info: &RoundInfo,
    ) -> Result<u32, Failure> {
        let (noised, most) = (info.task.noise().is_some(), info.task.max_weight());
        let said = match said {
            // no number at all is a fault of the program, but it shows too
            Err(_) if noised => 0,
            said => said?.unwrap_or(self.weight),
        };
        let weight = nearest_weight(said, most);
        if weight != said && !std::mem::replace(&mut self.told_of_weight, true) {
            self.printer.warn(&told_of_weight(info, noised, weight));
        }
        Ok(weight)
    }

    /// The round that a result or an abort is of, if this member joined it.
    fn leave(&mut self, task: &TaskDigest, round: Round) -> Option<RoundInfo> {
        self.joined.get(task).filter(|info| info.round == round)?;
        self.joined.remove(task)
    }

    /// Where the result goes: not over one of another task.
    fn place(&mut self, info: &RoundInfo) -> PathBuf {
        let (task, name) = (info.task.digest(), info.task.name().as_str());
        let path = self.result.path(name, info.round);
        let taken = |path: &PathBuf| self.written.get(path).is_some_and(|other| *other != task);
        let path = match taken(&path) {
            false => path,
            true => {
                let own = with_suffix(&path, name);
                self.printer.warn(&format_args!(
                    "{} holds the result of another task; that of {name} goes to {} ({{task}} in --result parts them)",
                    path.display(),
                    own.display()
                ));
                own
            }
        };
        self.written.insert(path.clone(), task);
        path
    }

    fn write(&mut self, info: &RoundInfo, result: &MemberResult) -> Result<PathBuf, Failure> {
        let path = self.place(info);
        let write = |tensors: &Tensors| {
            veilsum_learn::files::write(&path, tensors).map_err(|error| tensor_file(&error))
        };
        match info.plan.encoding() {
            Encoding::Float(_) => write(&result.mean)?,
            // integers are not rotated: no seed is used
            Encoding::Integer { .. } => {
                write(
                    &result
                        .sum
                        .sum(&info.plan, &[0; 32])
                        .map_err(Failure::failed)?,
                )?;
            }
        }
        Ok(path)
    }

    /// Prints how well a model does on what all members hold out, which all of them see.
    fn show_evaluation(&self, info: &RoundInfo, result: &MemberResult) {
        // integers are not rotated: no seed is used
        let sum = result
            .sum
            .sum(&info.plan, &[0; 32])
            .map_err(Failure::failed);
        let found = sum.and_then(|sum| {
            CoordinatorHalf::decode_evaluation(&sum).map_err(|error| failure(&error))
        });
        match found {
            Ok((examples, Evaluation { accuracy, loss })) => self.printer.show(&EvaluationLine {
                event: "evaluation",
                task: info.task.name(),
                round: result.round,
                examples,
                accuracy,
                loss,
            }),
            Err(failure) => self.printer.warn(&format_args!(
                "evaluation of round {}: {failure}",
                result.round
            )),
        }
    }
}

impl Contributor for Contribution {
    fn update(&mut self, info: &RoundInfo) -> Result<LocalUpdate, veilsum_client::Failure> {
        self.printer.doing(format!(
            "{} round {}: making the update",
            info.task.name(),
            info.round
        ));
        // the round whose evaluation this member stayed for was not judged
        if self.standing.is_enough() && !self.source.judges(info) {
            self.standing.done();
            return Err("the rounds to take part in are over".into());
        }
        match self.make(info) {
            Ok(update) => {
                self.joined.insert(info.task.digest(), info.clone());
                Ok(update)
            }
            Err(failure) => {
                let text = failure.to_string();
                // told as an event; who answers questions until stopped answers the next one
                if !(self.source.refuses_round_by_round() && self.standing.is_endless()) {
                    self.standing.fail(failure);
                }
                Err(text.into())
            }
        }
    }

    fn asked(&self, info: &RoundInfo) -> Option<Asked> {
        self.source.asked(info)
    }

    fn promises(&self, info: &RoundInfo) -> bool {
        !self.standing.is_enough() && self.source.promises(info)
    }

    fn result(&mut self, result: &MemberResult) -> ControlFlow<()> {
        let Some(info) = self.leave(&result.task, result.round) else {
            return ControlFlow::Continue(());
        };
        if let Err(failure) = self.source.settle(&info, &result.survivors) {
            self.standing.fail(failure);
            return ControlFlow::Break(());
        }
        let judges = self.source.judges(&info);
        let file = match judges {
            true => None,
            false => match self.write(&info, result) {
                Ok(file) => Some(file),
                Err(failure) => {
                    self.standing.fail(failure);
                    return ControlFlow::Break(());
                }
            },
        };
        self.printer.result(&Event::Result {
            task: info.task.name().to_string(),
            round: result.round,
            attempt: result.attempt,
            survivor_ids: result.survivors.clone(),
            weight_sum: result.weight_sum,
            sum_sha256: hex::encode(result.sum_sha256),
            certified: result.certified,
            privacy: result.privacy,
            file,
        });
        if judges {
            self.show_evaluation(&info, result);
            return flow(self.standing.is_enough());
        }
        flow(self.standing.with_sum() && !self.source.is_judged_after(&info))
    }

    fn aborted(&mut self, abort: &RoundAbort) -> ControlFlow<()> {
        let Some(info) = self
            .joined
            .get(&abort.task)
            .filter(|info| info.round == abort.round)
        else {
            return ControlFlow::Continue(());
        };
        let more = abort.attempt.0 + 1 < info.task.max_attempts();
        if more && RETRIED.contains(&abort.reason.as_str()) {
            return ControlFlow::Continue(());
        }
        let judges = self.source.judges(info);
        let info = self.joined.remove(&abort.task);
        if let Some(Err(failure)) = info.map(|info| self.source.settle(&info, &[])) {
            self.standing.fail(failure);
            return ControlFlow::Break(());
        }
        if judges {
            return flow(self.standing.is_enough());
        }
        flow(self.standing.without_sum())
    }
}

/// Where results are written.
#[derive(Clone, Debug)]
pub(super) struct ResultFile(PathBuf);

impl ResultFile {
    /// What the command line asks for, if a file of a known kind can be written there.
    pub(super) fn of(args: &Join) -> Result<Self, Failure> {
        let file = Self::named(args);
        FileKind::of(&file.0).map_err(|fault| {
            Failure::usage(fault)
                .in_file(&file.0)
                .hint("name the result *.safetensors or *.npy")
        })?;
        match file.0.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !is_pattern(folder) => {
                let error = match std::fs::metadata(folder) {
                    Ok(there) if there.is_dir() => return Ok(file),
                    Ok(_) => ErrorKind::NotADirectory.into(),
                    Err(error) => error,
                };
                Err(Failure::io(folder, &error).hint("make the folder that --result names"))
            }
            _ => Ok(file),
        }
    }

    fn named(args: &Join) -> Self {
        Self(match (&args.result, &args.update) {
            (Some(result), _) => result.clone(),
            (None, Some(update)) => beside(update),
            (None, None) => PathBuf::from(match args.format {
                Format::Safetensors => "result.safetensors",
                Format::Npy => "result.npy",
            }),
        })
    }

    fn path(&self, task: &str, round: Round) -> PathBuf {
        match self.0.to_str() {
            Some(text) => PathBuf::from(
                text.replace("{round}", &round.to_string())
                    .replace("{task}", task),
            ),
            None => self.0.clone(),
        }
    }
}

fn nearest_weight(said: u32, most: u32) -> u32 {
    said.clamp(1, most.max(1))
}

fn told_of_weight(info: &RoundInfo, noised: bool, weight: u32) -> String {
    let (task, most) = (info.task.name(), info.task.max_weight());
    match noised {
        true => format!(
            "{task} has noise, and no weights beside it: 1 counts in the place of another weight"
        ),
        false => format!(
            "{task} takes weights from 1 to {most}: {weight} counts in the place of another (`max_weight` of a task is the largest)"
        ),
    }
}

/// `alice.npy` becomes `alice-mean.npy`.
fn beside(update: &Path) -> PathBuf {
    with_suffix(update, "mean")
}

/// `NAME.ext` becomes `NAME-SUFFIX.ext`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("-");
    name.push(suffix);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Whether the path depends on task or round.
fn is_pattern(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| text.contains("{round}") || text.contains("{task}"))
}

fn flow(over: bool) -> ControlFlow<()> {
    if over {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// Reasons after which the coordinator opens another attempt, if the task has one left.
const RETRIED: [&str; 3] = ["too_few_adverts", "too_few_shares", "too_few_updates"];

#[cfg(test)]
mod tests {
    use super::*;
    use veilsum_proto::abort::Abort;
    use veilsum_proto::ids::Slot;
    use veilsum_proto::session::SetError;

    #[test]
    fn result_stands_beside_the_update() {
        assert_eq!(
            beside(Path::new("a/alice.npy")),
            Path::new("a/alice-mean.npy")
        );
        let numbered = ResultFile(PathBuf::from("{task}/r{round}.safetensors"));
        assert_eq!(
            numbered.path("digits", Round(7)),
            Path::new("digits/r7.safetensors")
        );
        assert_eq!(
            with_suffix(Path::new("a/result.npy"), "digits"),
            Path::new("a/result-digits.npy")
        );
    }

    /// A member that refused 120 where 100 is the most would say that it has more than 100 examples.
    #[test]
    fn a_weight_out_of_range_is_the_nearest_in_range() {
        // spec: [contributor.weight]
        for (said, most, wanted) in [
            (1, 1, 1),
            (0, 1, 1),
            (120, 1, 1),
            (120, 100, 100),
            (100, 100, 100),
            (u32::MAX, 100, 100),
            (0, 100, 1),
        ] {
            assert_eq!(nearest_weight(said, most), wanted, "{said} of {most}");
        }
    }

    #[test]
    fn retried_reasons_are_those_of_the_protocol() {
        let set = || SetError::WithoutMe {
            set: "S",
            slot: Slot(0),
        };
        let aborts = [
            Abort::Advertise(set()),
            Abort::Share(set()),
            Abort::Upload(set()),
            Abort::BelowQuorum { got: 1, want: 2 },
            Abort::Shutdown,
            Abort::Restarted,
        ];
        for abort in aborts {
            assert_eq!(
                RETRIED.contains(&abort.kind()),
                abort.may_retry(),
                "{abort}"
            );
        }
    }
}

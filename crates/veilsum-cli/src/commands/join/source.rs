//! Where updates come from: a file, a program, the rows of a table, or a job's training.

use super::answer::Answerer;
use super::exec::Trainer;
use super::standing::Standing;
use super::train::{Training, is_judging};
use crate::args::join::Join;
use crate::commands::task::tensor_file;
use crate::exit::Failure;
use std::path::{Path, PathBuf};
use veilsum_client::{Asked, RoundInfo};
use veilsum_encode::Tensors;
use veilsum_learn::FileKind;
use veilsum_proto::ids::{Slot, TaskDigest};
use veilsum_proto::member::{ExampleClip, PrivacyFloors};

/// An update, and its weight: none if the source has none to say, and a failure if what it says is no weight.
pub(super) type Brought = (Tensors, Result<Option<u32>, Failure>);

/// Makes the update of a round.
pub(super) enum Source {
    File(PathBuf),
    Exec(Trainer),
    Stats(Answerer),
    Train(Box<Training>),
}

impl Source {
    /// What the command line asks for; a program works in `folder`. A file is read once now, so that a wrong one is told
    /// before anything is joined.
    pub(super) fn of(args: &Join, folder: Option<&Path>) -> Result<Self, Failure> {
        match (&args.update, &args.exec, folder) {
            (Some(path), _, _) => read(path).map(|_| Self::File(path.clone())),
            (None, Some(command), Some(folder)) => {
                Ok(Self::Exec(Trainer::new(command, args.format, folder)))
            }
            (None, _, _) => Err(Failure::usage(
                "wanted --update, --exec, --stats or --train",
            )),
        }
    }

    /// What it asks of the noise of every task, beside the site's policy. Answers and training hold the task's example clip against what they do.
    pub(super) fn floors(&self) -> PrivacyFloors {
        match self {
            Self::File(_) | Self::Exec(_) => PrivacyFloors::default(),
            Self::Stats(_) => PrivacyFloors {
                example_clip: ExampleClip::Checked,
                ..PrivacyFloors::default()
            },
            Self::Train(training) => training.floors(),
        }
    }

    /// Of the tasks that the roster does not list, no other is joined.
    pub(super) fn only_unlisted_task(&self) -> Result<Option<TaskDigest>, Failure> {
        match self {
            Self::Train(training) => training.only_unlisted_task(),
            Self::File(_) | Self::Exec(_) | Self::Stats(_) => Ok(None),
        }
    }

    /// Seed of the rounding, where a test asks for one.
    pub(super) fn rounding_seed(&self) -> Option<[u8; 32]> {
        match self {
            Self::Train(training) => training.rounding_seed(),
            Self::File(_) | Self::Exec(_) | Self::Stats(_) => None,
        }
    }

    /// Whether rounds of the task judge a model: they are not counted among those to take part in.
    pub(super) fn judges(&self, info: &RoundInfo) -> bool {
        matches!(self, Self::Train(_)) && is_judging(&info.task)
    }

    /// Whether a round is followed by one that judges what came of it.
    pub(super) fn is_judged_after(&self, info: &RoundInfo) -> bool {
        match self {
            Self::Train(training) => training.is_judged_after(info),
            Self::File(_) | Self::Exec(_) | Self::Stats(_) => false,
        }
    }

    /// Whether a round that is refused leaves others to be joined.
    pub(super) fn refuses_round_by_round(&self) -> bool {
        matches!(self, Self::Stats(_))
    }

    /// The update, with a weight if the source has one to say.
    pub(super) fn update(
        &mut self,
        info: &RoundInfo,
        standing: &Standing,
    ) -> Result<Brought, Failure> {
        match self {
            Self::File(path) => Ok((read(path)?, Ok(None))),
            Self::Exec(trainer) => trainer.train(info, standing),
            Self::Stats(answerer) => Ok((answerer.answer(info)?, Ok(None))),
            Self::Train(training) => {
                let (tensors, weight) = training.update(info)?;
                Ok((tensors, Ok(weight)))
            }
        }
    }

    /// What the update of a round answers, if it answers anything.
    pub(super) fn asked(&self, info: &RoundInfo) -> Option<Asked> {
        match self {
            Self::Stats(_) => Answerer::asked(info),
            Self::Train(training) => training.asked(info),
            Self::File(_) | Self::Exec(_) => None,
        }
    }

    /// Whether the update of a round will come.
    pub(super) fn promises(&self, info: &RoundInfo) -> bool {
        match self {
            Self::Train(training) => training.promises(info),
            Self::File(_) | Self::Exec(_) | Self::Stats(_) => false,
        }
    }

    /// Says whose contributions are in the sum of a round; nobody's if there is none.
    pub(super) fn settle(&mut self, info: &RoundInfo, survivors: &[Slot]) -> Result<(), Failure> {
        match self {
            Self::Train(training) => training.settle(info, survivors),
            Self::File(_) | Self::Exec(_) | Self::Stats(_) => Ok(()),
        }
    }
}

/// Tensors of a file.
pub(super) fn read(path: &Path) -> Result<Tensors, Failure> {
    FileKind::of(path).map_err(|fault| {
        Failure::usage(fault)
            .in_file(path)
            .hint("name the file *.safetensors or *.npy")
    })?;
    veilsum_learn::files::read(path).map_err(|error| tensor_file(&error))
}

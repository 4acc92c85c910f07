//! Where updates come from: a file, or a program.

use super::exec::Trainer;
use super::standing::Standing;
use crate::args::join::Join;
use crate::commands::task::tensor_file;
use crate::exit::Failure;
use std::path::{Path, PathBuf};
use veilsum_client::RoundInfo;
use veilsum_encode::Tensors;
use veilsum_learn::FileKind;

/// Makes the update of a round.
pub(super) enum Source {
    File(PathBuf),
    Exec(Trainer),
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
            (None, _, _) => Err(Failure::usage("wanted --update or --exec")),
        }
    }

    /// The update, with a weight if the source has one to say.
    pub(super) fn update(
        &mut self,
        info: &RoundInfo,
        standing: &Standing,
    ) -> Result<(Tensors, Option<u32>), Failure> {
        match self {
            Self::File(path) => Ok((read(path)?, None)),
            Self::Exec(trainer) => trainer.train(info, standing),
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

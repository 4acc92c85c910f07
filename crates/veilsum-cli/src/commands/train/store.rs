//! The folder of a training: model, best model, checkpoint, members' memories, history.

use super::lines::RoundLine;
use super::setup::failure;
use crate::exit::Failure;
use crate::files::{self, Existing, Readers};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use veilsum_learn::files::write_atomic;
use veilsum_learn::job::JobError;
use veilsum_learn::{Checkpoint, CoordinatorHalf, Job, MemberHalf, Model};

/// Files of a training.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    checkpoint: PathBuf,
}

impl Store {
    /// The folder, made if it is not there.
    pub(super) fn open(folder: &Path, job: &Job) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(|error| Failure::io(folder, &error))?;
        files::usable_folder(folder)?;
        let checkpoint = job.spec().checkpoint.clone();
        Ok(Self {
            checkpoint: checkpoint.unwrap_or_else(|| folder.join("checkpoint")),
            folder: folder.to_owned(),
        })
    }

    /// Refuses to start where a training has been.
    pub(super) fn refuse_existing(&self) -> Result<(), Failure> {
        for path in [&self.checkpoint, &self.history()] {
            if path.exists() {
                let text = format!("{} holds a training already", path.display());
                return Err(
                    Failure::refused(text).hint("go on with --resume, or take another --out")
                );
            }
        }
        Ok(())
    }

    /// Writes what is needed to go on; the checkpoint last, and at once or not at all.
    pub(super) fn save(
        &self,
        coordinator: &CoordinatorHalf,
        members: &[MemberHalf],
    ) -> Result<(), Failure> {
        let round = coordinator.rounds_over();
        let memories: Vec<Vec<u8>> = members.iter().map(MemberHalf::memory).collect();
        let remembers = memories.iter().any(|memory| !memory.is_empty());
        if remembers {
            let mut out = Vec::new();
            for memory in &memories {
                out.extend_from_slice(&(memory.len() as u64).to_le_bytes());
                out.extend_from_slice(memory);
            }
            self.write(&self.memories(round), &out)?;
        }
        self.write(&self.model(), &bytes(coordinator.model())?)?;
        if let Some((best, _)) = coordinator.best() {
            self.write(&self.best(), &bytes(best)?)?;
        }
        let checkpoint = coordinator.checkpoint();
        checkpoint
            .write(&self.checkpoint)
            .map_err(|error| failure(&error.into()))?;
        if remembers {
            self.forget_others(round);
        }
        Ok(())
    }

    /// Removes the memories of other checkpoints than that of a round: earlier ones, and later ones of a run that was cut off.
    fn forget_others(&self, round: u64) {
        let kept = self.memories(round);
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str());
            let digits = name.and_then(|name| name.strip_prefix("memories-"));
            let is_of_a_round = digits.is_some_and(|digits| digits.parse::<u64>().is_ok());
            if is_of_a_round && path != kept {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Both halves as the checkpoint left them.
    pub(super) fn resume(
        &self,
        job: &Job,
        members: &mut [MemberHalf],
    ) -> Result<CoordinatorHalf, Failure> {
        let checkpoint =
            Checkpoint::read(&self.checkpoint).map_err(|error| failure(&error.into()))?;
        let coordinator =
            CoordinatorHalf::resume(job, checkpoint).map_err(|error| failure(&error))?;
        if members.iter().all(|member| member.memory().is_empty()) {
            return Ok(coordinator);
        }
        let path = self.memories(coordinator.rounds_over());
        let bytes = fs::read(&path).map_err(|error| Failure::io(&path, &error))?;
        let mut rest = bytes.as_slice();
        for member in members {
            let memory =
                sized(&mut rest).ok_or_else(|| failure(&JobError::Memory).in_file(&path))?;
            member
                .resume(memory)
                .map_err(|error| failure(&error).in_file(&path))?;
        }
        Ok(coordinator)
    }

    /// Adds a round to the history.
    pub(super) fn append(&self, line: &RoundLine) -> Result<(), Failure> {
        let path = self.history();
        let text = serde_json::to_string(line).map_err(Failure::failed)?;
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).append(true).open(&path);
        file.and_then(|mut file| writeln!(file, "{text}"))
            .map_err(|error| Failure::io(&path, &error))
    }

    /// The history up to a round; lines of later ones, written before an end that came between, go.
    pub(super) fn rewind(&self, round: u64) -> Result<Vec<RoundLine>, Failure> {
        let path = self.history();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::io(&path, &error)),
        };
        // what is kept is kept as it was written, to the last digit
        let (mut kept, mut lines) = (String::new(), Vec::new());
        for line in text.lines() {
            let read = serde_json::from_str(line).ok();
            if let Some(read) = read.filter(|read: &RoundLine| read.round <= round) {
                kept.push_str(line);
                kept.push('\n');
                lines.push(read);
            }
        }
        files::write(&path, kept.as_bytes(), Readers::Everyone, Existing::Replace)?;
        Ok(lines)
    }

    /// The newest model.
    pub(super) fn model(&self) -> PathBuf {
        self.folder.join("model.safetensors")
    }

    /// The best model.
    pub(super) fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// A line of JSON for each round.
    pub(super) fn history(&self) -> PathBuf {
        self.folder.join("history.jsonl")
    }

    fn memories(&self, round: u64) -> PathBuf {
        self.folder.join(format!("memories-{round}"))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        write_atomic(path, bytes).map_err(|error| Failure::io(path, &error))
    }
}

fn bytes(model: &Model) -> Result<Vec<u8>, Failure> {
    model.to_bytes().map_err(Failure::failed)
}

/// Bytes behind their length.
fn sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (taken, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

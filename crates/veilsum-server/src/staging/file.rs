//! Not for what fits in memory: uploads beyond it wait in files.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{sync::Notify, task::spawn_blocking};

use super::{
    StageError,
    budget::Budget,
    pages::{limbs_of, new_pages},
};

/// Files of all uploads.
#[derive(Debug)]
pub(super) struct Files {
    budget: Budget,
    freed: Arc<Notify>,
}

impl Files {
    /// So many bytes for all uploads together; `freed` is told when one has left.
    pub(super) fn new(budget: u64, freed: Arc<Notify>) -> Self {
        Self {
            budget: Budget::new(budget),
            freed,
        }
    }

    /// Room for an upload of `length` bytes, if the budget has as many left.
    // spec: [service.stage.budget]
    pub(super) fn take(self: &Arc<Self>, length: u64) -> Option<Room> {
        self.budget.take(length).then(|| Room {
            files: self.clone(),
            length,
        })
    }

    /// Bytes of the uploads that are here.
    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.budget.used()
    }
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub(super) struct Room {
    files: Arc<Files>,
    length: u64,
}

impl Room {
    /// A new, empty file for the upload.
    pub(super) async fn with_file(self, path: PathBuf) -> Result<Writing, StageError> {
        let path = Spill(path);
        let made = move || Ok((fs::File::create(&path.0)?, path));
        let (file, path) = on_disk(self.length, made).await?;
        Ok(Writing {
            file: Arc::new(file),
            written: Written { path, room: self },
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.files.budget.give_back(self.length);
        self.files.freed.notify_one();
    }
}

/// An upload whose bytes go to a file.
#[derive(Debug)]
pub(super) struct Writing {
    file: Arc<fs::File>,
    written: Written,
}

impl Writing {
    /// Writes bytes behind those that are there.
    pub(super) async fn push(&self, bytes: Vec<u8>) -> Result<(), StageError> {
        let file = self.file.clone();
        on_disk(self.written.room.length, move || {
            file.as_ref().write_all(&bytes)
        })
        .await
    }

    /// What is in the file by now.
    pub(super) fn into_written(self) -> Written {
        self.written
    }

    pub(super) fn path(&self) -> &Path {
        self.written.path()
    }
}

/// An upload in its file, which is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Written {
    // before its room: the file is gone when there is room again
    path: Spill,
    room: Room,
}

impl Written {
    /// Shows the limbs, off the disk, to `job`, if the bytes that came are those that were agreed to and make whole limbs. Blocks.
    // spec: [wire.vector] [service.stage.whole]
    pub(super) fn into_limbs<T>(
        self,
        job: impl FnOnce(&[u64]) -> T,
    ) -> Result<Option<T>, StageError> {
        let length = self.room.length;
        let read = || {
            let mut file = fs::File::open(&self.path.0)?;
            if file.metadata()?.len() != length {
                return Ok(None);
            }
            let mut pages = new_pages(length)?;
            file.read_exact(&mut pages)?;
            Ok(limbs_of(&mut pages).map(job))
        };
        read().map_err(|source| failed(length, source))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path.0
    }
}

/// A spilled file, removed when dropped.
#[derive(Debug)]
struct Spill(PathBuf);

impl Drop for Spill {
    // spec: [service.stage.clean]
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.0.display(), %error, "spilled upload could not be removed");
        }
    }
}

/// Does what waits for the disk where nobody else has to wait for it.
async fn on_disk<T: Send + 'static>(
    wanted: u64,
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StageError> {
    let done = spawn_blocking(job).await;
    let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|source| failed(wanted, source))
}

// spec: [service.stage.disk-full]
fn failed(wanted: u64, source: io::Error) -> StageError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
            StageError::DiskFull { wanted, source }
        }
        _ => StageError::Io(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: [service.stage.disk-full]
    #[test]
    fn a_full_disk_has_a_name_of_its_own() {
        let full = failed(9, io::ErrorKind::StorageFull.into());
        let capped = failed(9, io::ErrorKind::FileTooLarge.into());
        assert_eq!((full.kind(), capped.kind()), ("disk_full", "disk_full"));
        assert_eq!(
            failed(9, io::ErrorKind::NotFound.into()).kind(),
            "staging_failed"
        );
    }
}

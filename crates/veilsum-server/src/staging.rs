//! Uploads on their way: in memory while the budget lasts, in files beyond it, waiting beyond that. Not storage: what is
//! here is gone with its upload, with its connection, and with the process.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    mem,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use thiserror::Error;
use tokio::{sync::Notify, task::spawn_blocking};
use veilsum_math::ring::Blocks;
use veilsum_proto::masked::MaskedUpdate;

use crate::limbs::Limbs;

/// Why an upload could not be staged. It costs that upload alone.
#[derive(Debug, Error)]
pub(crate) enum StageError {
    /// The disk has no room, or the file may not grow.
    #[error("no room on disk to stage an upload of {wanted} bytes: {source}")]
    DiskFull { wanted: u64, source: io::Error },
    /// The file cannot be written or read for another reason.
    #[error("cannot stage an upload: {0}")]
    Io(io::Error),
}

impl StageError {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::DiskFull { .. } => "disk_full",
            Self::Io(_) => "staging_failed",
        }
    }
}

/// The budget of all uploads of all tasks.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: PathBuf,
    memory: Budget,
    spill: Budget,
    next_file: AtomicU64,
    /// Held by the one upload that waits for room: first come, first served.
    turn: tokio::sync::Mutex<()>,
    freed: Notify,
}

impl Staging {
    /// Empties `folder`, which is made if it is not there. Blocks.
    // spec: [service.stage.clean]
    pub(crate) fn open(folder: PathBuf, memory: u64, spill: u64) -> io::Result<Arc<Self>> {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => fs::create_dir_all(&folder)?,
        }
        Ok(Arc::new(Self::new(folder, memory, spill)))
    }

    /// Budgets in bytes, and the folder of what spills, which is there if anything can.
    pub(crate) fn new(folder: PathBuf, memory: u64, spill: u64) -> Self {
        Self {
            folder,
            memory: Budget::new(memory),
            spill: Budget::new(spill),
            next_file: AtomicU64::new(0),
            turn: tokio::sync::Mutex::new(()),
            freed: Notify::new(),
        }
    }

    /// Room for an upload of `length` bytes; waits while there is none. Dropping the future or the stage gives all back.
    ///
    /// Waits for ever if `length` is above both budgets: the service refuses such tasks at the start.
    // spec: [service.stage.budget] [service.stage.wait]
    pub(crate) async fn stage(self: &Arc<Self>, length: u64) -> Result<Stage, StageError> {
        let turn = self.turn.lock().await;
        let place = loop {
            if let Some(place) = self.reserve(length) {
                break place;
            }
            // a permit is kept for the one who waits, so that nothing freed in between is missed
            self.freed.notified().await;
        };
        drop(turn);
        let room = Room {
            staging: self.clone(),
            place,
            length,
        };
        match place {
            Place::Memory => Ok(Stage {
                // as long as the round says, never the sender
                held: Held::Memory(Limbs::with_room_for(length)),
                room,
            }),
            Place::File => self.stage_in_file(room).await,
        }
    }

    async fn stage_in_file(&self, room: Room) -> Result<Stage, StageError> {
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        let path = Spill(self.folder.join(number.to_string()));
        let (file, path) =
            on_disk(room.length, move || Ok((fs::File::create(&path.0)?, path))).await?;
        let file = Arc::new(file);
        Ok(Stage {
            held: Held::File { file, path },
            room,
        })
    }

    fn reserve(&self, length: u64) -> Option<Place> {
        if self.memory.take(length) {
            Some(Place::Memory)
        } else {
            self.spill.take(length).then_some(Place::File)
        }
    }

    fn give_back(&self, place: Place, length: u64) {
        match place {
            Place::Memory => self.memory.give_back(length),
            Place::File => self.spill.give_back(length),
        }
        self.freed.notify_one();
    }

    /// Bytes reserved in memory and in files.
    #[cfg(test)]
    pub(crate) fn used(&self) -> (u64, u64) {
        (self.memory.used(), self.spill.used())
    }
}

/// An upload whose bytes are coming.
#[derive(Debug)]
pub(crate) struct Stage {
    held: Held,
    room: Room,
}

enum Held {
    Memory(Limbs),
    File { file: Arc<fs::File>, path: Spill },
}

// spec: [service.secrets]
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(limbs) => write!(f, "Memory({} bytes)", limbs.bytes()),
            Self::File { file: _, path } => write!(f, "File({path:?})"),
        }
    }
}

impl Stage {
    /// Takes the next bytes out of their pieces. The caller holds the sender to the agreed length.
    ///
    /// Pieces are copied, not kept: each may keep much more memory alive than it has bytes, which no budget would see.
    // spec: [service.stage.budget]
    pub(crate) async fn push(&mut self, pieces: &mut [Bytes]) -> Result<(), StageError> {
        match &mut self.held {
            Held::Memory(limbs) => {
                for piece in pieces.iter_mut().map(mem::take) {
                    limbs.push(&piece);
                }
                Ok(())
            }
            Held::File { file, .. } => {
                let mut bytes = Vec::with_capacity(pieces.iter().map(Bytes::len).sum());
                for piece in pieces.iter_mut().map(mem::take) {
                    bytes.extend_from_slice(&piece);
                }
                let file = file.clone();
                on_disk(self.room.length, move || file.as_ref().write_all(&bytes)).await
            }
        }
    }

    /// The upload once all its bytes are here.
    // spec: [service.stage.whole]
    pub(crate) fn whole(self) -> Staged {
        let held = match self.held {
            Held::Memory(limbs) => Whole::Memory(limbs.into_limbs()),
            Held::File { path, .. } => Whole::File(path),
        };
        Staged {
            held,
            room: self.room,
        }
    }
}

/// A whole upload that waits to be added up.
#[derive(Debug)]
pub(crate) struct Staged {
    held: Whole,
    room: Room,
}

enum Whole {
    Memory(Vec<u64>),
    File(Spill),
}

// spec: [service.secrets]
impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(limbs) => write!(f, "Memory({} limbs)", limbs.len()),
            Self::File(path) => write!(f, "File({path:?})"),
        }
    }
}

impl Staged {
    /// Shows the masked update of `limbs` limbs to `job`, then gives its room back. Blocks.
    pub(crate) fn into_update<T>(
        self,
        limbs: usize,
        job: impl FnOnce(&MaskedUpdate) -> T,
    ) -> Result<T, StageError> {
        let Self { held, room } = self;
        let blocks = match held {
            Whole::Memory(found) if found.len() == limbs => Blocks::from_limbs(found),
            Whole::Memory(_) => return Err(StageError::Io(io::ErrorKind::UnexpectedEof.into())),
            Whole::File(path) => {
                read(&path, limbs).map_err(|source| failed(room.length, source))?
            }
        };
        Ok(job(&MaskedUpdate::from_blocks(blocks)))
    }
}

/// The limbs of a spilled upload, whose file is removed.
fn read(path: &Spill, limbs: usize) -> io::Result<Blocks> {
    let mut blocks = Blocks::zeroed(limbs);
    fill(&mut blocks, fs::File::open(&path.0)?)?;
    Ok(blocks)
}

/// Reads exactly as many little-endian limbs as there are.
fn fill(blocks: &mut Blocks, mut bytes: impl Read) -> io::Result<()> {
    let mut piece = vec![0; PIECE_LIMBS.saturating_mul(8)];
    for limbs in blocks.limbs_mut().chunks_mut(PIECE_LIMBS) {
        piece.truncate(limbs.len().saturating_mul(8)); // only the last one is shorter
        bytes.read_exact(&mut piece)?;
        let (words, _) = piece.as_chunks::<8>();
        for (limb, word) in limbs.iter_mut().zip(words) {
            *limb = u64::from_le_bytes(*word);
        }
    }
    Ok(())
}

/// Where an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Memory,
    File,
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
struct Room {
    staging: Arc<Staging>,
    place: Place,
    length: u64,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.staging.give_back(self.place, self.length);
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

#[derive(Debug)]
struct Budget {
    all: u64,
    used: Mutex<u64>,
}

impl Budget {
    fn new(all: u64) -> Self {
        Self {
            all,
            used: Mutex::new(0),
        }
    }

    fn take(&self, bytes: u64) -> bool {
        let mut used = self.lock();
        let next = used.saturating_add(bytes);
        if next > self.all {
            return false;
        }
        *used = next;
        true
    }

    fn give_back(&self, bytes: u64) {
        let mut used = self.lock();
        *used = used.saturating_sub(bytes);
    }

    #[cfg(test)]
    fn used(&self) -> u64 {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, u64> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

/// Does what waits for the disk where nobody else has to wait for it.
async fn on_disk<T: Send + 'static>(
    wanted: u64,
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StageError> {
    let done = spawn_blocking(job).await;
    let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|source| failed(wanted, source))
}

/// Limbs read at once.
const PIECE_LIMBS: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    fn bytes(limbs: u64) -> Vec<u8> {
        (0..limbs)
            .flat_map(|limb| (limb * 7).to_le_bytes())
            .collect()
    }

    fn files(staging: &Staging) -> usize {
        fs::read_dir(&staging.folder).unwrap().count()
    }

    async fn staged(staging: &Arc<Staging>, bytes: &[u8]) -> Staged {
        let mut stage = staging.stage(bytes.len() as u64).await.unwrap();
        let mut pieces = bytes.chunks(1001).map(Bytes::copy_from_slice);
        loop {
            let mut some: Vec<Bytes> = pieces.by_ref().take(3).collect();
            if some.is_empty() {
                return stage.whole();
            }
            stage.push(&mut some).await.unwrap();
            assert!(some.iter().all(Bytes::is_empty), "a piece was kept");
        }
    }

    // spec: [service.stage.budget] [service.stage.clean]
    #[tokio::test]
    async fn beyond_the_memory_budget_an_upload_spills_and_comes_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(folder.path().join("staging"), 80_000, 80_000).unwrap();
        let whole = bytes(10_000);
        let first = staged(&staging, &whole).await;
        let second = staged(&staging, &whole).await;
        assert_eq!(staging.used(), (80_000, 80_000));
        assert_eq!(files(&staging), 1);
        let expected = MaskedUpdate::from_le_bytes(&whole).unwrap();
        assert!(
            first
                .into_update(10_000, |update| *update == expected)
                .unwrap()
        );
        assert!(
            second
                .into_update(10_000, |update| *update == expected)
                .unwrap()
        );
        assert_eq!((staging.used(), files(&staging)), ((0, 0), 0));
    }

    // spec: [service.stage.wait]
    #[tokio::test]
    async fn beyond_both_budgets_an_upload_waits_until_room_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(folder.path().join("staging"), 80, 0).unwrap();
        let first = staged(&staging, &bytes(10)).await;
        let waiting = timeout(Duration::from_millis(50), staging.stage(80)).await;
        assert!(waiting.is_err());
        drop(first);
        let second = timeout(Duration::from_secs(5), staging.stage(80)).await;
        second.expect("room was given back").unwrap();
        assert_eq!(staging.used(), (0, 0));
    }

    // spec: [service.stage.clean]
    #[tokio::test]
    async fn a_dropped_upload_leaves_neither_bytes_nor_file() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(folder.path().join("staging"), 0, 1000).unwrap();
        let mut stage = staging.stage(1000).await.unwrap();
        stage
            .push(&mut [Bytes::from_static(&[1; 500])])
            .await
            .unwrap();
        drop(stage);
        assert_eq!((staging.used(), files(&staging)), ((0, 0), 0));
    }

    // spec: [service.stage.clean]
    #[test]
    fn what_a_dead_process_left_is_removed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("0"), b"left").unwrap();
        let staging = Staging::open(folder.path().to_owned(), 0, 0).unwrap();
        assert_eq!(files(&staging), 0);
    }

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

    // spec: [service.secrets]
    #[tokio::test]
    async fn what_is_staged_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(folder.path().join("staging"), 8, 8).unwrap();
        let mut stage = staging.stage(8).await.unwrap();
        stage
            .push(&mut [Bytes::from_static(&[201; 8])])
            .await
            .unwrap();
        let held = format!("{stage:?}");
        let whole = format!("{:?}", stage.whole());
        let shown = [&held, &whole].map(|text| text.contains("201"));
        assert_eq!(shown, [false, false], "{held} {whole}");
        assert!(held.contains("Memory(8 bytes)") && whole.contains("Memory(1 limbs)"));
    }

    // spec: [service.stage.whole]
    #[tokio::test]
    async fn too_few_bytes_are_no_update() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(folder.path().join("staging"), 80, 0).unwrap();
        let short = staged(&staging, &bytes(9)).await;
        assert!(short.into_update(10, |_| ()).is_err());
    }
}

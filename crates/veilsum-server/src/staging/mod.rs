//! Uploads on their way: in memory while the budget lasts, in files beyond it, waiting beyond that. Not storage: what is
//! here is gone with its upload, with its connection, and with the process.

mod budget;
mod file;
mod memory;
mod pages;

use std::{
    fmt, fs, io, mem,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use thiserror::Error;
use tokio::{sync::Notify, time::sleep};
use veilsum_proto::masked::MaskedLimbs;

use file::Files;
use memory::{Memory, Pages};

/// Why an upload could not be staged. It costs that upload alone.
#[derive(Debug, Error)]
pub(crate) enum StageError {
    /// The disk has no room, or the file may not grow.
    #[error("no room on disk to stage an upload of {wanted} bytes: {source}")]
    DiskFull { wanted: u64, source: io::Error },
    /// The file cannot be written or read, or the system has no memory, or what came is no update.
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
    memory: Arc<Memory>,
    files: Arc<Files>,
    next_file: AtomicU64,
    /// Held by the one upload that waits for room: first come, first served.
    turn: tokio::sync::Mutex<()>,
    freed: Arc<Notify>,
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
        let freed = Arc::new(Notify::new());
        Self {
            folder,
            memory: Arc::new(Memory::new(memory, freed.clone())),
            files: Arc::new(Files::new(spill, freed.clone())),
            next_file: AtomicU64::new(0),
            turn: tokio::sync::Mutex::new(()),
            freed,
        }
    }

    /// Room for an upload of `length` bytes; waits while there is none. Dropping the future or the stage gives all back.
    ///
    /// Waits for ever if `length` is above both budgets: the service refuses such tasks at the start.
    // spec: [service.stage.budget] [service.stage.wait]
    pub(crate) async fn stage(&self, length: u64) -> Result<Stage, StageError> {
        let turn = self.turn.lock().await;
        let room = loop {
            if let Some(room) = self.reserve(length) {
                break room;
            }
            // a permit is kept for the one who waits, so that nothing freed in between is missed
            self.freed.notified().await;
        };
        drop(turn);
        Ok(Stage(match room {
            // as long as the round says, never the sender
            Room::Memory(room) => Held::Memory(room.with_pages().map_err(StageError::Io)?),
            Room::File(room) => {
                let number = self.next_file.fetch_add(1, Ordering::Relaxed);
                let path = self.folder.join(number.to_string());
                Held::File(room.with_file(path).await?)
            }
        }))
    }

    /// A task's uploads have all come: gives the memory that they have left back to the system. Blocks.
    // spec: [service.stage.spare]
    pub(crate) fn empty(&self) {
        self.memory.empty();
    }

    fn reserve(&self, length: u64) -> Option<Room> {
        let memory = self.memory.take(length).map(Room::Memory);
        memory.or_else(|| self.files.take(length).map(Room::File))
    }

    /// Bytes reserved in memory and in files.
    #[cfg(test)]
    pub(crate) fn used(&self) -> (u64, u64) {
        (self.memory.used(), self.files.used())
    }
}

/// Gives memory that uploads have left back to the system once none has come for a while, as long as there is the staging.
// spec: [service.stage.spare]
pub(crate) async fn tidy(staging: Weak<Staging>) {
    loop {
        sleep(QUIET).await;
        let Some(staging) = staging.upgrade() else {
            return;
        };
        staging.memory.rest();
    }
}

/// How long no upload has to come, at least, until what earlier ones left is given back. At most twice that.
const QUIET: Duration = Duration::from_secs(5);

enum Room {
    Memory(memory::Room),
    File(file::Room),
}

/// An upload whose bytes are coming.
#[derive(Debug)]
pub(crate) struct Stage(Held);

enum Held {
    Memory(Pages),
    File(file::Writing),
}

// spec: [service.secrets]
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(pages) => write!(f, "Memory({pages:?})"),
            Self::File(file) => write!(f, "File({:?})", file.path()),
        }
    }
}

impl Stage {
    /// Takes the next bytes out of their pieces. The caller holds the sender to the agreed length.
    ///
    /// Pieces are copied, not kept: each may keep much more memory alive than it has bytes, which no budget would see.
    // spec: [service.stage.budget]
    pub(crate) async fn push(&mut self, pieces: &mut [Bytes]) -> Result<(), StageError> {
        match &mut self.0 {
            Held::Memory(pages) => {
                for piece in pieces.iter_mut().map(mem::take) {
                    pages.push(&piece);
                }
                Ok(())
            }
            Held::File(file) => {
                let mut bytes = Vec::with_capacity(pieces.iter().map(Bytes::len).sum());
                for piece in pieces.iter_mut().map(mem::take) {
                    bytes.extend_from_slice(&piece);
                }
                file.push(bytes).await
            }
        }
    }

    /// The upload once all its bytes are here.
    // spec: [service.stage.whole]
    pub(crate) fn whole(self) -> Staged {
        Staged(match self.0 {
            Held::Memory(pages) => Whole::Memory(pages),
            Held::File(file) => Whole::File(file.into_written()),
        })
    }
}

/// A whole upload that waits to be added up.
#[derive(Debug)]
pub(crate) struct Staged(Whole);

enum Whole {
    Memory(Pages),
    File(file::Written),
}

// spec: [service.secrets]
impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(pages) => write!(f, "Memory({pages:?})"),
            Self::File(file) => write!(f, "File({:?})", file.path()),
        }
    }
}

impl Staged {
    /// Shows the masked update of `limbs` limbs to `job`, then gives its room back. Blocks.
    pub(crate) fn into_update<T>(
        self,
        limbs: usize,
        job: impl FnOnce(MaskedLimbs<'_>) -> T,
    ) -> Result<T, StageError> {
        let shown =
            |found: &[u64]| (found.len() == limbs).then(|| job(MaskedLimbs::from_wire(found)));
        let done = match self.0 {
            Whole::Memory(pages) => pages.into_limbs(shown),
            Whole::File(file) => file.into_limbs(shown)?,
        };
        done.flatten()
            .ok_or_else(|| StageError::Io(io::ErrorKind::UnexpectedEof.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::time::timeout;
    use zerocopy::IntoBytes as _;

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
        for upload in [first, second] {
            let same = |update: MaskedLimbs<'_>| update.limbs().as_bytes() == whole;
            assert!(upload.into_update(10_000, same).unwrap());
        }
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
        assert!(held.contains("Memory(8 of 8 bytes)") && whole.contains("Memory(8 of 8 bytes)"));
    }

    // spec: [service.stage.whole]
    #[tokio::test]
    async fn another_number_of_bytes_is_no_update_in_memory_and_in_files() {
        let folder = tempfile::tempdir().unwrap();
        for (memory, spill) in [(80, 0), (0, 80)] {
            let staging = Staging::open(folder.path().join("staging"), memory, spill).unwrap();
            for (room, limbs, came) in
                [(72, 9, 9), (72, 10, 9), (72, 8, 9), (72, 9, 8), (72, 9, 10)]
            {
                let mut stage = staging.stage(room).await.unwrap();
                stage.push(&mut [Bytes::from(bytes(came))]).await.unwrap();
                let shown = stage.whole().into_update(limbs, |_| ()).is_ok();
                assert_eq!(
                    shown,
                    (limbs, came) == (9, 9),
                    "{limbs} of {came} in {memory}"
                );
            }
        }
    }

    // spec: [service.stage.budget] [service.stage.spare]
    #[tokio::test]
    async fn what_an_upload_left_is_used_again_and_counts_in_the_budget() {
        let staging = Arc::new(Staging::new(PathBuf::new(), 100, 0));
        let spare = || staging.memory.spare();
        let first = staged(&staging, &bytes(5)).await;
        let second = staged(&staging, &bytes(5)).await;
        drop((first, second));
        assert_eq!((staging.used(), spare()), ((0, 0), 80));
        let third = staged(&staging, &[201; 40]).await;
        assert_eq!((staging.used(), spare()), ((40, 0), 40));
        let shown = third.into_update(5, |update| update.limbs().as_bytes() == [201; 40]);
        assert!(shown.unwrap(), "bytes of an earlier upload");
        let other = staging.stage(88).await.unwrap();
        assert_eq!((staging.used(), spare()), ((88, 0), 0));
        drop(other);
        assert_eq!(spare(), 88);
    }

    // spec: [service.stage.spare]
    #[tokio::test]
    async fn what_uploads_left_is_given_up_when_none_has_come_since_it_was_asked_last() {
        let staging = Arc::new(Staging::new(PathBuf::new(), 100, 0));
        drop(staged(&staging, &bytes(5)).await);
        staging.memory.rest();
        assert_eq!(staging.memory.spare(), 40, "one has come");
        staging.memory.rest();
        assert_eq!(staging.memory.spare(), 0);
    }

    // spec: [service.stage.spare]
    #[tokio::test]
    async fn what_uploads_left_is_given_up_when_all_have_come_but_not_what_one_is_in() {
        let staging = Arc::new(Staging::new(PathBuf::new(), 100, 0));
        let here = staged(&staging, &bytes(5)).await;
        drop(staged(&staging, &bytes(5)).await);
        staging.empty();
        assert_eq!((staging.used(), staging.memory.spare()), ((40, 0), 0));
        assert!(here.into_update(5, |_| ()).is_ok());
    }

    // spec: [service.stage.whole]
    #[tokio::test]
    async fn an_upload_that_is_shorter_than_its_room_shows_nothing_of_an_earlier_one() {
        let staging = Arc::new(Staging::new(PathBuf::new(), 80, 0));
        drop(staged(&staging, &bytes(10)).await);
        let mut stage = staging.stage(80).await.unwrap();
        let piece = Bytes::from_static(&[1; 72]);
        stage.push(&mut [piece]).await.unwrap();
        assert!(stage.whole().into_update(9, |_| ()).is_err());
    }

    proptest! {
        // spec: [wire.vector]
        #[test]
        fn limbs_are_the_same_in_any_pieces(
            bytes in prop::collection::vec(any::<u8>(), 25).prop_map(|limbs| limbs.repeat(8)),
            cuts in prop::collection::vec(0_usize..24, 0..60),
        ) {
            let memory = Arc::new(Memory::new(1000, Arc::default()));
            let room = memory.take(bytes.len() as u64).unwrap();
            let mut pages = room.with_pages().unwrap();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (piece, others) = rest.split_at(cut.min(rest.len()));
                pages.push(piece);
                rest = others;
            }
            pages.push(rest);
            let wanted = bytes.as_chunks::<8>().0.iter().map(|limb| u64::from_le_bytes(*limb));
            let wanted = wanted.collect::<Vec<_>>();
            prop_assert!(pages.into_limbs(|limbs| limbs == wanted).unwrap());
        }
    }
}

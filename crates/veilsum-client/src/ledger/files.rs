//! Where a ledger's files are, and how they are made and opened.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use veilsum_proto::identity::PublicKey;
use veilsum_proto::ids::Hash;
use veilsum_proto::ledger::LedgerState;

use super::chain::{self, Header, Line};
use super::mark::{Mark, private, sync_folder, with_suffix};
use super::{FileLedger, FileLedgerError};

/// Places of a ledger and of its marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFiles {
    path: PathBuf,
    marks: Vec<PathBuf>,
}

impl LedgerFiles {
    /// A ledger at `path` with its mark beside it, at `path` with `.mark` appended.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_path_buf();
        let marks = vec![with_suffix(&path, ".mark")];
        Self { path, marks }
    }

    /// The same with the mark in a second place too, which a restored copy of the ledger's folder does not bring back.
    pub fn second_mark(mut self, place: impl AsRef<Path>) -> Self {
        self.marks.push(place.as_ref().to_path_buf());
        self
    }

    /// See [`FileLedger::create`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn create(&self, member: &PublicKey) -> Result<FileLedger, FileLedgerError> {
        let taken = self.marks.iter().find(|place| place.exists());
        if let Some(path) = taken {
            return Err(FileLedgerError::Exists { path: path.clone() });
        }
        let (id, opening) = (drawn()?, drawn()?);
        let header = Header {
            veilsum_ledger: Header::VERSION,
            id,
            member: *member,
        };
        let bytes = header.encode();
        let mut file = self.make()?;
        let io = |source| FileLedgerError::io("write", &self.path, source);
        file.write_all(&bytes).map_err(io)?;
        file.sync_all().map_err(io)?;
        sync_folder(&self.path)?;
        let mark = Mark {
            ledger: header.id,
            entries: 0,
            head: chain::digest(&bytes),
        };
        self.write_marks(&mark)?;
        Ok(self.ledger(file, *member, mark, opening))
    }

    /// See [`FileLedger::open`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open(&self) -> Result<FileLedger, FileLedgerError> {
        let mut file = self.lock()?;
        let opening = drawn()?;
        let mut bytes = Vec::new();
        let io = |source| FileLedgerError::io("read", &self.path, source);
        file.read_to_end(&mut bytes).map_err(io)?;
        let found = self.marks()?;
        let acknowledged = found.iter().map(|(_, mark)| mark.entries).max();
        let story = Story::read(&self.path, &bytes, acknowledged.unwrap_or_default())?;
        for (place, mark) in &found {
            self.check(&story, place, mark)?;
        }
        let io = |source| FileLedgerError::io("truncate", &self.path, source);
        // spec: [ledger.torn]
        if story.good < bytes.len() {
            file.set_len(u64::try_from(story.good).unwrap_or(u64::MAX))
                .map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        let mark = story.mark();
        self.write_marks(&mark)?;
        let mut ledger = self.ledger(file, story.member, mark, opening);
        story.lines.iter().for_each(|(line, _)| ledger.apply(line));
        Ok(ledger)
    }

    /// Whose it is and what it holds, read beside whoever holds it. The marks come first: the ledger only grows.
    pub(super) fn look(&self) -> Result<(PublicKey, Vec<Line>), FileLedgerError> {
        let found = self.marks()?;
        let io = |source| FileLedgerError::io("read", &self.path, source);
        let bytes = std::fs::read(&self.path).map_err(io)?;
        let acknowledged = found.iter().map(|(_, mark)| mark.entries).max();
        let story = Story::read(&self.path, &bytes, acknowledged.unwrap_or_default())?;
        for (place, mark) in &found {
            self.check(&story, place, mark)?;
        }
        let lines = story.lines.into_iter().map(|(line, _)| line);
        Ok((story.member, lines.collect()))
    }

    fn make(&self) -> Result<File, FileLedgerError> {
        let mut options = OpenOptions::new();
        private(&mut options);
        let made = options
            .read(true)
            .append(true)
            .create_new(true)
            .open(&self.path);
        let file = made.map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => FileLedgerError::Exists {
                path: self.path.clone(),
            },
            _ => FileLedgerError::io("make", &self.path, source),
        })?;
        self.hold(&file)?;
        Ok(file)
    }

    // spec: [ledger.missing]
    fn lock(&self) -> Result<File, FileLedgerError> {
        let opened = OpenOptions::new().read(true).append(true).open(&self.path);
        let file = match opened {
            Ok(file) => file,
            Err(source) if source.kind() == ErrorKind::NotFound => return Err(self.missing()?),
            Err(source) => return Err(FileLedgerError::io("open", &self.path, source)),
        };
        self.hold(&file)?;
        Ok(file)
    }

    // spec: [ledger.lock]
    fn hold(&self, file: &File) -> Result<(), FileLedgerError> {
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => FileLedgerError::Locked {
                path: self.path.clone(),
            },
            TryLockError::Error(source) => FileLedgerError::io("lock", &self.path, source),
        })
    }

    fn missing(&self) -> Result<FileLedgerError, FileLedgerError> {
        let path = self.path.clone();
        for place in &self.marks {
            if let Some(mark) = Mark::read(place)? {
                return Ok(FileLedgerError::Lost {
                    path,
                    mark: place.clone(),
                    entries: mark.entries,
                });
            }
        }
        Ok(FileLedgerError::NotCreated { path })
    }

    fn marks(&self) -> Result<Vec<(&Path, Mark)>, FileLedgerError> {
        let read = |place: &PathBuf| Mark::read(place);
        let found = self.marks.iter().map(|place| {
            let missing = FileLedgerError::MarkMissing {
                path: place.clone(),
            };
            Ok((place.as_path(), read(place)?.ok_or(missing)?))
        });
        found.collect()
    }

    // spec: [ledger.rollback]
    fn check(&self, story: &Story, place: &Path, mark: &Mark) -> Result<(), FileLedgerError> {
        let (path, mark_path) = (self.path.clone(), place.to_path_buf());
        let found = story.entries();
        if mark.ledger != story.id {
            return Err(FileLedgerError::Forked {
                path,
                mark: mark_path,
            });
        }
        match story.head_at(mark.entries) {
            Some(head) if head == mark.head => Ok(()),
            Some(_) => Err(FileLedgerError::Forked {
                path,
                mark: mark_path,
            }),
            None => Err(FileLedgerError::RolledBack {
                path,
                mark: mark_path,
                found,
                wanted: mark.entries,
            }),
        }
    }

    fn write_marks(&self, mark: &Mark) -> Result<(), FileLedgerError> {
        self.marks.iter().try_for_each(|place| mark.write(place))
    }

    fn ledger(&self, file: File, member: PublicKey, mark: Mark, opening: Hash) -> FileLedger {
        FileLedger {
            path: self.path.clone(),
            member,
            file,
            marks: self.marks.clone(),
            mark,
            opening,
            state: LedgerState::default(),
            joined: Default::default(),
            last_at: 0,
            broken: None,
        }
    }
}

/// Like no other, at any time and anywhere.
fn drawn() -> Result<Hash, FileLedgerError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| FileLedgerError::Randomness(error.to_string()))?;
    Ok(Hash(bytes))
}

/// What the file holds: a header, lines that follow from each other, and perhaps a torn end.
struct Story {
    id: Hash,
    member: PublicKey,
    start: Hash,
    lines: Vec<(Line, Hash)>,
    /// Bytes up to the end of the last good line.
    good: usize,
}

impl Story {
    /// Reads all lines. What is wrong with the last one is a torn write if it is beyond `acknowledged`, and damage else.
    fn read(path: &Path, bytes: &[u8], acknowledged: u64) -> Result<Self, FileLedgerError> {
        let damaged = |line, problem| FileLedgerError::Damaged {
            path: path.into(),
            line,
            problem,
        };
        let mut pieces = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
        let first = pieces.next().unwrap_or_default();
        let header: Header =
            serde_json::from_slice(first).map_err(|_| damaged(1, "is not a ledger's header"))?;
        if header.veilsum_ledger != Header::VERSION || !first.ends_with(b"\n") {
            return Err(damaged(1, "is not the header of a ledger of version 1"));
        }
        let start = chain::digest(first);
        let mut story = Self {
            id: header.id,
            member: header.member,
            start,
            lines: Vec::new(),
            good: first.len(),
        };
        while let Some(piece) = pieces.next() {
            let seq = story.entries().saturating_add(1);
            let line = match piece.ends_with(b"\n") {
                true => Line::decode(piece, seq, &story.head()),
                false => Err("has no end"),
            };
            match line {
                Ok(line) => {
                    story.lines.push((line, chain::digest(piece)));
                    story.good = story.good.saturating_add(piece.len());
                }
                Err(_) if pieces.peek().is_none() && seq > acknowledged => break,
                Err(problem) => return Err(damaged(seq.saturating_add(1), problem)),
            }
        }
        Ok(story)
    }

    fn entries(&self) -> u64 {
        u64::try_from(self.lines.len()).unwrap_or(u64::MAX)
    }

    fn head(&self) -> Hash {
        self.lines.last().map_or(self.start, |(_, head)| *head)
    }

    /// Digest of the line of entry `entries`, of the header for 0.
    fn head_at(&self, entries: u64) -> Option<Hash> {
        let Some(index) = entries.checked_sub(1) else {
            return Some(self.start);
        };
        let (_, head) = self.lines.get(usize::try_from(index).ok()?)?;
        Some(*head)
    }

    fn mark(&self) -> Mark {
        Mark {
            ledger: self.id,
            entries: self.entries(),
            head: self.head(),
        }
    }
}

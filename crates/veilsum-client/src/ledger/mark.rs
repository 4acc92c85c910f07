//! The high-water mark: how far the ledger had come when the member last acted on it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use veilsum_proto::ids::Hash;

use super::FileLedgerError;

/// How many entries were acknowledged, and where they end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// Which ledger.
    pub(super) ledger: Hash,
    /// Entries acknowledged.
    pub(super) entries: u64,
    /// SHA-256 of the last line, its end included.
    pub(super) head: Hash,
}

impl Mark {
    /// The mark at `path`; `None` when there is no file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, FileLedgerError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(FileLedgerError::io("read", path, source)),
        };
        let damaged = |_| FileLedgerError::MarkDamaged { path: path.into() };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    /// Replaces the mark as a whole: whoever reads sees the old one or the new one, and after this returns only the new one.
    pub(super) fn write(&self, path: &Path) -> Result<(), FileLedgerError> {
        let fresh = with_suffix(path, ".new");
        let io = |source| FileLedgerError::io("write", path, source);
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        let mut options = OpenOptions::new();
        private(&mut options);
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .open(&fresh)
            .map_err(io)?;
        file.write_all(&bytes).map_err(io)?;
        file.sync_all().map_err(io)?;
        drop(file);
        fs::rename(&fresh, path).map_err(io)?;
        sync_folder(path)
    }
}

/// `path` with `suffix` behind its last part.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes the name of a file durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), FileLedgerError> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new("."));
    let io = |source| FileLedgerError::io("sync", folder, source);
    #[cfg(unix)]
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io)?;
    #[cfg(not(unix))]
    let _ = (io, File::open(folder));
    Ok(())
}

/// Files of the ledger are nobody else's business.
pub(super) fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

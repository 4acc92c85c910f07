//! One way to write a small file so that it is there whole, or not at all, whenever the power goes.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Replaces the file at `path` by `bytes`: temporary file, fsync, rename, fsync of the folder. Blocks.
// spec: [service.durable]
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, |temporary| File::create(temporary))
}

/// As [`write`], but nobody beside the file's owner can read it, at no time.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, create_private)
}

fn replace(
    path: &Path,
    bytes: &[u8],
    create: impl FnOnce(&Path) -> io::Result<File>,
) -> io::Result<()> {
    let temporary = temporary(path)?;
    let written = create(&temporary)
        .and_then(|file| fill(file, bytes))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // it may not even be there; the first error is the one to tell
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_folder(path)
}

/// Removes the file at `path` for good; one that is not there is no error. Blocks.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let mut options = fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE)
        .open(path)?;
    // one that an earlier process left may have another mode
    file.set_permissions(fs::Permissions::from_mode(PRIVATE))?;
    Ok(file)
}

/// The folder's access list decides elsewhere.
#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<File> {
    File::create(path)
}

/// Its owner reads and writes, nobody else does either.
#[cfg(unix)]
const PRIVATE: u32 = 0o600;

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

fn temporary(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".tmp");
    Ok(path.with_file_name(hidden))
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Folders cannot be synchronised elsewhere; the rename is as durable as the system makes it.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: [service.durable]
    #[test]
    fn a_write_replaces_the_whole_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rounds.json");
        write(&path, b"a longer first text").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    // spec: [service.durable]
    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rounds.json");
        write(&path, b"old").unwrap();
        fs::create_dir(folder.path().join(".rounds.json.tmp")).unwrap();
        assert!(write(&path, b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn removing_what_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        remove(&folder.path().join("none")).unwrap();
    }
}

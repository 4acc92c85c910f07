//! Files that commands read and write: keys, rosters, tasks.
//!
//! Not for tensors ([`veilsum_learn::files`] has them). Errors name the file. Secret keys are written readable by their owner
//! only and are never quoted.

use crate::exit::{Failure, Kind};
use crate::output;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use veilsum_encode::PlanError;
use veilsum_proto::identity::{Identity, KeyError, KeyFileError, PublicKey};
use veilsum_proto::roster::{Roster, RosterDraft, RosterError};
use veilsum_proto::task::{NoiseSpecError, Task, TaskError};
use zeroize::Zeroizing;

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its owner only.
    Owner,
    /// Whoever the umask lets.
    Everyone,
}

/// What happens to a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the write is refused.
    Keep,
    /// It is replaced at once, or not at all.
    Replace,
}

impl Existing {
    /// What `--force` asks for.
    pub fn forced(force: bool) -> Self {
        if force { Self::Replace } else { Self::Keep }
    }
}

/// The text of a file.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::io(path, &error))
}

/// Writes a file whole: under another name first, then synced and renamed.
///
/// What is there and is no file, a device or a pipe, is written to as it is: it is not for replacing.
pub fn write(
    path: &Path,
    bytes: &[u8],
    readers: Readers,
    existing: Existing,
) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let io = |error: &std::io::Error| Failure::io(path, error);
    let special = fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir());
    if special && existing == Existing::Replace {
        return fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut there| there.write_all(bytes))
            .map_err(|error| io(&error));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".veilsum-");
    if let Some(permissions) = permissions(readers) {
        builder.permissions(permissions);
    }
    let mut file = builder.tempfile_in(folder).map_err(|error| io(&error))?;
    file.write_all(bytes).map_err(|error| io(&error))?;
    file.as_file().sync_all().map_err(|error| io(&error))?;
    match existing {
        Existing::Replace => file.persist(path).map_err(|error| io(&error.error))?,
        Existing::Keep => {
            file.persist_noclobber(path)
                .map_err(|error| match error.error.kind() {
                    std::io::ErrorKind::AlreadyExists => exists(path),
                    _ => io(&error.error),
                })?
        }
    };
    Ok(())
}

/// Refuses a path that is taken, before any work is done for it.
pub fn refuse_existing(path: &Path, existing: Existing) -> Result<(), Failure> {
    match existing {
        Existing::Keep if path.exists() => Err(exists(path)),
        Existing::Keep | Existing::Replace => Ok(()),
    }
}

/// Makes a folder, unless it is there, and tries whether files can be written to it.
pub fn usable_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path)
        .and_then(|()| tempfile::tempfile_in(path))
        .map(drop)
        .map_err(|error| Failure::io(path, &error))
}

/// An empty folder that only its owner can enter, removed when dropped.
pub fn private_folder(prefix: &str) -> Result<TempDir, Failure> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(Permissions::from_mode(0o700));
    }
    builder
        .tempdir()
        .map_err(|error| Failure::io(&std::env::temp_dir(), &error))
}

/// A secret key from its file.
pub fn identity(path: &Path) -> Result<Identity, Failure> {
    let text = Zeroizing::new(read_text(path)?);
    let identity = Identity::from_file_text(&text).map_err(|error| key_file(&error, path))?;
    warn_of_readers(path);
    Ok(identity)
}

/// A public key: 64 hex digits, or the path of a file with a public or a secret key.
pub fn public_key(given: &str) -> Result<PublicKey, Failure> {
    match given.parse() {
        Ok(key) => Ok(key),
        Err(KeyError::NotHex { .. }) => public_key_in(Path::new(given)),
        Err(error) => Err(Failure::refused(error)),
    }
}

/// The public key in a file: 64 hex digits, or a secret key file.
pub fn public_key_in(path: &Path) -> Result<PublicKey, Failure> {
    let text = fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| {
            Failure::io(path, &error).hint("a key is 64 hex digits, or the path of a key file")
        })?;
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(key), None) => key
            .parse()
            .map_err(|error: KeyError| Failure::refused(error).in_file(path)),
        _ => Identity::from_file_text(&text)
            .map(|identity| identity.public())
            .map_err(|error| key_file(&error, path)),
    }
}

/// A public key as a file.
pub fn public_key_text(key: &PublicKey) -> String {
    format!(
        "# Public key of a Veilsum identity. Not a secret: hand it to the authority of the federation.\n{key}\n"
    )
}

/// Where the public key belonging to a secret key file is written.
pub fn public_path(secret: &Path) -> PathBuf {
    secret.with_extension("pub")
}

/// A roster file as a draft, signed or not.
pub fn draft(path: &Path) -> Result<RosterDraft, Failure> {
    RosterDraft::from_toml(&read_text(path)?).map_err(|error| roster(&error).in_file(path))
}

/// A roster that the given authority signed.
pub fn signed_roster(path: &Path, authority: &PublicKey) -> Result<Roster, Failure> {
    Roster::from_toml(&read_text(path)?, authority).map_err(|error| roster(&error).in_file(path))
}

/// A task file.
pub fn task_file(path: &Path) -> Result<Task, Failure> {
    Task::from_toml(&read_text(path)?).map_err(|error| task(&error).in_file(path))
}

/// The failure that a roster error is.
pub fn roster(error: &RosterError) -> Failure {
    let hint = match error {
        RosterError::Toml(_) | RosterError::Version { .. } => {
            return Failure::usage(error).hint("`veilsum roster init` writes a roster file");
        }
        RosterError::Unsigned { .. } => "sign it: veilsum roster sign FILE --key authority.key",
        RosterError::Signature { .. } => {
            "have the authority sign it again: veilsum roster sign FILE --key authority.key"
        }
        RosterError::UnacceptedAuthority { .. } => {
            "trust another authority only if it told you its key itself"
        }
        RosterError::NotTheAuthority { .. } => {
            "sign with the key that `roster init --authority` named"
        }
        RosterError::AuthorityIsCoordinator { .. }
        | RosterError::AuthorityIsMember { .. }
        | RosterError::CoordinatorIsMember { .. } => {
            "make a key of its own for each: veilsum keygen"
        }
        RosterError::Empty => "add members: veilsum roster add FILE --name NAME --key KEY",
        RosterError::DuplicateName { .. } | RosterError::DuplicateKey { .. } => {
            "names and keys are unique on a roster; `veilsum roster show` lists them"
        }
        RosterError::NoSuchMember { .. } => "`veilsum roster show` lists the members",
        RosterError::DuplicateTask { .. } | RosterError::NoSuchTask { .. } => {
            "`veilsum roster show` lists the tasks"
        }
        RosterError::TooManyTasks => {
            "take off what is no longer run: veilsum roster disallow FILE --task TASK"
        }
        RosterError::NoTasks | RosterError::TaskOrder { .. } => {
            "`veilsum roster allow` and `disallow` write the list"
        }
        RosterError::TooMany
        | RosterError::SlotOrder { .. }
        | RosterError::LastRound { .. }
        | RosterError::Encode(_) => return Failure::refused(error),
    };
    Failure::refused(error).hint(hint)
}

/// The failure that a task error is.
pub fn task(error: &TaskError) -> Failure {
    match error {
        TaskError::Toml(_)
        | TaskError::EncodingLacks { .. }
        | TaskError::EncodingHas { .. }
        | TaskError::Version { .. } => Failure::usage(error)
            .hint("`veilsum task new` writes a task file with every key explained"),
        // numbers that no task can have, whatever the federation
        TaskError::Attempts { .. }
        | TaskError::Rate { .. }
        | TaskError::Plan(
            PlanError::Precision { .. }
            | PlanError::Clip { .. }
            | PlanError::Range { .. }
            | PlanError::Deviations { .. }
            | PlanError::NoWeight
            | PlanError::EmptyRange { .. },
        )
        | TaskError::Noise(NoiseSpecError::Delta { .. }) => Failure::usage(error),
        TaskError::Parameters(_) => Failure::refused(error)
            .hint("`veilsum plan --members N` shows what N members can withstand"),
        _ => Failure::refused(error),
    }
}

fn key_file(error: &KeyFileError, path: &Path) -> Failure {
    Failure::usage(error)
        .in_file(path)
        .hint("`veilsum keygen --out NAME.key` writes a secret key file and NAME.pub beside it")
}

fn exists(path: &Path) -> Failure {
    Failure::new(Kind::Io, format_args!("{} exists already", path.display()))
        .hint("choose another name, or replace it with --force")
}

#[cfg(unix)]
fn permissions(readers: Readers) -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(Permissions::from_mode(match readers {
        Readers::Owner => 0o600,
        // narrowed by the umask
        Readers::Everyone => 0o666,
    }))
}

#[cfg(not(unix))]
fn permissions(_: Readers) -> Option<Permissions> {
    None
}

#[cfg(unix)]
fn warn_of_readers(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        output::warn(&format_args!(
            "{} holds a secret key and has mode {mode:03o}; run: chmod 600 {}",
            path.display(),
            path.display()
        ));
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_: &Path) {}

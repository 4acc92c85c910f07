//! How a command ends: exit codes, and the two lines that an error is told in.
//!
//! The codes are stable and listed in `docs/cli.md`.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// What a command gives back.
pub type Outcome = Result<(), Failure>;

/// Why a command did not do what it was asked for; each kind has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The operation itself failed.
    Failed = 1,
    /// The command line, or a file that it names, cannot be understood.
    Usage = 2,
    /// Understood and refused: by policy, ledger, roster, signature, task or parameters.
    Refused = 3,
    /// A round ended without a sum.
    Aborted = 4,
    /// A file cannot be read or written.
    Io = 5,
    /// The coordinator cannot be reached, or the connection is gone for good.
    Network = 6,
    /// The user stopped it.
    Interrupted = 130,
}

impl Kind {
    /// The code as the shell sees it.
    pub fn code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// A failure in words for people: what is wrong, and what to do about it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its kind.
    pub kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure of any kind.
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: short_numbers(&message.to_string()),
            hint: None,
        }
    }

    /// The operation failed.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// Command line or file cannot be understood.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Understood and refused.
    pub fn refused(message: impl fmt::Display) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// A file that cannot be read or written.
    pub fn io(path: &Path, error: &io::Error) -> Self {
        let failure = Self::new(Kind::Io, format_args!("{}: {error}", path.display()));
        match error.kind() {
            io::ErrorKind::NotFound => {
                failure.hint("check the path; it is relative to this folder")
            }
            io::ErrorKind::PermissionDenied => {
                failure.hint("check owner and permissions of the file and its folder")
            }
            io::ErrorKind::StorageFull => failure.hint("make room on the disk and try again"),
            _ => failure,
        }
    }

    /// What is wrong, without the hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Says what to do about it.
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Says in which file it was found.
    pub fn in_file(mut self, path: &Path) -> Self {
        self.message = format!("{}: {}", path.display(), self.message);
        self
    }
}

/// One line `error: ...`, and a line `hint: ...` if there is one.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The text with numbers of hundreds of digits, as floats print themselves, in exponents.
fn short_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|sign: char| sign.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|sign: char| !sign.is_ascii_digit() && sign != '.');
        let (number, after) = from.split_at(end.unwrap_or(from.len()));
        out.push_str(before);
        // digests have 64 digits
        match number.parse::<f64>() {
            Ok(value) if number.len() > 64 => out.push_str(&format!("{value:e}")),
            _ => out.push_str(number),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_is_told_as_error_and_hint() {
        let failure = Failure::refused("found 2 members, wanted 3").hint("add one");
        assert_eq!(
            failure.to_string(),
            "error: found 2 members, wanted 3\nhint: add one"
        );
        let named = Failure::failed("no").in_file(Path::new("roster.toml"));
        assert_eq!(named.to_string(), "error: roster.toml: no");
    }

    #[test]
    fn numbers_of_hundreds_of_digits_are_told_in_exponents() {
        let told = Failure::usage(format_args!("found {} and {}, 12.5", -1e300, 2e-200));
        assert_eq!(told.message(), "found -1e300 and 2e-200, 12.5");
        let digest = "7".repeat(64);
        assert_eq!(short_numbers(&digest), digest);
        assert_eq!(short_numbers("a.b 3 1.2.3 ä"), "a.b 3 1.2.3 ä");
    }

    #[test]
    fn codes_are_those_of_the_documentation() {
        let codes = include_str!("../../../docs/cli.md");
        for (kind, word) in [
            (Kind::Failed, "failed"),
            (Kind::Usage, "usage"),
            (Kind::Refused, "refused"),
            (Kind::Aborted, "aborted"),
            (Kind::Io, "file"),
            (Kind::Network, "network"),
            (Kind::Interrupted, "interrupted"),
        ] {
            let row = format!("| {} | {word} |", kind as u8);
            assert!(codes.contains(&row), "docs/cli.md lacks {row:?}");
        }
    }
}

//! Where results go: standard output, as text for people or as one line of JSON.
//!
//! Not for errors and warnings, which go to standard error whatever was asked for. A reader that went away (`| head`) is no
//! error: what it does not want is not written. Anything else that keeps a result from being written is remembered, and
//! [`outcome`] tells it when the command ends.

use crate::exit::{Failure, Kind, Outcome};
use serde::Serialize;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON value a line.
    Json,
}

impl Output {
    /// JSON if it was asked for.
    pub fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Whether it is JSON.
    pub fn is_json(self) -> bool {
        self == Self::Json
    }

    /// Writes a result: its text, or its JSON on one line.
    pub fn show<T: Serialize + fmt::Display>(self, result: &T) {
        match self {
            Self::Text => print(result),
            Self::Json => print_json(result),
        }
    }
}

/// Writes a text as it is, with a line end.
pub fn print(text: &impl fmt::Display) {
    write_line(&text.to_string());
}

/// Writes a value as one line of JSON.
pub fn print_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(line) => write_line(&line),
        Err(error) => {
            let text = format!("a result has no JSON form: {error}");
            UNWRITTEN.get_or_init(|| Failure::failed(text));
        }
    }
}

/// Tells something that is not an error but should be known.
pub fn warn(text: &impl fmt::Display) {
    tell(&format_args!("warning: {text}"));
}

/// Tells something beside the result, on standard error.
pub fn tell(text: &impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether somebody watches standard error, so that a progress bar makes sense.
pub fn watched() -> bool {
    io::stderr().is_terminal()
}

/// Whether all results could be written.
pub fn outcome() -> Outcome {
    match UNWRITTEN.get() {
        Some(failure) => Err(failure.clone()),
        None => Ok(()),
    }
}

/// The failure that standard output's error is.
pub fn unwritten(error: &io::Error) -> Failure {
    let failure = Failure::new(Kind::Io, format_args!("standard output: {error}"));
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge => {
            failure.hint("the result is not printed; make room where standard output goes to")
        }
        _ => failure.hint("the result is not printed"),
    }
}

/// An epsilon with four digits, none of which promises more than the number.
pub fn rounded_up(epsilon: f64) -> String {
    format!("{:.4}", (epsilon * 1e4).ceil() / 1e4)
}

/// Paths in JSON: what is not UTF-8 in them becomes U+FFFD, so that no result is lost by a file's name.
pub mod lossy {
    use serde::{Serialize as _, Serializer};
    use std::path::{Path, PathBuf};

    /// Of a path that is there.
    pub fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&path.to_string_lossy())
    }

    /// Of one that may be missing.
    pub fn maybe<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        let text = path.as_deref().map(Path::to_string_lossy);
        text.serialize(serializer)
    }
}

fn write_line(line: &str) {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        // a reader that closed its end has seen what it wanted
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            UNWRITTEN.get_or_init(|| unwritten(&error));
        }
        _ => {}
    }
}

/// The first error of standard output.
static UNWRITTEN: OnceLock<Failure> = OnceLock::new();

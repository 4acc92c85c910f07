//! Configuration files: TOML in which every key is known, with paths that are relative to the file.
//!
//! Not a site's policy, which is a file of its own and read by [`veilsum_client::Policy`].

pub mod coordinator;
pub mod limits;
pub mod member;
pub mod units;

use crate::exit::Failure;
use crate::files;
use figment::Figment;
use figment::providers::{Format as _, Toml};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Reads a configuration file whose every key must be known.
///
/// A file that is not there, cannot be read, or says something that is not understood is a failure that names the key.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    // figment takes a missing file for an empty one
    let text = files::read_text(path)?;
    Figment::from(Toml::string(&text))
        .extract()
        .map_err(|error| {
            let told: Vec<String> = error.into_iter().map(|error| one_line(&error)).collect();
            Failure::usage(told.join("; "))
                .in_file(path)
                .hint("--print-example prints a file with every key explained")
        })
}

/// A path of a configuration file, relative to the folder of that file.
pub fn resolve(file: &Path, path: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

fn one_line(error: &figment::Error) -> String {
    let path = match error.path.is_empty() {
        true => String::new(),
        false => format!("`{}`: ", error.path.join(".")),
    };
    let kind = error.kind.to_string();
    format!(
        "{path}{}",
        kind.split_whitespace().collect::<Vec<_>>().join(" ")
    )
}

#[cfg(test)]
mod tests;

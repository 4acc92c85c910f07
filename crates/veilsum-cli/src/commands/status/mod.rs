//! `veilsum status`: how a coordinator or a member stands, from what it keeps on disk.

mod member;

use crate::args::status::Status;
use crate::exit::{Failure, Kind, Outcome};
use crate::files;
use crate::output::Output;
use crate::status::{CoordinatorStatus, FILE};
use member::{Costs, MemberStatus};
use serde::Serialize;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn run(args: &Status, output: Output) -> Outcome {
    let coordinator = args.dir.join(FILE);
    let ledgers = ledgers(&args.dir)?;
    if !coordinator.exists() && ledgers.is_empty() {
        return Err(Failure::new(
            Kind::Io,
            format_args!("{}: found neither {FILE} nor a ledger", args.dir.display()),
        )
        .hint("name the folder that `state` names in the coordinator's configuration, or the one of a member's ledger, with --dir"));
    }
    if coordinator.exists() {
        output.show(&Shown::of(read(&coordinator)?));
    }
    let costs = Costs::read(args)?;
    for ledger in ledgers {
        output.show(&MemberStatus::read(&ledger, &costs)?);
    }
    Ok(())
}

/// A coordinator's status with what follows from when it is looked at.
#[derive(Serialize)]
struct Shown {
    kind: &'static str,
    stale: bool,
    age_s: u64,
    #[serde(flatten)]
    status: CoordinatorStatus,
}

impl Shown {
    fn of(status: CoordinatorStatus) -> Self {
        Self {
            kind: "coordinator",
            stale: status.is_stale(),
            age_s: status.age(),
            status,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)
    }
}

fn read(path: &Path) -> Result<CoordinatorStatus, Failure> {
    let text = files::read_text(path)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format_args!("not a status: {error}"))
            .in_file(path)
            .hint("a coordinator that runs writes it anew within seconds")
    })
}

/// Files of the folder that begin like a ledger, by name.
fn ledgers(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let io = |error| Failure::io(folder, &error);
    let mut found = Vec::new();
    for file in fs::read_dir(folder).map_err(io)? {
        let path = file.map_err(io)?.path();
        if path.is_file() && is_ledger(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_ledger(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let mut first = Vec::new();
    let mut start = BufReader::new(file).take(HEADER_MOST);
    start.read_until(b'\n', &mut first).is_ok() && first.starts_with(b"{\"veilsum_ledger\":")
}

/// Bytes of a file that are looked at for the header of a ledger.
const HEADER_MOST: u64 = 1024;

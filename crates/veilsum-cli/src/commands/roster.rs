//! `veilsum roster`: who takes part.

use crate::args::roster::{Add, Allow, Command, Disallow, Init, Remove, Show, Sign};
use crate::exit::{Failure, Outcome};
use crate::files::{self, Existing, Readers};
use crate::output::Output;
use crate::random;
use crate::table::{Side, Table};
use serde::Serialize;
use std::fmt;
use std::path::Path;
use veilsum_proto::identity::PublicKey;
use veilsum_proto::ids::{RosterDigest, Round, Slot, TaskDigest};
use veilsum_proto::roster::{Member, Name, Roster, RosterDraft, RosterError};

/// Runs the command.
pub fn run(command: &Command, output: Output) -> Outcome {
    match command {
        Command::Init(args) => init(args, output),
        Command::Add(args) => add(args, output),
        Command::Remove(args) => remove(args, output),
        Command::Allow(args) => allow(args, output),
        Command::Disallow(args) => disallow(args, output),
        Command::Sign(args) => sign(args, output),
        Command::Show(args) => show(args, output),
    }
}

fn init(args: &Init, output: Output) -> Outcome {
    let existing = Existing::forced(args.force);
    files::refuse_existing(&args.file, existing)?;
    let authority = files::public_key(&args.authority)?;
    let coordinator = files::public_key(&args.coordinator)?;
    let mut draft = RosterDraft::new(args.federation.clone(), authority, coordinator);
    draft
        .set_last_round(Round(args.last_round))
        .map_err(|error| files::roster(&error))?;
    if authority == coordinator {
        return Err(files::roster(&RosterError::AuthorityIsCoordinator {
            key: authority,
        }));
    }
    write(&args.file, &draft.to_toml(), existing)?;
    output.show(&Shown::draft(&draft));
    Ok(())
}

fn add(args: &Add, output: Output) -> Outcome {
    let key = files::public_key(&args.key)?;
    edit(&args.file, output, |draft| {
        let slot = draft.add(args.name.clone(), key)?;
        // the signature would be refused; it is told at once
        if key == draft.authority() {
            return Err(RosterError::AuthorityIsMember { slot });
        }
        if key == draft.coordinator() {
            return Err(RosterError::CoordinatorIsMember { slot });
        }
        Ok(())
    })
}

fn remove(args: &Remove, output: Output) -> Outcome {
    edit(&args.file, output, |draft| {
        draft.remove(args.name.as_str()).map(|_| ())
    })
}

fn allow(args: &Allow, output: Output) -> Outcome {
    let task = task_digest(&args.task)?;
    edit(&args.file, output, |draft| draft.allow_task(task))
}

fn disallow(args: &Disallow, output: Output) -> Outcome {
    let task = task_digest(&args.task)?;
    edit(&args.file, output, |draft| draft.disallow_task(&task))
}

/// A digest as it is, or that of a task file.
fn task_digest(text: &str) -> Result<TaskDigest, Failure> {
    match text.parse() {
        Ok(digest) => Ok(digest),
        Err(_) => Ok(files::task_file(Path::new(text))?.digest()),
    }
}

fn edit(
    file: &Path,
    output: Output,
    change: impl FnOnce(&mut RosterDraft) -> Result<(), RosterError>,
) -> Outcome {
    let mut draft = files::draft(file)?;
    change(&mut draft).map_err(|error| files::roster(&error).in_file(file))?;
    write(file, &draft.to_toml(), Existing::Replace)?;
    output.show(&Shown::draft(&draft));
    Ok(())
}

fn sign(args: &Sign, output: Output) -> Outcome {
    let draft = files::draft(&args.file)?;
    let authority = files::identity(&args.key)?;
    let roster = draft
        .sign(&authority, &mut random::rng()?)
        .map_err(|error| files::roster(&error).in_file(&args.file))?;
    write(&args.file, &roster.to_toml(), Existing::Replace)?;
    output.show(&Shown::signed(&roster, Trust::Given));
    Ok(())
}

fn show(args: &Show, output: Output) -> Outcome {
    let draft = files::draft(&args.file)?;
    let (authority, trust) = match &args.authority {
        Some(given) => (files::public_key(given)?, Trust::Given),
        None => (draft.authority(), Trust::FromFile),
    };
    match Roster::from_toml(&files::read_text(&args.file)?, &authority) {
        Ok(roster) => output.show(&Shown::signed(&roster, trust)),
        // without a key to hold it against, a draft is shown as what it is
        Err(RosterError::Unsigned { .. }) if trust == Trust::FromFile => {
            output.show(&Shown::draft(&draft));
        }
        Err(error) => return Err(files::roster(&error).in_file(&args.file)),
    }
    Ok(())
}

fn write(path: &Path, text: &str, existing: Existing) -> Result<(), Failure> {
    files::write(path, text.as_bytes(), Readers::Everyone, existing)
}

/// Who vouches for the authority's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Given,
    FromFile,
}

/// A roster as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    federation: &'a Name,
    authority: PublicKey,
    coordinator: PublicKey,
    last_round: Round,
    signed: bool,
    /// Whether the authority's key came from the user and not from the file itself.
    authority_given: bool,
    digest: Option<RosterDigest>,
    /// Tasks that may be run; null when any may.
    tasks: Option<Vec<TaskDigest>>,
    members: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    slot: Slot,
    name: &'a Name,
    key: PublicKey,
}

impl<'a> Shown<'a> {
    fn draft(draft: &'a RosterDraft) -> Self {
        Self {
            federation: draft.federation(),
            authority: draft.authority(),
            coordinator: draft.coordinator(),
            last_round: draft.last_round(),
            signed: false,
            authority_given: false,
            digest: None,
            tasks: draft.tasks().map(|tasks| tasks.iter().copied().collect()),
            members: rows(draft.members()),
        }
    }

    fn signed(roster: &'a Roster, trust: Trust) -> Self {
        Self {
            federation: roster.federation(),
            authority: roster.authority(),
            coordinator: roster.coordinator(),
            last_round: roster.last_round(),
            signed: true,
            authority_given: trust == Trust::Given,
            digest: Some(roster.digest()),
            tasks: roster.tasks().map(|tasks| tasks.iter().copied().collect()),
            members: rows(roster.members()),
        }
    }

    fn standing(&self) -> &'static str {
        match (self.signed, self.authority_given) {
            (false, _) => "draft, not signed; nobody accepts it yet",
            (true, true) => "signed by its authority",
            (true, false) => {
                "signed by the authority it names; compare that key with the one you trust"
            }
        }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "federation   {}", self.federation)?;
        writeln!(f, "authority    {}", self.authority)?;
        writeln!(f, "coordinator  {}", self.coordinator)?;
        writeln!(f, "last round   {}", self.last_round)?;
        writeln!(f, "signature    {}", self.standing())?;
        if let Some(digest) = &self.digest {
            writeln!(f, "digest       {digest}")?;
        }
        match &self.tasks {
            None => writeln!(f, "tasks        any that the members' policies admit")?,
            Some(tasks) => {
                for (index, task) in tasks.iter().enumerate() {
                    let name = if index == 0 { "tasks" } else { "" };
                    writeln!(f, "{name:<13}{task}")?;
                }
            }
        }
        if self.members.is_empty() {
            return write!(f, "\nno members yet");
        }
        let columns = [
            ("slot", Side::Right),
            ("name", Side::Left),
            ("key", Side::Left),
        ];
        let mut table = Table::new(&columns);
        for row in &self.members {
            table.row([
                row.slot.to_string(),
                row.name.to_string(),
                row.key.to_string(),
            ]);
        }
        write!(f, "\n{table}")
    }
}

fn rows(members: &[Member]) -> Vec<Row<'_>> {
    let rows = members.iter().map(|Member { slot, name, key }| Row {
        slot: *slot,
        name,
        key: *key,
    });
    rows.collect()
}

//! Rosters: fields and files, accepted or not.

use crate::bytes::{Hex, text};
use crate::file::Case;
use crate::judge::{Refused, Stop, broken, refused};
use crate::kinds::Kind;
use crate::machine::parties::RosterFields;
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_proto::identity::PublicKey;
use veilsum_proto::roster::{Name, Roster, RosterError};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Roster",
        layer: "roster",
        run: roster,
    },
    Kind {
        name: "RosterText",
        layer: "roster",
        run: roster_text,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Signed {
    roster: RosterFields,
    signature: Hex<64>,
    accepted_authority: Hex<32>,
}

/// Our rosters come from files: the fields are written as one.
fn roster(case: &Case) -> Result<Value, Stop> {
    let i: Signed = case.input()?;
    let names = i
        .roster
        .members
        .iter()
        .map(|member| &member.name)
        .chain([&i.roster.federation]);
    for name in names {
        name.parse::<Name>()
            .map_err(|error| refused("roster.name", error))?;
    }
    let keys = i.roster.members.iter().map(|member| &member.key);
    for key in keys.chain([&i.roster.authority, &i.roster.coordinator]) {
        PublicKey::parse(&key.0).map_err(|error| refused("identity.key", error))?;
    }
    let read = Roster::from_toml(
        &i.roster.to_toml(&i.signature.0),
        &accepted(&i.accepted_authority)?,
    )
    .map_err(refusal)?;
    Ok(json!({
        "bytes": text(read.encode().map_err(broken)?),
        "digest": text(read.digest().as_bytes()),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    text: String,
    accepted_authority: Hex<32>,
}

fn roster_text(case: &Case) -> Result<Value, Stop> {
    let i: File = case.input()?;
    let read = Roster::from_toml(&i.text, &accepted(&i.accepted_authority)?).map_err(refusal)?;
    Ok(json!({ "digest": text(read.digest().as_bytes()) }))
}

fn accepted(key: &Hex<32>) -> Result<PublicKey, Stop> {
    PublicKey::parse(&key.0).map_err(broken)
}

fn refusal(error: RosterError) -> Refused {
    let requirement = match &error {
        RosterError::Toml(_) | RosterError::Version { .. } => "roster.text",
        RosterError::Unsigned { .. }
        | RosterError::UnacceptedAuthority { .. }
        | RosterError::Signature { .. }
        | RosterError::NotTheAuthority { .. } => "roster.signature",
        RosterError::AuthorityIsCoordinator { .. }
        | RosterError::AuthorityIsMember { .. }
        | RosterError::CoordinatorIsMember { .. }
        | RosterError::Empty => "roster.parties",
        RosterError::TooMany | RosterError::SlotOrder { .. } => "roster.slots",
        RosterError::DuplicateName { .. }
        | RosterError::DuplicateKey { .. }
        | RosterError::NoSuchMember { .. } => "roster.unique",
        RosterError::NoTasks
        | RosterError::TooManyTasks
        | RosterError::DuplicateTask { .. }
        | RosterError::TaskOrder { .. }
        | RosterError::NoSuchTask { .. } => "roster.tasks",
        RosterError::LastRound { .. } => "roster.last-round",
        RosterError::Encode(_) => "roster.canonical",
    };
    refused(requirement, error)
}

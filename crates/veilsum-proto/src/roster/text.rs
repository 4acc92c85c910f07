//! `roster.toml`: the roster for people.

use super::{Member, Name, Roster, RosterDraft, RosterError};
use crate::identity::{PublicKey, Signature};
use crate::ids::{Round, Slot, TaskDigest};
use crate::label::VERSION;
use serde::Deserialize;
use std::fmt;

impl Roster {
    /// Reads a signed roster and checks all of it: form, invariants, authority, signature.
    ///
    /// # Errors
    ///
    /// [`RosterError::Toml`] for text that is not a roster file, [`RosterError::Unsigned`] for a draft,
    /// [`RosterError::UnacceptedAuthority`] and [`RosterError::Signature`] for one that the accepted authority did not
    /// sign as it stands, others for a broken invariant.
    ///
    /// # Security
    ///
    /// `accepted_authority` comes from this party's own policy, never from the coordinator and never from the file.
    // spec: [roster.signature]
    pub fn from_toml(text: &str, accepted_authority: &PublicKey) -> Result<Self, RosterError> {
        let file = RosterFile::parse(text)?;
        if file.authority != *accepted_authority {
            return Err(RosterError::UnacceptedAuthority {
                found: file.authority,
                wanted: *accepted_authority,
            });
        }
        let Some(Hex(randomness)) = file.randomness else {
            return Err(RosterError::Unsigned {
                missing: "randomness",
            });
        };
        let Some(Hex(signature)) = file.signature else {
            return Err(RosterError::Unsigned {
                missing: "signature",
            });
        };
        Self::verified(file.into_draft()?, randomness, Signature(signature))
    }

    /// The roster as `roster.toml`, with comments for people.
    pub fn to_toml(&self) -> String {
        let mut text = String::from(SIGNED);
        push(
            &mut text,
            &self.draft,
            Some((&self.randomness, &self.signature)),
        );
        text
    }
}

impl RosterDraft {
    /// Reads a roster file, signed or not. Randomness and signature are dropped, not checked: a draft has neither.
    ///
    /// # Errors
    ///
    /// [`RosterError::Toml`] for text that is not a roster file, [`RosterError::SlotOrder`],
    /// [`RosterError::DuplicateName`], [`RosterError::DuplicateKey`], [`RosterError::TooMany`],
    /// [`RosterError::LastRound`].
    // spec: [roster.randomness]
    pub fn from_toml(text: &str) -> Result<Self, RosterError> {
        RosterFile::parse(text)?.into_draft()
    }

    /// The draft as `roster.toml`, with comments for people.
    pub fn to_toml(&self) -> String {
        let mut text = String::from(UNSIGNED);
        push(&mut text, self, None);
        text
    }
}

/// Why a text is not the TOML that was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TomlError {
    /// Line, from 1; `None` when something is missing from the whole.
    pub line: Option<usize>,
    /// What was found and wanted, in one line.
    pub message: String,
}

impl TomlError {
    pub(crate) fn new(text: &str, error: &toml::de::Error) -> Self {
        let newlines_before =
            |end: usize| text.bytes().take(end).filter(|byte| *byte == b'\n').count();
        Self {
            line: error
                .span()
                .map(|span| newlines_before(span.start).saturating_add(1)),
            message: error.message().lines().collect::<Vec<_>>().join(", "),
        }
    }
}

impl fmt::Display for TomlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)
    }
}

// spec: [roster.text]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RosterFile {
    version: u16,
    federation: Name,
    authority: PublicKey,
    coordinator: PublicKey,
    last_round: Round,
    tasks: Option<Vec<TaskDigest>>,
    randomness: Option<Hex<32>>,
    signature: Option<Hex<64>>,
    #[serde(default)]
    members: Vec<MemberTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberTable {
    slot: Slot,
    name: Name,
    key: PublicKey,
}

impl RosterFile {
    fn parse(text: &str) -> Result<Self, RosterError> {
        let file: Self = toml::from_str(text).map_err(|error| TomlError::new(text, &error))?;
        if file.version != VERSION {
            return Err(RosterError::Version {
                found: file.version,
                wanted: VERSION,
            });
        }
        Ok(file)
    }

    // spec: [roster.slots]
    fn into_draft(self) -> Result<RosterDraft, RosterError> {
        let mut draft = RosterDraft::new(self.federation, self.authority, self.coordinator);
        draft.set_last_round(self.last_round)?;
        list_tasks(&mut draft, self.tasks)?;
        for member in self.members {
            let wanted = Slot(draft.len());
            if member.slot != wanted {
                return Err(RosterError::SlotOrder {
                    found: member.slot,
                    wanted,
                });
            }
            draft.add(member.name, member.key)?;
        }
        Ok(draft)
    }
}

// spec: [roster.tasks]
fn list_tasks(draft: &mut RosterDraft, tasks: Option<Vec<TaskDigest>>) -> Result<(), RosterError> {
    let Some(tasks) = tasks else { return Ok(()) };
    if tasks.is_empty() {
        return Err(RosterError::NoTasks);
    }
    let mut last: Option<TaskDigest> = None;
    for found in tasks {
        if let Some(before) = last.filter(|before| *before > found) {
            return Err(RosterError::TaskOrder { found, before });
        }
        draft.allow_task(found)?;
        last = Some(found);
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Hex<const N: usize>([u8; N]);

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; N];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| {
            let (found, wanted) = (text.chars().count(), N.saturating_mul(2));
            serde::de::Error::custom(format_args!(
                "found {found} characters, wanted {wanted} hex digits"
            ))
        })?;
        Ok(Self(bytes))
    }
}

/// Writes what is below the comments. Names and hex digits need no escaping in TOML.
fn push(text: &mut String, draft: &RosterDraft, seal: Option<(&[u8; 32], &Signature)>) {
    text.push_str(&format!("version = {VERSION}\n"));
    text.push_str(&format!("federation = \"{}\"\n", draft.federation()));
    text.push_str(&format!("authority = \"{}\"\n", draft.authority()));
    text.push_str(&format!("coordinator = \"{}\"\n", draft.coordinator()));
    text.push_str(&format!("last_round = {}\n", draft.last_round()));
    if let Some(tasks) = draft.tasks() {
        text.push_str("tasks = [\n");
        for task in tasks {
            text.push_str(&format!("  \"{task}\",\n"));
        }
        text.push_str("]\n");
    }
    if let Some((randomness, signature)) = seal {
        text.push_str(&format!("randomness = \"{}\"\n", hex::encode(randomness)));
        text.push_str(&format!("signature = \"{signature}\"\n"));
    }
    for Member { slot, name, key } in draft.members() {
        text.push_str(&format!(
            "\n[[members]]\nslot = {slot}\nname = \"{name}\"\nkey = \"{key}\"\n"
        ));
    }
}

const SIGNED: &str = "\
# Roster of a Veilsum federation: its members and their slots, signed by the authority.
# Members and coordinator accept it only as it stands. Any change needs a new signature, which draws new
# randomness: edit with `veilsum roster add` or `remove`, then `veilsum roster sign`.

";

const UNSIGNED: &str = "\
# Roster of a Veilsum federation: a draft, not signed. Nobody accepts it yet.
# When all members and the coordinator's key are in it, the authority runs `veilsum roster sign`.

";

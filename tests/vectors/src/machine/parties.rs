//! Rosters and identities of the vectors.

use crate::bytes::Hex;
use crate::draws::Draws;
use crate::judge::{Stop, broken};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;
use veilsum_math::{Keystream, KeystreamKey};
use veilsum_proto::identity::{Identity, PublicKey};
use veilsum_proto::ids::{Round, TaskDigest};
use veilsum_proto::roster::{Name, Roster, RosterDraft};

/// A roster without its signature.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RosterFields {
    /// Name of the federation.
    pub federation: String,
    /// Key of the authority.
    pub authority: Hex<32>,
    /// Key of the coordinator.
    pub coordinator: Hex<32>,
    /// Last round.
    pub last_round: u64,
    /// Digests of the tasks that may be run; any if there is no list.
    pub tasks: Option<Vec<Hex<32>>>,
    /// The members.
    pub members: Vec<MemberFields>,
    /// The graph randomness.
    pub randomness: Hex<32>,
}

/// A member of a roster.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberFields {
    /// Its slot.
    pub slot: u32,
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: Hex<32>,
}

impl RosterFields {
    /// As a roster file.
    pub fn to_toml(&self, signature: &[u8; 64]) -> String {
        let mut text = format!(
            "version = 1\nfederation = {:?}\nauthority = \"{}\"\ncoordinator = \"{}\"\nlast_round = {}\n",
            self.federation,
            hex::encode(self.authority.0),
            hex::encode(self.coordinator.0),
            self.last_round,
        );
        if let Some(tasks) = &self.tasks {
            let tasks = tasks
                .iter()
                .map(|task| hex::encode(task.0))
                .collect::<Vec<_>>();
            let _ = writeln!(text, "tasks = {tasks:?}");
        }
        let _ = writeln!(text, "randomness = \"{}\"", hex::encode(self.randomness.0));
        let _ = writeln!(text, "signature = \"{}\"", hex::encode(signature));
        for member in &self.members {
            let key = hex::encode(member.key.0);
            let _ = writeln!(
                text,
                "[[members]]\nslot = {}\nname = {:?}\nkey = \"{key}\"",
                member.slot, member.name
            );
        }
        text
    }

    /// The roster as the authority of the vectors signs it.
    ///
    /// A machine takes a signed roster and nothing else, and not all vectors state the signature. The authority is the reference model's:
    /// its secret is the keystream of the SHA-256 of a name.
    ///
    /// # Errors
    ///
    /// The roster is not one, or has another authority.
    pub fn signed(&self) -> Result<Arc<Roster>, Stop> {
        let authority = reference_identity(&self.federation, "authority");
        let key = |key: &Hex<32>| PublicKey::parse(&key.0).map_err(broken);
        let name = |name: &str| name.parse::<Name>().map_err(broken);
        let mut draft = RosterDraft::new(
            name(&self.federation)?,
            key(&self.authority)?,
            key(&self.coordinator)?,
        );
        draft
            .set_last_round(Round(self.last_round))
            .map_err(broken)?;
        for member in &self.members {
            let slot = draft
                .add(name(&member.name)?, key(&member.key)?)
                .map_err(broken)?;
            if slot.0 != member.slot {
                return Err(broken(format!(
                    "found slot {} where {slot} belongs",
                    member.slot
                )));
            }
        }
        for task in self.tasks.iter().flatten() {
            draft.allow_task(TaskDigest(task.0)).map_err(broken)?;
        }
        let mut randomness = Draws::new([self.randomness.0.to_vec()]);
        let roster = draft.sign(&authority, &mut randomness).map_err(broken)?;
        match randomness.wrong() {
            None => Ok(Arc::new(roster)),
            Some(why) => Err(broken(why)),
        }
    }
}

/// A party of the reference model, by name.
fn reference_identity(federation: &str, who: &str) -> Identity {
    let seed = Sha256::digest(format!("{federation}/identity/{who}"));
    let mut secret = [0; 32];
    Keystream::new(KeystreamKey::new(seed.into())).fill(0, &mut secret);
    Identity::from_secret_bytes(&secret)
}

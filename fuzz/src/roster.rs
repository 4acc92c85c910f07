//! Rosters as text: signed by the one accepted authority, or a draft that says the same when written again.

use veilsum_proto::roster::{Roster, RosterDraft};
use veilsum_sim::identity;

/// Reads text as a signed roster and as a draft.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match RosterDraft::from_toml(text) {
        Ok(draft) => {
            let again = RosterDraft::from_toml(&draft.to_toml()).expect("its own text is a draft");
            assert_eq!(again, draft);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match Roster::from_toml(text, &authority().public()) {
        Ok(roster) => {
            let again = Roster::from_toml(&roster.to_toml(), &roster.authority());
            assert_eq!(again.expect("its own text is a roster"), roster);
            for member in roster.members() {
                assert_eq!(roster.slot_of(&member.key), Some(member.slot));
                assert_eq!(roster.key_of(member.slot), Some(&member.key));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The authority that is accepted here; it signed the seeds.
pub fn authority() -> veilsum_proto::identity::Identity {
    identity(AUTHORITY_SEED, "authority", 0)
}

/// Seed of the simulated federation whose rosters are the seeds.
pub const AUTHORITY_SEED: u64 = 7;

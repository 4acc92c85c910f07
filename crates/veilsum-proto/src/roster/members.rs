//! Members in contiguous slots, with unique names and keys.

use super::{Name, RosterError};
use crate::identity::PublicKey;
use crate::ids::Slot;
use std::collections::HashMap;
use std::io::Write;
use tls_codec::{Serialize, Size, TlsSerialize, TlsSize};

/// Largest number of members of a roster.
pub const MAX_MEMBERS: u32 = 1 << 20;

/// One member of a roster.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize)]
pub struct Member {
    /// Its slot; that of the first is 0.
    pub slot: Slot,
    /// Its name, unique on the roster.
    pub name: Name,
    /// Its key, unique on the roster.
    pub key: PublicKey,
}

/// The members of a roster in order of their slots. Lookups by key and by name take constant time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    list: Vec<Member>,
    by_key: HashMap<PublicKey, Slot>,
    by_name: HashMap<Name, Slot>,
}

impl Members {
    // spec: [roster.slots], [roster.unique]
    pub(super) fn push(&mut self, name: Name, key: PublicKey) -> Result<Slot, RosterError> {
        let slot = Slot(self.len());
        // spec: [roster.size]
        if slot.0 >= MAX_MEMBERS {
            return Err(RosterError::TooMany);
        }
        if let Some(first) = self.by_name.get(&name) {
            let first = *first;
            return Err(RosterError::DuplicateName { name, first, slot });
        }
        if let Some(first) = self.by_key.get(&key) {
            let first = *first;
            return Err(RosterError::DuplicateKey { key, first, slot });
        }
        self.by_name.insert(name.clone(), slot);
        self.by_key.insert(key, slot);
        self.list.push(Member { slot, name, key });
        Ok(slot)
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<Member, RosterError> {
        let missing = || RosterError::NoSuchMember {
            name: name.to_owned(),
        };
        let slot = *self.by_name.get(name).ok_or_else(missing)?;
        let mut rest = std::mem::take(self).list;
        let removed = rest.remove(slot.index());
        for member in rest {
            self.push(member.name, member.key)?;
        }
        Ok(removed)
    }

    pub(super) fn list(&self) -> &[Member] {
        &self.list
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn slot_of(&self, key: &PublicKey) -> Option<Slot> {
        self.by_key.get(key).copied()
    }

    pub(super) fn named(&self, name: &str) -> Option<&Member> {
        self.by_name
            .get(name)
            .and_then(|slot| self.list.get(slot.index()))
    }
}

impl Size for Members {
    fn tls_serialized_len(&self) -> usize {
        self.list.tls_serialized_len()
    }
}

impl Serialize for Members {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        self.list.tls_serialize(writer)
    }
}

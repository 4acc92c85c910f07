//! The keys of a roster, ready to check signatures.

use crate::identity::{PublicKey, Verifier};
use crate::ids::Slot;
use std::sync::OnceLock;

/// One for each slot, made when it is first asked for: a member needs those of its neighbours and of the electorate only. Says
/// nothing that the roster does not, so any two are equal.
#[derive(Clone, Debug)]
pub(super) struct Verifiers(Vec<OnceLock<Option<Verifier>>>);

impl Verifiers {
    pub(super) fn new(slots: u32) -> Self {
        Self((0..slots).map(|_| OnceLock::new()).collect())
    }

    /// The one of `slot`, whose key is `key`.
    pub(super) fn of(&self, slot: Slot, key: &PublicKey) -> Option<&Verifier> {
        let verifier = self.0.get(slot.index())?;
        verifier.get_or_init(|| key.verifier()).as_ref()
    }
}

impl PartialEq for Verifiers {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Verifiers {}

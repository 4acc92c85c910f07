//! The hook on every message: how tests build a lying coordinator, a lying member, or a bad network.

use veilsum_proto::ids::Slot;
use veilsum_proto::message::Message;

/// Sees every message on its way and says what arrives instead: nothing, the same, another, several.
pub trait Tamper {
    /// A message of the coordinator to `to`.
    fn to_member(&mut self, to: Slot, message: Message) -> Vec<Message> {
        let _ = to;
        vec![message]
    }

    /// A message of `from` to the coordinator.
    fn to_coordinator(&mut self, from: Slot, message: Message) -> Vec<Message> {
        let _ = from;
        vec![message]
    }
}

/// Leaves every message as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Honest;

impl Tamper for Honest {}

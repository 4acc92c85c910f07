//! Not used by real rounds: stand-ins for a machine that breaks a rule, to show that the judge can fail.

use veilsum_proto::identity::Identity;
use veilsum_proto::ids::Slot;
use veilsum_proto::message::Message;

/// A rule that is broken on purpose; nothing is broken by default.
pub trait Doubles {
    /// What a member says to a message instead of its machine, which then does not see it.
    fn answer(&mut self, slot: Slot, identity: &Identity, message: &Message) -> Option<Message> {
        let _ = (slot, identity, message);
        None
    }

    /// Changes what the coordinator publishes.
    fn publish(&mut self, publication: &mut Publication) {
        let _ = publication;
    }

    /// Whether the coordinator blames `from` for this message, which the machine took.
    fn blames(&mut self, from: Slot, message: &Message) -> bool {
        let _ = (from, message);
        false
    }
}

/// What the coordinator publishes, before it does.
#[derive(Debug)]
pub struct Publication {
    /// Certified survivors, ascending.
    pub survivors: Vec<Slot>,
    /// Survivors whose own reveal did not come, ascending.
    pub recovered: Vec<Slot>,
    /// The sum per coordinate.
    pub sum: Vec<i64>,
}

/// Nothing is broken.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDoubles;

impl Doubles for NoDoubles {}

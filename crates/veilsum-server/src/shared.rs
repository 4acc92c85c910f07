//! What sessions and round loops share.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Instant};

use bytes::Bytes;
use veilsum_proto::{
    fault::{Fault, FaultKind},
    identity::Identity,
    ids::Slot,
    message::{Caps, FaultNotice, Message},
    roster::{Name, Roster},
};

use crate::{
    blobs::Blobs, directory::Directory, event::Event, routes::Routes, staging::Staging,
    store::Store, upload::InFlight,
};

/// Everything that outlives a connection and a round.
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) roster: Arc<Roster>,
    pub(crate) directory: Directory,
    pub(crate) routes: Routes,
    pub(crate) staging: Arc<Staging>,
    pub(crate) in_flight: InFlight,
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    /// How long a message of each type may be, in the widest of the tasks.
    pub(crate) caps: Caps,
    pub(crate) events: Box<dyn Fn(&Event) + Send + Sync>,
}

/// What a member did wrong, or what went wrong with what it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) slot: Slot,
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

impl Complaint {
    pub(crate) fn new(slot: Slot, kind: &'static str, text: impl fmt::Display) -> Self {
        Self {
            slot,
            kind,
            text: text.to_string(),
        }
    }

    pub(crate) fn of(slot: Slot, kind: &FaultKind) -> Self {
        Self::new(slot, kind.name(), kind)
    }
}

impl From<&Fault> for Complaint {
    fn from(fault: &Fault) -> Self {
        Self::of(fault.slot, &fault.kind)
    }
}

impl Shared {
    pub(crate) fn emit(&self, event: &Event) {
        (self.events)(event);
    }

    /// Tells the member and the operator, and counts the fault. Nothing else follows: the round goes on.
    // spec: [service.fault]
    pub(crate) fn blame(&self, complaint: Complaint) {
        let slot = complaint.slot;
        self.tell(complaint);
        self.directory.count_fault(slot, Instant::now());
    }

    /// As [`Shared::blame`], of what a network or a disk can do to a member that behaves.
    // spec: [service.fault.limit]
    pub(crate) fn tell(&self, complaint: Complaint) {
        let Complaint { slot, kind, text } = complaint;
        tracing::info!(%slot, kind, text, "fault");
        let notice = Message::new(FaultNotice {
            kind: kind.as_bytes().to_vec(),
            text: text.as_bytes().to_vec(),
        });
        self.directory.send(slot, encoded(&notice));
        self.emit(&Event::Fault {
            id: slot,
            name: self.name_of(slot),
            kind: kind.to_owned(),
            text,
        });
    }

    /// The member's name. Every slot here was found on the roster.
    pub(crate) fn name_of(&self, slot: Slot) -> Name {
        let members = self.roster.members();
        let member = self.roster.member(slot).or(members.first());
        member.map_or_else(
            || self.roster.federation().clone(),
            |member| member.name.clone(),
        )
    }
}

/// Longest frame a member may send: the longest message of those that members send.
pub(crate) fn frame_limit(caps: &Caps) -> usize {
    MEMBER_MESSAGES
        .map(|kind| caps.bytes_of(kind))
        .into_iter()
        .max()
        .unwrap_or(0)
}

/// A message as a frame.
pub(crate) fn encoded(message: &Message) -> Bytes {
    Bytes::from(message.encode())
}

/// Names by slot, for receipts.
pub(crate) fn names(roster: &Roster, slots: &[Slot]) -> BTreeMap<Slot, Name> {
    let members = slots.iter().filter_map(|slot| roster.member(*slot));
    members
        .map(|member| (member.slot, member.name.clone()))
        .collect()
}

/// Types of the control messages that members send: Advert, SealedShares, Accept, Confirmation, Reveal, Shares.
const MEMBER_MESSAGES: [u8; 6] = [2, 4, 6, 11, 13, 15];

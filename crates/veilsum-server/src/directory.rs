//! Who is connected, and the one way to say something to a member. Not a queue: what cannot be sent now is sent again when
//! the member comes back, because the machines know what is due to it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use tokio::sync::watch;
use veilsum_proto::ids::Slot;
use veilsum_quic::{CloseCode, Peer, SendError};

use crate::faults::Faults;

/// The members that are connected now.
#[derive(Debug)]
pub(crate) struct Directory {
    members: Mutex<BTreeMap<Slot, Entry>>,
    /// Of all members, connected or not.
    faults: Mutex<Faults>,
    /// Counts arrivals and departures.
    changes: watch::Sender<u64>,
}

/// Names one connection; later ones have greater tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

#[cfg(test)]
impl Ticket {
    pub(crate) fn numbered(number: u64) -> Self {
        Self(number)
    }
}

#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    peer: Peer,
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self {
            members: Mutex::default(),
            faults: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Puts a member's connection in place of an older one; the ticket names it.
    pub(crate) fn enter(&self, slot: Slot, peer: Peer) -> Ticket {
        let ticket = Ticket(self.changed());
        self.lock().insert(slot, Entry { ticket, peer });
        self.changes.send_modify(|_| {});
        ticket
    }

    /// Forgets a connection, unless a newer one is in its place. Tells whether it was the newest.
    pub(crate) fn leave(&self, slot: Slot, ticket: Ticket) -> bool {
        let mut members = self.lock();
        let newest = members
            .get(&slot)
            .is_some_and(|entry| entry.ticket == ticket);
        if newest {
            members.remove(&slot);
        }
        drop(members);
        self.changed();
        newest
    }

    /// Sends a frame to a member, if it is connected. One that takes its frames too slowly loses its connection, not the
    /// round its time: when it comes back, what is due to it is sent again.
    // spec: [service.slow]
    pub(crate) fn send(&self, slot: Slot, frame: Bytes) {
        let members = self.lock();
        let Some(Entry { peer, .. }) = members.get(&slot) else {
            return;
        };
        match peer.try_send(frame) {
            Ok(()) | Err(SendError::Closed(_) | SendError::Finished) => {}
            Err(error @ (SendError::QueueFull { .. } | SendError::TooLarge { .. })) => {
                tracing::debug!(%slot, %error, "member takes its frames too slowly");
                peer.close(CloseCode::TooSlow);
            }
        }
    }

    /// Counts a fault of the member and ends its connection when there were too many.
    // spec: [service.fault.limit]
    pub(crate) fn count_fault(&self, slot: Slot, now: Instant) {
        if !self.faults().count(slot, now) {
            return;
        }
        if let Some(Entry { peer, .. }) = self.lock().get(&slot) {
            peer.close(CloseCode::Refused);
        }
    }

    /// Whether the member had so many faults that it has to wait before it connects again.
    // spec: [service.fault.limit]
    pub(crate) fn has_to_wait(&self, slot: Slot, now: Instant) -> bool {
        self.faults().are_too_many(slot, now)
    }

    /// Slots that are connected, ascending.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        self.lock().keys().copied().collect()
    }

    /// As [`Directory::slots`], each with its connection.
    pub(crate) fn connections(&self) -> Vec<(Slot, Ticket)> {
        let members = self.lock();
        let connections = members.iter();
        connections
            .map(|(slot, entry)| (*slot, entry.ticket))
            .collect()
    }

    /// All connections, to be ended.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let members = self.lock();
        members.values().map(|entry| entry.peer.clone()).collect()
    }

    /// Wakes at every arrival and departure.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) -> u64 {
        let mut ticket = 0;
        self.changes.send_modify(|count| {
            *count = count.wrapping_add(1);
            ticket = *count;
        });
        ticket
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        // whole between any two statements that can panic
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Slot, Entry>> {
        // whole between any two statements that can panic
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

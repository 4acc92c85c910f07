//! Not the roster: who may connect is `Admission`'s to say. This is who is connected, and who gives way
//! when an identity comes again or the house is full.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::control::{Link, WeakLink};

/// The live connections of an endpoint, oldest first within an identity.
#[derive(Debug)]
pub(crate) struct Registry {
    per_identity: usize,
    in_all: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    links: BTreeMap<[u8; 32], VecDeque<(Ticket, WeakLink)>>,
}

/// Names one registered connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// The endpoint holds as many connections as it may, none of them of this identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Registry {
    pub(crate) fn new(per_identity: usize, in_all: usize) -> Self {
        Self {
            per_identity,
            in_all,
            state: Mutex::default(),
        }
    }

    /// Registers a connection and returns those of the same identity that give way to it. A member is
    /// so never locked out by its own dead connection.
    // spec: [quic.replace], [quic.full]
    pub(crate) fn admit(&self, link: &Link) -> Result<(Ticket, Vec<Link>), Full> {
        let mut state = self.lock();
        let held = state.links.values().map(VecDeque::len).sum::<usize>();
        let own = state.links.get(link.peer_key()).map_or(0, VecDeque::len);
        let over = own.saturating_add(1).saturating_sub(self.per_identity);
        let crowded = held.saturating_add(1).saturating_sub(self.in_all).min(1);
        let leaving = over.max(crowded);
        if leaving > own {
            return Err(Full);
        }
        let ticket = Ticket(state.next);
        state.next = state.next.wrapping_add(1);
        let own = state.links.entry(*link.peer_key()).or_default();
        let replaced = own.drain(..leaving).filter_map(|(_, weak)| weak.upgrade());
        let replaced = replaced.collect();
        own.push_back((ticket, link.downgrade()));
        Ok((ticket, replaced))
    }

    /// Forgets a connection that has ended.
    pub(crate) fn remove(&self, key: &[u8; 32], ticket: Ticket) {
        let mut state = self.lock();
        if let Some(own) = state.links.get_mut(key) {
            own.retain(|(held, _)| *held != ticket);
            if own.is_empty() {
                state.links.remove(key);
            }
        }
    }

    /// All live connections whose key `wanted` picks.
    pub(crate) fn select(&self, wanted: impl Fn(&[u8; 32]) -> bool) -> Vec<Link> {
        let state = self.lock();
        let picked = state.links.iter().filter(|(key, _)| wanted(key));
        picked
            .flat_map(|(_, own)| own.iter().filter_map(|(_, weak)| weak.upgrade()))
            .collect()
    }

    /// How many connections are held.
    pub(crate) fn len(&self) -> usize {
        self.lock().links.values().map(VecDeque::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // the state is whole between any two statements that can panic
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

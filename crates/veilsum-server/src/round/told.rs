//! Not what members are told: which of them wait to be told what is due to them, and who has missed more than this phase.

use std::collections::{BTreeMap, VecDeque};

use veilsum_proto::ids::Slot;

use crate::directory::Ticket;

/// The connections of a phase.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Connections that are told in the phase, each once.
    connections: BTreeMap<Slot, Ticket>,
    /// Those of them whose turn has not come. What they are told is made then, and not before.
    waiting: VecDeque<Untold>,
}

/// A member that is to be told what is due to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Untold {
    pub(super) slot: Slot,
    /// Whether its connection is younger than the phase before, so that it may have missed what that ended with.
    pub(super) is_late: bool,
}

impl Told {
    /// A phase begins: all who are connected wait, in the order given.
    // spec: [service.pending]
    pub(super) fn begin(&mut self, connected: Vec<(Slot, Ticket)>, order: &[Slot]) {
        let connections = connected.into_iter().collect();
        let before = std::mem::replace(&mut self.connections, connections);
        let missed = std::mem::take(&mut self.waiting);
        let here = order.iter().filter_map(|slot| {
            let ticket = self.connections.get(slot)?;
            let untold = Untold {
                slot: *slot,
                is_late: true,
            };
            let is_late = before.get(slot) != Some(ticket) || missed.contains(&untold);
            Some(Untold { is_late, ..untold })
        });
        self.waiting = here.collect();
    }

    /// A member has come, or come back: it waits, unless it was known to have come.
    // spec: [service.pending]
    pub(super) fn greet(&mut self, slot: Slot, ticket: Ticket) {
        if self.connections.insert(slot, ticket) == Some(ticket) {
            return;
        }
        let late = Untold {
            slot,
            is_late: true,
        };
        match self.waiting.iter_mut().find(|untold| untold.slot == slot) {
            Some(untold) => *untold = late,
            None => self.waiting.push_back(late),
        }
    }

    /// Something new is due to a member: it waits.
    pub(super) fn again(&mut self, slot: Slot) {
        if !self.waiting.iter().any(|untold| untold.slot == slot) {
            self.waiting.push_back(Untold {
                slot,
                is_late: false,
            });
        }
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self) -> Option<Untold> {
        self.waiting.pop_front()
    }

    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: [Slot; 3] = [Slot(2), Slot(0), Slot(1)];

    fn at(slot: u32, ticket: u64) -> (Slot, Ticket) {
        (Slot(slot), Ticket::numbered(ticket))
    }

    fn turns(told: &mut Told) -> Vec<(u32, bool)> {
        std::iter::from_fn(|| told.next())
            .map(|untold| (untold.slot.0, untold.is_late))
            .collect()
    }

    // spec: [service.pending]
    #[test]
    fn who_has_come_since_the_phase_before_began_is_late_in_this_one() {
        let mut told = Told::default();
        told.begin(vec![at(0, 1), at(1, 2), at(2, 3)], &ORDER);
        assert_eq!(turns(&mut told), [(2, true), (0, true), (1, true)]);
        // slot 1 is back before anybody has noticed, slot 0 stays
        told.begin(vec![at(0, 1), at(1, 4)], &ORDER);
        assert_eq!(turns(&mut told), [(0, false), (1, true)]);
    }

    // spec: [service.pending]
    #[test]
    fn who_came_back_and_was_not_told_before_the_phase_ended_is_late_in_the_next() {
        let mut told = Told::default();
        told.begin(vec![at(0, 1), at(1, 2)], &ORDER);
        turns(&mut told);
        told.greet(Slot(1), Ticket::numbered(5));
        told.begin(vec![at(0, 1), at(1, 5)], &ORDER);
        assert_eq!(turns(&mut told), [(0, false), (1, true)]);
        told.begin(vec![at(0, 1), at(1, 5)], &ORDER);
        assert_eq!(turns(&mut told), [(0, false), (1, false)]);
    }

    #[test]
    fn each_waits_once() {
        let mut told = Told::default();
        told.begin(vec![at(0, 1), at(1, 2)], &ORDER);
        told.greet(Slot(0), Ticket::numbered(1));
        told.again(Slot(1));
        assert_eq!(turns(&mut told), [(0, true), (1, true)]);
        told.again(Slot(1));
        told.again(Slot(1));
        assert_eq!(turns(&mut told), [(1, false)]);
        assert!(told.is_over());
    }
}

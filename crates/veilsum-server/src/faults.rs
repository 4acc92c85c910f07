//! How many faults members have. Not what was wrong: that is told to the member and the operator when it happens.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use veilsum_proto::ids::Slot;

/// Faults by member, which wear off; whoever comes back over a new connection has those of the old one.
#[derive(Debug, Default)]
pub(crate) struct Faults(BTreeMap<Slot, Count>);

#[derive(Clone, Copy, Debug)]
struct Count {
    faults: u32,
    /// When the last one wore off, or the first one came.
    since: Instant,
}

impl Faults {
    /// Counts one more. Tells whether these are too many now.
    // spec: [service.fault.limit]
    pub(crate) fn count(&mut self, slot: Slot, now: Instant) -> bool {
        self.wear_off(slot, now);
        let count = self.0.entry(slot).or_insert(Count {
            faults: 0,
            since: now,
        });
        // one above the most: who stops waits for one to wear off, whatever was under way
        count.faults = count.faults.saturating_add(1).min(MOST.saturating_add(1));
        count.faults > MOST
    }

    /// Whether the member has to wait before it connects again.
    // spec: [service.fault.limit]
    pub(crate) fn are_too_many(&mut self, slot: Slot, now: Instant) -> bool {
        self.wear_off(slot, now);
        self.0.get(&slot).is_some_and(|count| count.faults > MOST)
    }

    fn wear_off(&mut self, slot: Slot, now: Instant) {
        let Some(count) = self.0.get_mut(&slot) else {
            return;
        };
        let passed = now.saturating_duration_since(count.since);
        let gone = passed.as_secs().checked_div(EACH.as_secs());
        let gone = u32::try_from(gone.unwrap_or(0)).unwrap_or(u32::MAX);
        if gone >= count.faults {
            self.0.remove(&slot);
            return;
        }
        count.faults = count.faults.saturating_sub(gone);
        let worn = EACH.checked_mul(gone).unwrap_or(passed);
        count.since = count.since.checked_add(worn).unwrap_or(now);
    }
}

/// Faults a member may have; an honest one has none.
const MOST: u32 = 64;

/// In this time one of them wears off.
const EACH: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Slot = Slot(3);
    const OTHER: Slot = Slot(4);

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    // spec: [service.fault.limit]
    #[test]
    fn faults_are_the_members_and_not_the_connections() {
        let (mut faults, start) = (Faults::default(), Instant::now());
        for _ in 0..MOST {
            assert!(!faults.count(BAD, start));
            assert!(!faults.are_too_many(BAD, start));
        }
        assert!(faults.count(BAD, start));
        // what was on its way when it was closed
        assert!(faults.count(BAD, start));
        assert!(faults.are_too_many(BAD, after(start, 9)));
        assert!(!faults.are_too_many(BAD, after(start, 10)));
        // no fresh count: the next one closes it again
        assert!(faults.count(BAD, after(start, 11)));
        assert!(faults.are_too_many(BAD, after(start, 19)));
        assert!(!faults.are_too_many(BAD, after(start, 20)));
        assert!(!faults.count(OTHER, start) && !faults.are_too_many(OTHER, start));
    }

    // spec: [service.fault.limit]
    #[test]
    fn faults_wear_off_and_who_has_none_is_never_shut_out() {
        let (mut faults, start) = (Faults::default(), Instant::now());
        for _ in 0..MOST {
            faults.count(BAD, start);
        }
        // half of them are gone
        let later = after(start, 320);
        for _ in 0..MOST / 2 {
            assert!(!faults.count(BAD, later));
        }
        assert!(faults.count(BAD, later));
        assert!(!faults.are_too_many(BAD, after(later, 100_000)));
        assert!(faults.0.is_empty(), "nothing is kept of who behaves");
        // one fault every ten seconds is borne for ever
        for tick in 0..1_000 {
            assert!(!faults.count(BAD, after(later, 200_000 + 10 * tick)));
        }
        // a member that loses its network again and again makes no fault by that
        for tick in 0..1_000 {
            assert!(!faults.are_too_many(OTHER, after(start, tick)));
        }
        // clocks of threads may be seen out of order
        assert!(!faults.are_too_many(BAD, start));
    }
}

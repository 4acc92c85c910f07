//! Not a rate limit: nobody is slowed down. It is the account of a sender that must not be too slow, and that
//! must not be blamed for a reader that does not read.

use std::time::{Duration, Instant};

/// The account of a sender: what it has brought buys it time to keep the reader waiting.
#[derive(Debug)]
pub(crate) struct Pace {
    grace: Duration,
    /// Bytes a second; 0 is none.
    rate: u64,
    waited: Duration,
}

impl Pace {
    pub(crate) fn new(grace: Duration, rate: u64) -> Self {
        Self {
            grace,
            rate,
            waited: Duration::ZERO,
        }
    }

    /// Counts the time until the answer is dropped, even by a cancelled read.
    pub(crate) fn wait(&mut self) -> Waiting<'_> {
        Waiting {
            since: Instant::now(),
            total: &mut self.waited,
        }
    }

    /// How much longer a sender of `received` bytes may keep the reader waiting.
    // spec: [upload.rate]
    pub(crate) fn left(&self, received: u64) -> Duration {
        let Some(millis) = received.saturating_mul(1000).checked_div(self.rate) else {
            return Duration::MAX;
        };
        let allowed = self.grace.saturating_add(Duration::from_millis(millis));
        allowed.saturating_sub(self.waited)
    }

    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    pub(crate) fn rate(&self) -> u64 {
        self.rate
    }
}

/// Time that runs against a sender.
pub(crate) struct Waiting<'a> {
    since: Instant,
    total: &'a mut Duration,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *self.total = self.total.saturating_add(self.since.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: [upload.rate]
    #[test]
    fn bytes_buy_time_and_waiting_spends_it() {
        let mut pace = Pace::new(Duration::from_secs(2), 1000);
        assert_eq!(pace.left(0), Duration::from_secs(2));
        assert_eq!(pace.left(3000), Duration::from_secs(5));
        pace.waited = Duration::from_secs(4);
        assert_eq!(pace.left(3000), Duration::from_secs(1));
        assert_eq!(pace.left(0), Duration::ZERO);
        assert!(pace.left(u64::MAX) > Duration::from_secs(1 << 40));
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert_eq!(Pace::new(Duration::ZERO, 0).left(0), Duration::MAX);
    }
}

//! How long to wait before the next try to connect.

use std::time::Duration;

/// Exponential back-off with jitter: a try waits between half and the whole of a delay that doubles up to a ceiling.
///
/// ```
/// # use std::time::Duration;
/// # use veilsum_client::Backoff;
/// let backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(1) };
/// let waits = |tries| backoff.delay(tries, 1.0).as_millis();
/// assert_eq!([waits(0), waits(1), waits(2), waits(3), waits(4), waits(99)], [100, 200, 400, 800, 1000, 1000]);
/// assert_eq!(backoff.delay(0, 0.0).as_millis(), 50);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Longest wait after the first lost connection. Default 500 ms.
    pub first: Duration,
    /// Longest wait of all. Default 60 s.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            most: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// The wait after `failures` tries in a row that failed, `chance` of the way (0 to 1) from half of it to the whole.
    ///
    /// The jitter keeps the members of a federation from coming back all at once after their coordinator was gone.
    // spec: [reconnect.backoff]
    pub fn delay(&self, failures: u32, chance: f64) -> Duration {
        let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(factor).min(self.most);
        let half = whole.checked_div(2).unwrap_or_default();
        half.saturating_add(half.mul_f64(chance.clamp(0.0, 1.0)))
    }
}

//! A log that tests wait on.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Something that one side changes and the test waits for. Clones share it.
#[derive(Debug, Default)]
pub struct Watched<T>(Arc<(Mutex<T>, Condvar)>);

impl<T> Watched<T> {
    /// Changes it and wakes whoever waits.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let out = change(&mut self.lock());
        self.0.1.notify_all();
        out
    }

    /// Reads it as it is now.
    pub fn look<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.lock())
    }

    /// Waits until `find` finds something.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], with the log.
    pub fn until<R>(&self, what: &str, find: impl Fn(&T) -> Option<R>) -> R
    where
        T: std::fmt::Debug,
    {
        let due = Instant::now() + PATIENCE;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&state) {
                return found;
            }
            let left = due.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}: {state:#?}");
            let waited = self.0.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// How long a test waits for what must come; far above every deadline, so that a slow machine fails nothing.
pub const PATIENCE: Duration = Duration::from_secs(120);

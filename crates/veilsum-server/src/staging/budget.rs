//! Not the bytes themselves: how many of them there may be.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that uploads may take of one kind of room.
#[derive(Debug)]
pub(super) struct Budget {
    all: u64,
    used: Mutex<u64>,
}

impl Budget {
    pub(super) fn new(all: u64) -> Self {
        Self {
            all,
            used: Mutex::new(0),
        }
    }

    /// Takes so many bytes, if there are as many.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let mut used = self.lock();
        let next = used.saturating_add(bytes);
        if next > self.all {
            return false;
        }
        *used = next;
        true
    }

    pub(super) fn give_back(&self, bytes: u64) {
        let mut used = self.lock();
        *used = used.saturating_sub(bytes);
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        // whole between any two statements that can panic
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Not for what spills: uploads in memory, within a budget.
//!
//! Half of what it costs to take an upload, beyond the transfer, is that the system has to bring a page of zeros for every 4 KiB. So
//! room is asked for in large pages where the system has them, and room that an upload has left is kept for the next one of that
//! length, as long as uploads come. It is the system's own memory and not the allocator's: what is given up is given back.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use memmap2::MmapMut;
use tokio::sync::Notify;

use super::pages::{limbs_of, new_pages};

/// Memory of all uploads, and what earlier ones have left.
#[derive(Debug)]
pub(super) struct Memory {
    budget: u64,
    freed: Arc<Notify>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of the uploads that are here.
    used: u64,
    /// What uploads have left, the oldest first.
    spare: VecDeque<MmapMut>,
    /// Bytes of all of it.
    spare_bytes: u64,
    /// Whether room was taken since somebody asked.
    taken: bool,
}

impl Memory {
    /// So many bytes for all uploads together; `freed` is told when one has left.
    pub(super) fn new(budget: u64, freed: Arc<Notify>) -> Self {
        Self {
            budget,
            freed,
            state: Mutex::default(),
        }
    }

    /// Room for an upload of `length` bytes, if the budget has as many left.
    // spec: [service.stage.budget]
    pub(super) fn take(self: &Arc<Self>, length: u64) -> Option<Room> {
        let mut state = self.lock();
        let used = state.used.saturating_add(length);
        if used > self.budget {
            return None;
        }
        state.used = used;
        state.taken = true;
        let pages = state.reuse(length);
        let given_up = state.shrink(self.budget);
        drop(state);
        drop(given_up); // the system takes its time
        Some(Room {
            memory: self.clone(),
            length,
            pages,
        })
    }

    /// Gives back to the system what uploads have left, if none has come since the last time.
    // spec: [service.stage.spare]
    pub(super) fn rest(&self) {
        let taken = std::mem::take(&mut self.lock().taken);
        if !taken {
            self.empty();
        }
    }

    /// Gives back to the system what uploads have left.
    // spec: [service.stage.spare]
    pub(super) fn empty(&self) {
        let given_up = self.lock().shrink(0);
        drop(given_up);
    }

    /// Bytes of the uploads that are here.
    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.lock().used
    }

    /// Bytes of what uploads have left.
    #[cfg(test)]
    pub(super) fn spare(&self) -> u64 {
        self.lock().spare_bytes
    }

    fn give_back(&self, length: u64, pages: Option<MmapMut>) {
        let mut state = self.lock();
        state.used = state.used.saturating_sub(length);
        if let Some(pages) = pages {
            state.spare_bytes = state.spare_bytes.saturating_add(length);
            state.spare.push_back(pages);
        }
        drop(state);
        self.freed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // whole between any two statements that can panic
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What an upload of that length has left last: the likeliest to be in the cache.
    fn reuse(&mut self, length: u64) -> Option<MmapMut> {
        let of_length = |pages: &MmapMut| bytes_of(pages) == length;
        let place = self.spare.iter().rposition(of_length)?;
        self.spare_bytes = self.spare_bytes.saturating_sub(length);
        self.spare.remove(place)
    }

    /// Takes out the oldest of what is spare until it stands within the budget beside the uploads.
    fn shrink(&mut self, budget: u64) -> Vec<MmapMut> {
        let mut given_up = Vec::new();
        while self.used.saturating_add(self.spare_bytes) > budget
            && let Some(pages) = self.spare.pop_front()
        {
            self.spare_bytes = self.spare_bytes.saturating_sub(bytes_of(&pages));
            given_up.push(pages);
        }
        given_up
    }
}

fn bytes_of(pages: &MmapMut) -> u64 {
    u64::try_from(pages.len()).unwrap_or(u64::MAX)
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub(super) struct Room {
    memory: Arc<Memory>,
    length: u64,
    /// What an earlier upload has left, if one has.
    pages: Option<MmapMut>,
}

impl Room {
    /// Room without pages gets new ones, which come as they are written.
    pub(super) fn with_pages(mut self) -> io::Result<Pages> {
        let pages = match self.pages.take() {
            Some(pages) => pages,
            None => new_pages(self.length)?,
        };
        Ok(Pages {
            room: self,
            pages: Some(pages),
            written: 0,
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.memory.give_back(self.length, self.pages.take());
    }
}

/// An upload whose bytes are coming, or all here.
pub(super) struct Pages {
    room: Room,
    /// Here until it is dropped.
    pages: Option<MmapMut>,
    written: usize,
}

impl Pages {
    /// Writes the next bytes; those beyond the agreed length are left out, and counted.
    // spec: [wire.vector]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let end = self.written.saturating_add(bytes.len());
        let pages = self.pages.as_deref_mut().unwrap_or_default();
        if let Some(place) = pages.get_mut(self.written..end) {
            place.copy_from_slice(bytes);
        }
        self.written = end;
    }

    /// Shows the limbs to `job`, if the bytes that came are those that were agreed to and make whole limbs.
    // spec: [wire.vector] [service.stage.whole]
    pub(super) fn into_limbs<T>(mut self, job: impl FnOnce(&[u64]) -> T) -> Option<T> {
        let pages = self.pages.as_deref_mut()?;
        if pages.len() != self.written {
            return None;
        }
        limbs_of(pages).map(job)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.room.pages = self.pages.take();
    }
}

impl fmt::Debug for Pages {
    // spec: [service.secrets]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.written, self.room.length)
    }
}

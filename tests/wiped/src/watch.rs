//! The allocator: the system's, with a look at each block before it is freed.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its trait, and what is freed has no reference left to look through"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroize as _;

/// What a secret is, in words.
pub type Kind = &'static str;

/// A secret to look for. Each half of it is one finding.
pub struct Known {
    /// What it is.
    pub kind: Kind,
    /// Its bytes as they lie in memory.
    pub bytes: [u8; 32],
}

impl Drop for Known {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// A block that was freed with a secret in it.
#[derive(Debug)]
pub struct Found {
    /// Whose bytes.
    pub kind: Kind,
    /// Length of the block.
    pub block: usize,
    /// Who freed it.
    pub freed_by: String,
}

/// The system's allocator under watch; to be named as `#[global_allocator]`.
pub struct Watch;

/// Looks for these secrets from now on, and for no others. Forgets what was found before.
///
/// # Panics
///
/// There are more than fit.
pub fn watch(secrets: &[Known]) {
    assert!(secrets.len() * 2 <= PATTERNS, "more secrets than fit");
    let found = {
        let mut state = state();
        state.patterns.set(secrets);
        std::mem::take(&mut state.found)
    };
    // freed after the lock is given back: the allocator takes it
    drop(found);
}

/// Looks for nothing any more.
pub fn unwatch() {
    watch(&[]);
}

/// What was freed unwiped since [`watch()`].
pub fn unwiped() -> Vec<Found> {
    std::mem::take(&mut state().found)
}

/// Kinds of secrets that lie in some block at this moment.
///
/// Other threads must not write to their blocks meanwhile.
pub fn alive() -> BTreeSet<Kind> {
    let mut seen = [false; PATTERNS];
    let mut kinds = [""; PATTERNS];
    {
        let state = state();
        let halves = state.patterns.halves.iter();
        kinds
            .iter_mut()
            .zip(halves)
            .for_each(|(kind, half)| *kind = half.1);
        for (block, length) in state.live.iter().filter(|(block, _)| *block > GONE) {
            // SAFETY: the block is in the table, so it was allocated with this length and is not freed while the lock is held.
            unsafe {
                state
                    .patterns
                    .look(*block as *const u8, *length, |index| seen[index] = true)
            };
        }
    }
    let found = seen.iter().zip(kinds).filter(|(seen, _)| **seen);
    found.map(|(_, kind)| kind).collect()
}

// SAFETY: every call goes to the system's allocator with the arguments it came with. What happens beside it reads the block
// between its allocation and its release, and allocates nothing but under the flag of its own thread.
unsafe impl GlobalAlloc for Watch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that what is found in a block was written while it was this block.
        // SAFETY: the caller keeps the contract of this very function, which is that of the other too.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() && !is_looking() {
            state().insert(block as usize, layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !is_looking() {
            let mut first = None;
            {
                let mut state = state();
                state.remove(block as usize);
                let patterns = &state.patterns;
                // SAFETY: the caller gives up a block of this layout, which is valid until it is freed below.
                unsafe {
                    patterns.look(block, layout.size(), |index| {
                        first = Some(patterns.halves[index].1)
                    })
                };
            }
            if let Some(kind) = first {
                report(kind, layout.size());
            }
        }
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.dealloc(block, layout) };
    }

    // `realloc` and `alloc_zeroed` are the trait's own, which go through the two above: a block that grows is freed where it was.
}

/// Notes a finding. What that allocates is not watched.
fn report(kind: Kind, block: usize) {
    LOOKING.set(true);
    let freed_by = Backtrace::force_capture().to_string();
    let found = Found {
        kind,
        block,
        freed_by,
    };
    state().found.push(found);
    LOOKING.set(false);
}

fn is_looking() -> bool {
    LOOKING.try_with(Cell::get).unwrap_or(true)
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct State {
    patterns: Patterns,
    /// Address and length of each block, by open addressing.
    live: [(usize, usize); BLOCKS],
    found: Vec<Found>,
}

impl State {
    /// Where there is no room the block is not among the living; it is looked at when it is freed all the same.
    fn insert(&mut self, block: usize, length: usize) {
        let place = probe(block).find(|place| self.live[*place].0 <= GONE);
        if let Some(place) = place {
            self.live[place] = (block, length);
        }
    }

    fn remove(&mut self, block: usize) {
        let place = probe(block)
            .take_while(|place| self.live[*place].0 != FREE)
            .find(|place| self.live[*place].0 == block);
        if let Some(place) = place {
            self.live[place] = (GONE, 0);
        }
    }
}

/// Halves of secrets, 16 bytes each, the first byte in memory the highest of the number: what is looked for is then not found in
/// this table itself.
struct Patterns {
    /// In ascending order, once all are there.
    halves: [(u128, Kind); PATTERNS],
    count: usize,
    /// One bit for each value of a half's last two bytes.
    last: [u64; 1 << 10],
}

impl Patterns {
    const NONE: Self = Self {
        halves: [(0, ""); PATTERNS],
        count: 0,
        last: [0; 1 << 10],
    };

    fn set(&mut self, secrets: &[Known]) {
        *self = Self::NONE;
        let halves = secrets.iter().flat_map(|secret| {
            let halves = secret.bytes.as_chunks().0.iter();
            halves.map(|half| (u128::from_be_bytes(*half), secret.kind))
        });
        for (place, half) in self.halves.iter_mut().zip(halves) {
            *place = half;
            self.count += 1;
            let last = half.0 as u16;
            self.last[usize::from(last >> 6)] |= 1 << (last & 63);
        }
        self.halves[..self.count].sort_unstable();
    }

    /// Tells the index of every pattern that lies in the block; the first of those that are the same.
    ///
    /// # Safety
    ///
    /// `length` bytes from `block` on are allocated.
    unsafe fn look(&self, block: *const u8, length: usize, mut found: impl FnMut(usize)) {
        let halves = &self.halves[..self.count];
        if halves.is_empty() {
            return;
        }
        let mut window = 0u128;
        for offset in 0..length {
            // SAFETY: within the block, which was zeroed when it was allocated. Volatile, so that the byte is read as it is, whatever
            // the compiler thinks that nobody reads any more.
            let byte = unsafe { block.add(offset).read_volatile() };
            window = (window << 8) | u128::from(byte);
            let last = window as u16;
            let maybe = (self.last[usize::from(last >> 6)] >> (last & 63)) & 1 == 1;
            if maybe && offset >= 15 {
                let index = halves.partition_point(|(half, _)| *half < window);
                if halves.get(index).is_some_and(|(half, _)| *half == window) {
                    found(index);
                }
            }
        }
    }
}

fn probe(block: usize) -> impl Iterator<Item = usize> {
    // blocks lie on borders of 16 bytes
    let start = (block >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..LONGEST).map(move |step| (start + step) % BLOCKS)
}

/// Halves that fit.
const PATTERNS: usize = 1 << 13;

/// Blocks that are kept track of.
const BLOCKS: usize = 1 << 18;

/// Places that are tried for one block.
const LONGEST: usize = 1 << 8;

/// A place that was never used, and one whose block is gone. No block has such an address.
const FREE: usize = 0;
const GONE: usize = 1;

static STATE: Mutex<State> = Mutex::new(State {
    patterns: Patterns::NONE,
    live: [(FREE, 0); BLOCKS],
    found: Vec::new(),
});

thread_local! {
    /// This thread is writing a finding down.
    static LOOKING: Cell<bool> = const { Cell::new(false) };
}

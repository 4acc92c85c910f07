//! Who shares a piece of work.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// How many threads share the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The caller's thread alone.
    One,
    /// The rayon pool of the caller.
    All,
}

impl Threads {
    /// What `act` gives for each item, in the order of the items, however many threads are at work.
    ///
    /// What must be the same on every machine is not drawn in `act`, but before.
    pub fn map<I, T, U>(self, items: I, act: impl Fn(T) -> U + Send + Sync) -> Vec<U>
    where
        I: IntoIterator<Item = T> + IntoParallelIterator<Item = T>,
        T: Send,
        U: Send,
    {
        match self {
            Self::One => items.into_iter().map(act).collect(),
            Self::All => items.into_par_iter().map(act).collect(),
        }
    }

    /// How many threads that is.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::All => rayon::current_num_threads(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_keeps_its_order_on_any_number_of_threads() {
        let items: Vec<u32> = (0..1000).collect();
        let doubled: Vec<u32> = items.iter().map(|item| item * 2).collect();
        for threads in [Threads::One, Threads::All] {
            assert_eq!(threads.map(&items, |item| item * 2), doubled);
            assert_eq!(threads.map(items.clone(), |item| item * 2), doubled);
        }
    }

    #[test]
    fn the_pool_of_the_caller_is_counted() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build();
        let counts = pool
            .unwrap()
            .install(|| (Threads::One.count(), Threads::All.count()));
        assert_eq!(counts, (1, 3));
    }
}

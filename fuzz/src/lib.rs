//! Not a test suite: a fuzz target looks for what nobody thought of, and proves nothing by not finding it.
//!
//! What it is for: each module takes any bytes and states, by assertions, what must hold whatever they are. The programs in
//! `fuzz_targets/` hand the fuzzer's bytes to these functions; the tests hand them the kept corpora in `corpus/`, so that
//! every input that once mattered is tried again by any `cargo test`. How to run: `README.md`.

#![forbid(unsafe_code)]

pub mod blocks;
pub mod coordinator;
pub mod delta;
pub mod encode;
pub mod federation;
pub mod files;
pub mod member;
pub mod message;
pub mod noise;
pub mod roster;
pub mod seeds;
pub mod source;
pub mod sum;
pub mod task;
pub mod terms;

/// A target: its name, which is that of its corpus, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 12] = [
    ("blocks", blocks::run),
    ("coordinator", coordinator::run),
    ("delta", delta::run),
    ("encode", encode::run),
    ("files", files::run),
    ("member", member::run),
    ("message", message::run),
    ("noise", noise::run),
    ("roster", roster::run),
    ("sum", sum::run),
    ("task", task::run),
    ("terms", terms::run),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_kept_input_holds() {
        for (name, run) in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("corpus")
                .join(name);
            let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
            let tried = files
                .map(|file| run(&fs::read(file.path()).unwrap()))
                .count();
            assert!(tried > 0, "{name} has a corpus");
        }
    }

    #[test]
    fn every_seed_holds() {
        for (target, seeds) in seeds::all() {
            let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
            seeds.iter().for_each(|(_, bytes)| run(bytes));
        }
    }

    #[test]
    fn every_target_has_seeds_and_takes_nothing_at_all() {
        let seeded = seeds::all()
            .into_iter()
            .map(|(target, _)| target)
            .collect::<Vec<_>>();
        for (name, run) in TARGETS {
            assert!(seeded.contains(&name), "{name}");
            run(&[]);
        }
    }
}

use super::*;
use crate::identity::Identity;
use crate::ids::{Attempt, ModelDigest, Round, Slot};
use crate::roster::{Name, RosterDraft};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use sha2::{Digest as _, Sha256};

fn roster(members: u32) -> Arc<Roster> {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let name = |text: String| Name::try_from(text).unwrap();
    let authority = Identity::generate(&mut rng);
    let coordinator = Identity::generate(&mut rng);
    let federation = name("large".into());
    let mut draft = RosterDraft::new(federation, authority.public(), coordinator.public());
    for index in 0..members {
        let key = Identity::generate(&mut rng).public();
        draft.add(name(format!("m{index}")), key).unwrap();
    }
    Arc::new(draft.sign(&authority, &mut rng).unwrap())
}

fn task(name: &str) -> Task {
    let text = format!(
        "version = 1\nname = \"{name}\"\ncorrupt = 2\ndropout = 4\n[encoding]\nkind = \"integer\"\nmin = 0\nmax = 9\n\
         [[tensors]]\nname = \"counts\"\nshape = [3]\ndtype = \"u8\"\n"
    );
    Task::from_toml(&text).unwrap()
}

fn context(roster: &Arc<Roster>, task: &Task, round: u64, attempt: u32) -> RoundContext {
    let (round, attempt, model) = (Round(round), Attempt(attempt), ModelDigest([0; 32]));
    let (task, roster) = (task.clone(), roster.clone());
    RoundContext::new(task, roster, round, attempt, model, Deadlines::default()).unwrap()
}

/// The label table of `spec/crypto.md`: H of the label, the task and the round.
// spec: [label.prefix]
#[test]
fn each_round_of_each_task_turns_by_a_seed_of_its_own_the_same_in_all_attempts() {
    let roster = roster(12);
    let tasks = ["one", "other"].map(task);
    let mut seeds = Vec::new();
    for task in &tasks {
        for round in [1, 2, 1 << 20] {
            let seed = context(&roster, task, round, 0).rotation_seed();
            assert_eq!(seed, context(&roster, task, round, 2).rotation_seed());
            let mut hash = Sha256::new();
            hash.update(b"\x12veilsum/1 rotation");
            hash.update(task.digest().as_bytes());
            hash.update(round.to_be_bytes());
            assert_eq!(seed, <[u8; 32]>::from(hash.finalize()));
            assert!(!seeds.contains(&seed), "round {round}");
            seeds.push(seed);
        }
    }
}

// spec: [upload.quorum] [confirm.electorate]
#[test]
fn survivors_stand_only_with_a_quorum_of_the_electorate_among_them() {
    let context = context(&roster(240), &task("ring"), 1, 0);
    let q = context.parameters.q;
    let committee = context.graph.electorate().to_vec();
    assert!(committee.len() > q as usize && committee.len() < 240);
    // Everybody outside the committee, and so many of it.
    let with = |signers: u32| {
        let outside = (0..240).map(Slot).filter(|slot| !committee.contains(slot));
        let inside = committee.iter().copied().take(signers as usize);
        Bitmap::of(240, outside.chain(inside))
    };
    for got in [0, 1, q - 1] {
        let too_few = SetError::TooFewSigners {
            set: SURVIVORS,
            got,
            want: q,
        };
        assert_eq!(context.check_signers(&with(got)), Err(too_few));
    }
    assert_eq!(context.check_signers(&with(q)), Ok(()));
}

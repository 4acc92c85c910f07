//! R6: whoever chooses the task when the randomness is public chooses among draws; the roster's list of tasks ends that.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use std::sync::Arc;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Attempt, ModelDigest, Round};
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::member::{Floors, Member, UnlistedTasks};
use veilsum_proto::message::Deadlines;
use veilsum_proto::refusal::Refusal;
use veilsum_proto::roster::{Roster, RosterDraft};
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::Task;

fn identity(kind: u8, number: u16) -> Identity {
    let mut secret = [kind; 32];
    secret[..2].copy_from_slice(&number.to_be_bytes());
    Identity::from_secret_bytes(&secret)
}

fn task(more: &str) -> Task {
    let text = format!(
        "version = 1\nname = \"counts\"\ncorrupt = 1\ndropout = 0\n{more}\n[encoding]\nkind = \"integer\"\nmin = 0\nmax = 9\n\
         [[tensors]]\nname = \"counts\"\nshape = [3]\ndtype = \"u8\"\n"
    );
    Task::from_toml(&text).unwrap()
}

/// A roster of 240 members: automatic graphs are rings, and have a committee.
fn roster(listed: &[&Task]) -> Arc<Roster> {
    let authority = identity(1, 0);
    let name = "large".parse().unwrap();
    let mut draft = RosterDraft::new(name, authority.public(), identity(2, 0).public());
    for number in 0..240 {
        let name = format!("m{number}").parse().unwrap();
        draft.add(name, identity(3, number).public()).unwrap();
    }
    for task in listed {
        draft.allow_task(task.digest()).unwrap();
    }
    let signed = draft.sign(&authority, &mut ChaCha20Rng::seed_from_u64(1));
    Arc::new(signed.unwrap())
}

/// Member 5 is invited to a round of the task.
fn invited(task: &Task, roster: &Arc<Roster>, unlisted: UnlistedTasks) -> Result<(), Refusal> {
    let deadlines = Deadlines {
        advertise_ms: 1000,
        share_ms: 1000,
        accept_ms: 1000,
        upload_ms: 1000,
        confirm_ms: 1000,
        reveal_ms: 1000,
    };
    let (round, attempt, model) = (Round(1), Attempt(0), ModelDigest([0; 32]));
    let context = RoundContext::new(
        task.clone(),
        roster.clone(),
        round,
        attempt,
        model,
        deadlines,
    );
    let me = Arc::new(identity(3, 5));
    let floors = Floors {
        unlisted,
        ..Floors::default()
    };
    let ledger = MemoryLedger::default();
    Member::invited(
        &context.unwrap().open(),
        roster.clone(),
        me,
        floors,
        &ledger,
    )
    .map(|_| ())
}

fn kind(outcome: Result<(), Refusal>) -> &'static str {
    outcome.map_or_else(|refusal| refusal.kind(), |()| "joined")
}

// spec: [open.task-drawn] [roster.tasks]
#[test]
fn a_task_with_a_drawn_graph_is_joined_only_if_the_authority_listed_it_or_the_site_says_so() {
    let ring = task("");
    let signed_by_all = task("electorate = \"all\"");
    let complete = task("graph = \"complete\"\nelectorate = \"all\"");
    let (any, listing) = (roster(&[]), roster(&[&ring]));
    for (task, roster, unlisted, wanted) in [
        (&ring, &any, UnlistedTasks::Undrawn, "policy"),
        (&ring, &any, UnlistedTasks::Refused, "policy"),
        (&signed_by_all, &any, UnlistedTasks::Undrawn, "policy"),
        (&ring, &any, UnlistedTasks::Any, "joined"),
        (&ring, &listing, UnlistedTasks::Undrawn, "joined"),
        (&ring, &listing, UnlistedTasks::Refused, "joined"),
        (&complete, &any, UnlistedTasks::Undrawn, "joined"),
        (&complete, &any, UnlistedTasks::Refused, "policy"),
    ] {
        let found = kind(invited(task, roster, unlisted));
        assert_eq!(found, wanted, "{:?} {unlisted:?}", task.spec().graph);
    }
}

// spec: [open.task-drawn]
#[test]
fn a_drawn_cohort_counts_as_drawn_even_if_its_graph_is_complete() {
    // everybody would be in the cohort: then nothing is drawn
    for (cohort, wanted) in [(230, "policy"), (240, "joined")] {
        let more = format!("graph = \"complete\"\nelectorate = \"all\"\ncohort = {cohort}");
        let task = task(&more);
        let outcome = invited(&task, &roster(&[]), UnlistedTasks::Undrawn);
        match outcome {
            // its slot may not have been drawn, which is judged before
            Err(Refusal::NotInRound(_)) => assert_eq!(wanted, "policy"),
            outcome => assert_eq!(kind(outcome), wanted, "{cohort}"),
        }
    }
}

// spec: [open.task-signed] [roster.tasks]
#[test]
fn under_a_roster_that_lists_tasks_no_other_is_joined_whatever_the_site_says() {
    let (listed, other) = (task("max_attempts = 2"), task("max_attempts = 3"));
    let roster = roster(&[&listed]);
    for unlisted in [
        UnlistedTasks::Refused,
        UnlistedTasks::Undrawn,
        UnlistedTasks::Any,
    ] {
        assert_eq!(kind(invited(&listed, &roster, unlisted)), "joined");
        assert_eq!(kind(invited(&other, &roster, unlisted)), "task_not_listed");
    }
}

use super::*;

const TASK: TaskDigest = TaskDigest([1; 32]);
const OTHER_TASK: TaskDigest = TaskDigest([2; 32]);
const ROSTER: RosterDigest = RosterDigest([3; 32]);

fn after(entries: impl IntoIterator<Item = Entry>) -> LedgerState {
    let mut state = LedgerState::default();
    entries.into_iter().for_each(|entry| state.apply(&entry));
    state
}

fn advert(round: u64, attempt: u32) -> Entry {
    Entry::Advert {
        task: TASK,
        roster: ROSTER,
        round: Round(round),
        attempt: Attempt(attempt),
    }
}

fn joins(state: &LedgerState, round: u64, attempt: u32, retry: bool) -> Result<(), &'static str> {
    let joined = state.may_join(&TASK, &ROSTER, Round(round), Attempt(attempt), retry);
    joined.map_err(|refusal| match refusal {
        LedgerRefusal::OldRound { .. } => "old round",
        LedgerRefusal::OldAttempt { .. } => "old attempt",
        LedgerRefusal::NoRetry { .. } => "no retry",
        LedgerRefusal::RoundClosed { .. } => "closed",
        other => panic!("{other}"),
    })
}

// spec: [join.ledger]
#[test]
fn rounds_and_attempts_go_forward_only() {
    let state = after([advert(5, 1)]);
    assert_eq!(state.highest_round(&TASK), Some(Round(5)));
    assert_eq!(state.highest_round(&OTHER_TASK), None);
    for (round, attempt, retry, outcome) in [
        (4, 9, true, Err("old round")),
        (5, 0, true, Err("old attempt")),
        (5, 1, true, Err("old attempt")),
        (5, 2, true, Ok(())),
        (5, 2, false, Err("no retry")),
        (6, 0, false, Ok(())),
    ] {
        let found = joins(&state, round, attempt, retry);
        assert_eq!(found, outcome, "round {round}, attempt {attempt}");
    }
    let other = state.may_join(&OTHER_TASK, &ROSTER, Round(1), Attempt(0), false);
    assert_eq!(other, Ok(()), "another task counts by itself");
}

// spec: [join.ledger]
#[test]
fn a_round_stays_with_its_roster() {
    let state = after([advert(5, 1)]);
    let other = RosterDigest([4; 32]);
    let joined = |round| state.may_join(&TASK, &other, Round(round), Attempt(2), true);
    let refused = joined(5);
    assert!(
        matches!(refused, Err(LedgerRefusal::OtherRoster { .. })),
        "{refused:?}"
    );
    assert_eq!(joined(6), Ok(()));
}

// spec: [join.closed]
#[test]
fn after_a_signature_no_attempt_of_the_round_is_joined() {
    let signed = Entry::Signed {
        task: TASK,
        round: Round(5),
        sid2: Sid2([5; 32]),
        survivors: SurvivorsDigest([6; 32]),
    };
    let state = after([advert(5, 1), signed]);
    assert_eq!(joins(&state, 5, 2, true), Err("closed"));
    assert_eq!(joins(&state, 6, 0, true), Ok(()));
}

#[test]
fn an_update_is_that_of_its_task_and_round() {
    let update = Entry::Update {
        task: TASK,
        round: Round(5),
        attempt: Attempt(1),
        update: UpdateDigest([7; 32]),
    };
    let state = after([advert(5, 1), update]);
    assert!(state.has_update(&TASK, Round(5)));
    assert!(!state.has_update(&TASK, Round(6)));
    assert!(!state.has_update(&OTHER_TASK, Round(5)));
    assert!(!after([advert(5, 1)]).has_update(&TASK, Round(5)));
}

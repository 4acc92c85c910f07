//! How far the member has come, and what its command will end with.

use crate::exit::{Failure, Kind, Outcome};
use crate::table::rounds;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use veilsum_client::{Event, StopHandle};

/// Shared by the contributor's thread, the observer and the command.
pub(super) struct Standing {
    stop: StopHandle,
    /// Rounds to take part in; 0 until stopped.
    wanted: u64,
    offer: Offer,
    state: Mutex<State>,
}

/// What a member brings to its rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// The same file to each.
    OneFile,
    /// To each what a program or a training makes for it.
    Fresh,
    /// Answers to questions.
    Answers,
}

struct State {
    with_sum: u64,
    without_sum: u64,
    failure: Option<Failure>,
    /// Since when the coordinator is out of reach.
    unreached: Option<Instant>,
    last_reason: String,
}

impl Standing {
    pub(super) fn new(stop: StopHandle, wanted: u64, offer: Offer) -> Self {
        let state = State {
            with_sum: 0,
            without_sum: 0,
            failure: None,
            unreached: Some(Instant::now()),
            last_reason: "no answer".to_owned(),
        };
        Self {
            stop,
            wanted,
            offer,
            state: Mutex::new(state),
        }
    }

    /// Takes note of an event.
    pub(super) fn see(&self, event: &Event) {
        let mut state = self.state();
        match event {
            Event::Connected { .. } => state.unreached = None,
            Event::Disconnected { reason } => {
                state.unreached.get_or_insert_with(Instant::now);
                state.last_reason.clone_from(reason);
            }
            // the same file would meet the same answer in every round
            Event::Refused { kind, text }
                if self.offer == Offer::OneFile && OF_UPDATE.contains(&kind.as_str()) =>
            {
                drop(state);
                self.fail(
                    Failure::refused(format_args!("the update cannot be contributed: {text}"))
                        .hint("`veilsum task show TASK` says what the task takes"),
                );
            }
            // the next question is another one
            // spec: [answer.refused]
            Event::Refused { kind, .. }
                if kind == "update_used" && self.offer == Offer::Answers && self.is_endless() => {}
            Event::Refused { kind, text } if kind == "update_used" => {
                drop(state);
                self.fail(Failure::refused(text).hint(self.hint_of_reuse()));
            }
            // what is spent stays spent: no later round of the task would be joined either
            Event::Refused { kind, text } if kind == "over_budget" && self.wanted > 0 => {
                drop(state);
                self.fail(Failure::refused(text).hint(
                    "a larger epsilon in [privacy] of the policy lets the member go on, at the price that it names",
                ));
            }
            _ => {}
        }
    }

    /// Ends the command with this, unless something else came first.
    pub(super) fn fail(&self, failure: Failure) {
        self.state().failure.get_or_insert(failure);
        self.stop.stop();
    }

    /// Ends the command, as the end of the last round does.
    pub(super) fn done(&self) {
        self.stop.stop();
    }

    pub(super) fn interrupted(&self) {
        match self.wanted {
            0 => self.stop.stop(),
            _ => self.fail(Failure::new(
                Kind::Interrupted,
                "stopped before the result was there",
            )),
        }
    }

    /// Whether the member goes on until it is stopped.
    pub(super) fn is_endless(&self) -> bool {
        self.wanted == 0
    }

    /// Whether the command is ending.
    pub(super) fn is_failed(&self) -> bool {
        self.state().failure.is_some()
    }

    /// Counts a round with a sum; whether it was the last.
    pub(super) fn with_sum(&self) -> bool {
        self.state().with_sum += 1;
        self.is_enough()
    }

    /// Counts a round that ended without a sum; whether it was the last.
    pub(super) fn without_sum(&self) -> bool {
        self.state().without_sum += 1;
        self.is_enough()
    }

    /// Returns once the coordinator was out of reach for so long; never without a limit.
    pub(super) async fn out_of_reach(&self, limit: Option<Duration>) {
        let Some(limit) = limit else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(limit.min(Duration::from_millis(100))).await;
            let state = self.state();
            if state
                .unreached
                .is_some_and(|since| since.elapsed() >= limit)
            {
                let error = format!(
                    "coordinator was out of reach for {limit:?}: {}",
                    state.last_reason
                );
                drop(state);
                let hint = "check `coordinator` in the configuration, and that it is running";
                return self.fail(Failure::new(Kind::Network, error).hint(hint));
            }
        }
    }

    /// What the command ends with.
    pub(super) fn outcome(&self, ended: Outcome) -> Outcome {
        let mut state = self.state();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        ended?;
        match (state.without_sum, state.with_sum) {
            (0, _) => Ok(()),
            (without, with) => Err(Failure::new(
                Kind::Aborted,
                format_args!("{} ended without a sum, {with} with one", rounds(without)),
            )
            .hint("the lines `abort` say in which phase and why; the next round starts afresh")),
        }
    }

    fn hint_of_reuse(&self) -> &'static str {
        match self.offer {
            Offer::OneFile | Offer::Fresh => {
                "make a new update for each round (--exec), bound epsilon in the policy if the task has noise, or say reuse_update = true there if the update is public"
            }
            Offer::Answers => {
                "the same was asked before, and without noise that a budget bounds it is answered once: two sums show what the members hold who are in one of them only"
            }
        }
    }

    /// Whether no further round is to be taken part in.
    pub(super) fn is_enough(&self) -> bool {
        let state = self.state();
        self.wanted > 0 && state.with_sum + state.without_sum >= self.wanted
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // every change is one assignment
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refusals that an update brings on itself; no part of its values was sent.
const OF_UPDATE: [&str; 3] = ["contributor", "encode", "update"];

#[cfg(test)]
mod tests {
    use super::*;
    use veilsum_client::stop_pair;

    #[test]
    fn a_question_asked_twice_ends_no_member_that_answers_until_it_is_stopped() {
        // spec: [answer.refused]
        let ends = |offer, wanted| {
            let standing = Standing::new(stop_pair().0, wanted, offer);
            standing.see(&Event::Refused {
                kind: "update_used".to_owned(),
                text: "update already used".to_owned(),
            });
            standing.is_failed()
        };
        assert!(!ends(Offer::Answers, 0));
        assert!(ends(Offer::Answers, 3));
        assert!(ends(Offer::Fresh, 0));
        assert!(ends(Offer::OneFile, 0));
    }
}

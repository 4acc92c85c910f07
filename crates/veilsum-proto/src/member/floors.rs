//! What a site demands of every task and round, whatever the coordinator asks for.

use crate::refusal::Refusal;
use crate::session::RoundContext;
use std::time::Duration;

/// The part of a site's policy that the protocol enforces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floors {
    /// Smallest survivor set the site joins: the task's floor must not be below it.
    pub survivors: u32,
    /// Corrupt members the site assumes at least: the task's count must not be below it.
    pub corrupt: u32,
    /// Whether tasks without differential privacy are refused.
    pub noise_required: bool,
    /// Whether a further attempt of a round may be joined before anything was signed.
    pub retry: bool,
    /// Whether an update may go into more than one round.
    pub reuse_update: bool,
    /// Longest time the secrets of an attempt are kept.
    pub longest_attempt: Duration,
}

impl Default for Floors {
    fn default() -> Self {
        Self {
            survivors: 2,
            corrupt: 0,
            noise_required: false,
            retry: true,
            reuse_update: false,
            longest_attempt: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Floors {
    /// Holds a round against the site's floors.
    ///
    /// # Errors
    ///
    /// [`Refusal::Policy`] naming the floor, what was found and what is wanted.
    // spec: [join.policy]
    pub fn check(&self, context: &RoundContext) -> Result<(), Refusal> {
        let parameters = &context.parameters;
        at_least("floor of the task", parameters.f, self.survivors)?;
        // Of the whole roster: a cohort's own count follows from it.
        let corrupt = context.task.spec().corrupt.floor_of(context.slots());
        at_least("corrupt members tolerated", corrupt, self.corrupt)?;
        if self.noise_required && parameters.tolerated.is_none() {
            return Err(Refusal::Policy {
                what: "differential privacy",
                got: "none".into(),
                want: "a task with noise".into(),
            });
        }
        Ok(())
    }
}

fn at_least(what: &'static str, got: u32, want: u32) -> Result<(), Refusal> {
    if got >= want {
        return Ok(());
    }
    Err(Refusal::Policy {
        what,
        got: got.to_string(),
        want: format!("at least {want}"),
    })
}

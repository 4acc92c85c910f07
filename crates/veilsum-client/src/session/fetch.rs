//! Models and sums: blobs by digest, fetched on where they stopped.

use veilsum_quic::{FetchError, PartialBlob};

use super::round::{Model, Outcome, Receipted, RoundKey};
use super::{Happening, Session};
use crate::ClientError;

/// A blob that was fetched, or was not.
pub(super) struct Fetched {
    key: RoundKey,
    line: u64,
    wanted: Wanted,
    outcome: Result<(), FetchError>,
}

/// What was fetched, as far as it came.
enum Wanted {
    Model(Box<PartialBlob>),
    Sum(Box<Receipted>),
}

/// What to do after a fetch that failed.
enum Next {
    /// Go on over this line.
    Again,
    /// Go on over the next line.
    Wait,
    /// Nothing will help.
    GiveUp,
}

impl Session {
    /// Fetches the round's model, if it is wanted and there is a line.
    // spec: [model.fetch]
    pub(super) fn fetch_model(&mut self, key: RoundKey) {
        let most = self.config.policy.max_model_bytes;
        let (Some(_), Some(round)) = (&self.line, self.rounds.get_mut(&key)) else {
            return;
        };
        match std::mem::replace(&mut round.model, Model::Fetching) {
            Model::Wanted(blob) => self.fetch(key, Wanted::Model(blob), most),
            other => round.model = other,
        }
    }

    /// Fetches the round's sum, if it is wanted and there is a line.
    // spec: [result.fetch]
    pub(super) fn fetch_sum(&mut self, key: RoundKey) {
        let (Some(_), Some(round)) = (&self.line, self.rounds.get_mut(&key)) else {
            return;
        };
        let most = u64::try_from(round.context.plan.packed_bytes()).unwrap_or(u64::MAX);
        match std::mem::replace(&mut round.outcome, Outcome::Fetching) {
            Outcome::Wanted(receipted) => self.fetch(key, Wanted::Sum(receipted), most),
            other => round.outcome = other,
        }
    }

    fn fetch(&mut self, key: RoundKey, mut wanted: Wanted, most: u64) {
        let Some(line) = &self.line else { return };
        let (connection, line, outbox) = (line.connection.clone(), line.id, self.outbox.clone());
        self.tasks.spawn(async move {
            let outcome = connection.fetch(wanted.blob(), most).await;
            let fetched = Fetched {
                key,
                line,
                wanted,
                outcome,
            };
            // the session may be over
            let _ = outbox.send(Happening::Fetched(Box::new(fetched))).await;
        });
    }

    pub(super) async fn fetched(&mut self, fetched: Fetched) -> Result<(), ClientError> {
        let Fetched {
            key,
            line,
            wanted,
            outcome,
        } = fetched;
        match wanted {
            Wanted::Model(blob) => self.model(key, line, blob, outcome).await,
            Wanted::Sum(receipted) => self.sum(key, line, receipted, outcome).await,
        }
    }

    // spec: [model.verify]
    async fn model(
        &mut self,
        key: RoundKey,
        line: u64,
        blob: Box<PartialBlob>,
        outcome: Result<(), FetchError>,
    ) -> Result<(), ClientError> {
        let Some(round) = self.rounds.get_mut(&key) else {
            return Ok(());
        };
        let next = match outcome {
            Ok(()) => {
                round.model = blob.into_bytes().map_or(Model::Unavailable, Model::Here);
                return self.advance(key).await;
            }
            Err(error) => self.failed("model", &error),
        };
        let Some(round) = self.rounds.get_mut(&key) else {
            return Ok(());
        };
        if matches!(next, Next::Again) {
            round.broken_fetches = round.broken_fetches.saturating_add(1);
        }
        round.model = match next {
            Next::GiveUp => Model::Unavailable,
            Next::Again if round.broken_fetches > MOST_TRIES => Model::Unavailable,
            Next::Again | Next::Wait => Model::Wanted(blob),
        };
        match self.goes_on(&next, line) {
            true => self.advance(key).await,
            false => Ok(()),
        }
    }

    async fn sum(
        &mut self,
        key: RoundKey,
        line: u64,
        mut receipted: Box<Receipted>,
        outcome: Result<(), FetchError>,
    ) -> Result<(), ClientError> {
        if !self.rounds.contains_key(&key) {
            return Ok(());
        }
        let next = match outcome {
            Ok(()) => return self.decode_sum(key, *receipted).await,
            Err(error) => self.failed("sum", &error),
        };
        receipted.tries = receipted.tries.saturating_add(1);
        let given_up = matches!(next, Next::GiveUp) || receipted.tries > MOST_TRIES;
        let Some(round) = self.rounds.get_mut(&key) else {
            return Ok(());
        };
        round.outcome = match given_up {
            true => Outcome::Done,
            false => Outcome::Wanted(receipted),
        };
        if given_up {
            return self.advance_after(key).await;
        }
        if self.goes_on(&next, line) {
            self.fetch_sum(key);
        }
        Ok(())
    }

    /// Whether to go on at once: over a line that lives, or over one that came after the one that broke.
    fn goes_on(&self, next: &Next, line: u64) -> bool {
        match next {
            Next::Again => true,
            Next::Wait => self.line.as_ref().is_some_and(|live| live.id > line),
            Next::GiveUp => false,
        }
    }

    fn failed(&self, what: &str, error: &FetchError) -> Next {
        let (kind, next) = match error {
            FetchError::Closed(_) => return Next::Wait,
            FetchError::BrokenOff { .. } => ("broken_off", Next::Again),
            FetchError::Stalled { .. } => ("stalled", Next::Again),
            FetchError::LengthChanged { .. } => ("length_changed", Next::GiveUp),
            FetchError::Unknown { .. } => ("unknown", Next::GiveUp),
            FetchError::TooLarge { .. } => ("too_large", Next::GiveUp),
            FetchError::WrongDigest { .. } => ("wrong_digest", Next::GiveUp),
            FetchError::Malformed { .. } => ("malformed", Next::GiveUp),
            FetchError::Disk(_) => ("disk", Next::GiveUp),
        };
        self.watcher
            .refused(&format!("{what}_{kind}"), &format!("{what}: {error}"));
        next
    }
}

impl Wanted {
    fn blob(&mut self) -> &mut PartialBlob {
        match self {
            Self::Model(blob) => blob,
            Self::Sum(receipted) => &mut receipted.blob,
        }
    }
}

/// Fetches of one blob that may fail.
const MOST_TRIES: u32 = 32;

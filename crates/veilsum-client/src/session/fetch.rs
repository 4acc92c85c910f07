//! Models and sums: blobs by digest, fetched on where they stopped.

use veilsum_quic::FetchError;

use super::model::{Arrived, Bringer, Incoming, is_final};
use super::round::{Model, Outcome, Receipted, RoundKey};
use super::{Happening, Session};
use crate::{ClientError, Event};

/// A blob that was fetched, or was not.
pub(super) struct Fetched {
    key: RoundKey,
    line: u64,
    what: What,
}

/// What was fetched, as far as it came.
enum What {
    Model(Box<Incoming>, Result<Arrived, FetchError>),
    Sum(Box<Receipted>, Result<(), FetchError>),
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
        let (Some(line), Some(round)) = (&self.line, self.rounds.get_mut(&key)) else {
            return;
        };
        let mut incoming = match std::mem::replace(&mut round.model, Model::Fetching) {
            Model::Wanted(incoming) => incoming,
            other => return round.model = other,
        };
        let bringer = Bringer {
            task: key.0,
            models: self.models.clone(),
            watcher: self.watcher.clone(),
            most: self.config.policy.max_model_bytes,
        };
        let (connection, line, outbox) = (line.connection.clone(), line.id, self.outbox.clone());
        self.tasks.spawn(async move {
            let outcome = incoming.bring(&connection, &bringer).await;
            let what = What::Model(incoming, outcome);
            let fetched = Box::new(Fetched { key, line, what });
            // the session may be over
            let _ = outbox.send(Happening::Fetched(fetched)).await;
        });
    }

    /// Fetches the round's sum, if it is wanted and there is a line.
    // spec: [result.fetch]
    pub(super) fn fetch_sum(&mut self, key: RoundKey) {
        let (Some(line), Some(round)) = (&self.line, self.rounds.get_mut(&key)) else {
            return;
        };
        let most = u64::try_from(round.context.plan.packed_bytes()).unwrap_or(u64::MAX);
        let mut receipted = match std::mem::replace(&mut round.outcome, Outcome::Fetching) {
            Outcome::Wanted(receipted) => receipted,
            other => return round.outcome = other,
        };
        let (connection, line, outbox) = (line.connection.clone(), line.id, self.outbox.clone());
        self.tasks.spawn(async move {
            let outcome = connection.fetch(&mut receipted.blob, most).await;
            let what = What::Sum(receipted, outcome);
            let fetched = Box::new(Fetched { key, line, what });
            // the session may be over
            let _ = outbox.send(Happening::Fetched(fetched)).await;
        });
    }

    pub(super) async fn fetched(&mut self, fetched: Fetched) -> Result<(), ClientError> {
        let Fetched { key, line, what } = fetched;
        match what {
            What::Model(incoming, outcome) => self.model(key, line, incoming, outcome).await,
            What::Sum(receipted, outcome) => self.sum(key, line, receipted, outcome).await,
        }
    }

    async fn model(
        &mut self,
        key: RoundKey,
        line: u64,
        mut incoming: Box<Incoming>,
        outcome: Result<Arrived, FetchError>,
    ) -> Result<(), ClientError> {
        if !self.rounds.contains_key(&key) {
            return Ok(());
        }
        let next = match outcome {
            Ok(arrived) => return self.arrived(key, arrived).await,
            Err(error) => self.failed("model", &error),
        };
        let Some(round) = self.rounds.get_mut(&key) else {
            return Ok(());
        };
        if matches!(next, Next::Again) {
            incoming.breaks = incoming.breaks.saturating_add(1);
        }
        round.model = match next {
            Next::GiveUp => Model::Unavailable,
            Next::Again if incoming.breaks > MOST_TRIES => Model::Unavailable,
            Next::Again | Next::Wait => Model::Wanted(incoming),
        };
        match self.goes_on(&next, line) {
            true => self.advance(key).await,
            false => Ok(()),
        }
    }

    // spec: [model.report]
    async fn arrived(&mut self, key: RoundKey, arrived: Arrived) -> Result<(), ClientError> {
        let Some(round) = self.rounds.get_mut(&key) else {
            return Ok(());
        };
        let Arrived { model, by, fetched } = arrived;
        let event = Event::Model {
            task: round.context.task.name().to_string(),
            round: round.context.round,
            by,
            fetched_bytes: fetched,
            bytes: u64::try_from(model.len()).unwrap_or(u64::MAX),
            sha256: hex::encode(round.open.base_model.0),
        };
        round.model = Model::Here(model);
        self.watcher.tell(&event);
        self.advance(key).await
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
        let kind = match error {
            FetchError::Closed(_) => return Next::Wait,
            FetchError::BrokenOff { .. } => "broken_off",
            FetchError::Stalled { .. } => "stalled",
            FetchError::LengthChanged { .. } => "length_changed",
            FetchError::Unknown { .. } => "unknown",
            FetchError::TooLarge { .. } => "too_large",
            FetchError::WrongDigest { .. } => "wrong_digest",
            FetchError::Malformed { .. } => "malformed",
            FetchError::Disk(_) => "disk",
        };
        let next = match is_final(error) {
            true => Next::GiveUp,
            false => Next::Again,
        };
        self.watcher
            .refused(&format!("{what}_{kind}"), &format!("{what}: {error}"));
        next
    }
}

/// Fetches of one blob that may fail.
const MOST_TRIES: u32 = 32;

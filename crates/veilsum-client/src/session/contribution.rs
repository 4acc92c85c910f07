//! The contribution: clipped, quantised, noised and packed on a thread of its own right after the advert, so that the answer to the
//! Share set waits for the mask alone.
//!
//! Not for masks and not for the ledger: what is made here has left nothing but the member's memory. It is dropped with its
//! attempt, whether it is made by then or not.

use std::sync::{Arc, Weak};

use rand_core::CryptoRng;
use tokio::sync::Semaphore;
use veilsum_dp::MemberNoise;
use veilsum_encode::{
    Contribution, EncodeError, Report, UpdateError, contribute, contribute_with_noise,
};
use veilsum_proto::ids::UpdateDigest;
use veilsum_proto::session::RoundContext;

use super::round::{Local, RoundKey};
use super::step::{blocking, system_rng};
use super::workbench::Prepared;
use super::{Happening, Session};
use crate::rounding::rounding_rng;
use crate::{ClientError, ClippedNorm, Event};

/// How far the contribution of an attempt is.
pub(super) enum Making {
    /// Not begun, failed, or handed over.
    Not,
    /// Not begun, as its update was promised and is not here yet.
    Awaited {
        /// Whether the Share set stands, so that it is masked as soon as it is made.
        due: bool,
    },
    /// At work, or in line for it.
    Working {
        /// The maker holds it weakly: it stops when the attempt has dropped it.
        wanted: Arc<()>,
        /// Whether the Share set stands, so that it is masked as soon as it is made.
        due: bool,
    },
    /// Made.
    Ready(Box<Contribution>, UpdateDigest),
}

/// How the making of a contribution ended.
pub(super) struct Made {
    key: RoundKey,
    /// Of the attempt it was made for.
    wanted: Weak<()>,
    outcome: Result<Result<(Contribution, Report), NoContribution>, ClientError>,
    digest: UpdateDigest,
}

/// Why there is no contribution.
#[derive(Debug, thiserror::Error)]
enum NoContribution {
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Session {
    /// Begins to make the contribution of an attempt that was advertised, once its update is here. One is made at a time, whatever is open.
    // spec: [upload.prepare] [site.one-contribution]
    pub(super) fn make_contribution(&mut self, key: RoundKey, noise: Option<MemberNoise>) {
        let Some(round) = self.rounds.get_mut(&key) else {
            return;
        };
        let Local::Ready(prepared) = &round.local else {
            round.contribution = Making::Awaited { due: false };
            return;
        };
        let (prepared, context) = (prepared.clone(), round.context.clone());
        let wanted = Arc::new(());
        let weak = Arc::downgrade(&wanted);
        let due = matches!(round.contribution, Making::Awaited { due: true });
        round.contribution = Making::Working { wanted, due };
        let (encoder, outbox) = (self.encoder.clone(), self.outbox.clone());
        let seed = self.config.known_rounding();
        self.tasks.spawn(async move {
            let digest = prepared.digest;
            let act = move || {
                let made = make(&prepared, &context, noise.as_ref(), seed);
                drop((prepared, noise));
                made
            };
            let Some(outcome) = in_turn(encoder, &weak, act).await else {
                return;
            };
            let made = Made {
                key,
                outcome,
                wanted: weak,
                digest,
            };
            // the session may be over
            let _ = outbox.send(Happening::Made(Box::new(made))).await;
        });
    }

    /// Keeps a contribution that its attempt still wants, and masks it if the Share set stands already.
    pub(super) async fn made(&mut self, made: Made) -> Result<(), ClientError> {
        let outcome = made.outcome?;
        let Some(round) = self.rounds.get_mut(&made.key) else {
            return Ok(());
        };
        let due = match &round.contribution {
            Making::Working { wanted, due } if is_of(&made.wanted, wanted) => *due,
            Making::Working { .. } | Making::Awaited { .. } | Making::Ready(..) | Making::Not => {
                return Ok(());
            }
        };
        let (contribution, report) = match outcome {
            Ok(made) => made,
            Err(error) => {
                round.contribution = Making::Not;
                self.watcher.refused("encode", &error);
                return self.break_promise(made.key).await;
            }
        };
        round.contribution = Making::Ready(Box::new(contribution), made.digest);
        let context = round.context.clone();
        self.report(&context, &report);
        match due {
            true => self.contribute(made.key).await,
            false => Ok(()),
        }
    }

    /// The contribution if it is made; else it is masked as soon as it is.
    pub(super) fn take_contribution(
        &mut self,
        key: RoundKey,
    ) -> Option<(Contribution, UpdateDigest)> {
        let round = self.rounds.get_mut(&key)?;
        match std::mem::replace(&mut round.contribution, Making::Not) {
            Making::Ready(contribution, digest) => Some((*contribution, digest)),
            Making::Working { wanted, .. } => {
                round.contribution = Making::Working { wanted, due: true };
                None
            }
            Making::Awaited { .. } => {
                round.contribution = Making::Awaited { due: true };
                None
            }
            Making::Not => None,
        }
    }

    /// Nothing is cut in silence.
    // spec: [upload.saturated]
    fn report(&self, context: &RoundContext, report: &Report) {
        let Report {
            saturated,
            clipped_norm,
            clipped_coordinates,
        } = *report;
        if saturated == 0 && clipped_norm.is_none() && clipped_coordinates == 0 {
            return;
        }
        self.watcher.tell(&Event::Saturated {
            task: context.task.name().to_string(),
            round: context.round,
            attempt: context.attempt,
            count: saturated,
            clipped: clipped_coordinates,
            clipped_norm: clipped_norm.map(ClippedNorm),
            coordinates: context.plan.coordinates(),
        });
    }
}

/// Runs what is heavy when it is its turn, one at a time; not at all if nobody wants it any more.
async fn in_turn<T: Send + 'static>(
    encoder: Arc<Semaphore>,
    wanted: &Weak<()>,
    act: impl FnOnce() -> T + Send + 'static,
) -> Option<Result<T, ClientError>> {
    let turn = encoder.acquire_owned().await.ok()?;
    if wanted.strong_count() == 0 {
        return None;
    }
    // the turn lasts as long as the thread works, also when nobody waits for it any more
    let outcome = blocking(move || {
        let made = act();
        drop(turn);
        made
    });
    Some(outcome.await)
}

fn is_of(made: &Weak<()>, wanted: &Arc<()>) -> bool {
    std::ptr::eq(made.as_ptr(), Arc::as_ptr(wanted))
}

/// Clips, quantises, adds the noise and packs. Heavy.
fn make(
    prepared: &Prepared,
    context: &RoundContext,
    noise: Option<&MemberNoise>,
    seed: Option<[u8; 32]>,
) -> Result<(Contribution, Report), NoContribution> {
    let update = prepared.update(&context.plan)?;
    let rotation = context.rotation_seed();
    let mut rng: Box<dyn CryptoRng> = match seed {
        Some(seed) => {
            let (round, attempt) = (context.round, context.attempt);
            Box::new(rounding_rng(&seed, &context.task_digest, round, attempt))
        }
        None => Box::new(system_rng()),
    };
    let (plan, weight) = (&context.plan, prepared.weight);
    let made = match (&context.noise, noise) {
        (Some(task), Some(own)) => {
            contribute_with_noise(update, plan, weight, &rotation, task.plan(), own, &mut *rng)
        }
        // without its noise a plan that has some packs nothing
        _ => contribute(update, plan, weight, &rotation, &mut *rng),
    };
    Ok(made?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    // spec: [site.one-contribution] [upload.prepare]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn contributions_are_made_one_at_a_time_and_not_for_attempts_that_are_over() {
        let encoder = Arc::new(Semaphore::new(1));
        let (at_work, most, runs) =
            <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let attempts = [(); 6].map(Arc::new);
        let makers = attempts.iter().map(|attempt| {
            let (encoder, wanted) = (encoder.clone(), Arc::downgrade(attempt));
            let (at_work, most, runs) = (at_work.clone(), most.clone(), runs.clone());
            tokio::spawn(async move {
                let act = move || {
                    most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(30));
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    runs.fetch_add(1, Ordering::SeqCst)
                };
                in_turn(encoder, &wanted, act).await
            })
        });
        let makers = makers.collect::<Vec<_>>();
        while runs.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // the attempts end: at most the one at work goes on
        drop(attempts);
        let mut made = 0;
        for maker in makers {
            made += usize::from(maker.await.unwrap().is_some());
        }
        assert_eq!(most.load(Ordering::SeqCst), 1);
        assert_eq!(made, runs.load(Ordering::SeqCst));
        assert!(made < 6, "{made} were made");
    }
}

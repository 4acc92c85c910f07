//! The same guarantee from somebody who is trusted with every update: one draw of the least noise on the exact sum.
//!
//! What a federation pays beyond that is the noise that corrupt and missing members make necessary. Clip, grid and rounding are those of
//! the task, so that nothing else differs.

use super::lines::RoundLine;
use super::setup::failure;
use crate::exit::Failure;
use crate::random;
use rand::Rng as _;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use veilsum_dp::{
    BaseSeed, CalibrationError, ChainValue, Cohort, NoiseBound, NoiseContext, NoisePlan,
    NoiseSecrets, Sharing, Target, calibrate,
};
use veilsum_encode::{Encoding, FloatEncoding, IntegerSum, Plan, Tensors, Update, Weight};
use veilsum_learn::job::{Brought, PrivacyParts};
use veilsum_learn::{CoordinatorHalf, Job, MemberHalf, Model, Outcome};
use veilsum_proto::task::Task;

/// Clip, grid, and noise of one who is trusted.
struct Trusted {
    plan: Plan,
    noise: NoisePlan,
}

/// Trains the job once more, in each round over those that survived it; `None` without privacy.
pub(super) fn model(
    job: &Job,
    task: &Task,
    history: &[RoundLine],
) -> Result<Option<Model>, Failure> {
    let Some(trusted) = Trusted::of(job, task)? else {
        return Ok(None);
    };
    let told = |error| failure(&error);
    let members = (0..job.spec().members).map(|member| MemberHalf::new(job, member));
    let mut members = members.collect::<Result<Vec<_>, _>>().map_err(told)?;
    let mut coordinator = CoordinatorHalf::start(job).map_err(told)?;
    for line in history {
        if line.abort.is_some() {
            coordinator.skip(line.round).map_err(told)?;
            continue;
        }
        let bytes = coordinator.model_bytes().map_err(told)?;
        let mut offers = Vec::new();
        for member in &mut members {
            if line.survivor_ids.contains(&member.member()) {
                offers.push(member.contribute(&bytes, line.round).map_err(told)?);
                member.settle(line.round, Outcome::Summed);
            }
        }
        let mean = trusted.mean(offers, line.round)?;
        coordinator.take(line.round, &mean).map_err(told)?;
    }
    Ok(Some(coordinator.model().clone()))
}

impl Trusted {
    fn of(job: &Job, task: &Task) -> Result<Option<Self>, Failure> {
        let parts = job.task().map_err(|error| failure(&error))?;
        let Some(privacy) = parts.privacy else {
            return Ok(None);
        };
        let members = job.spec().members;
        let Encoding::Float(float) = *task.encoding() else {
            return Ok(None);
        };
        // all of the noise comes from one draw, which may take a coarser grid than shares of it
        for precision_bits in (2..=float.precision_bits).rev() {
            let encoding = Encoding::Float(FloatEncoding {
                precision_bits,
                ..float
            });
            let plan = Plan::derive(task.manifest(), &encoding, members, NoiseBound::NONE)
                .map_err(Failure::failed)?;
            if let Some(noise) = noise(&plan, &privacy)? {
                return Ok(Some(Self { plan, noise }));
            }
        }
        Ok(None)
    }

    fn mean(&self, offers: Vec<Brought>, round: u64) -> Result<Tensors, Failure> {
        let plan = &self.plan;
        let mut random = random::rng()?;
        let mut fresh = || {
            let mut bytes = [0; 32];
            random.fill_bytes(&mut bytes);
            bytes
        };
        let seed = fresh();
        let mut sum = vec![0_i64; plan.padded_coordinates() as usize];
        let members = offers.len() as u32;
        for Brought { tensors, .. } in offers {
            let mut rounding = ChaCha20Rng::from_seed(fresh());
            let quantized = Update::new(plan.manifest(), tensors)
                .map_err(Failure::failed)?
                .clip(plan)
                .and_then(|clipped| clipped.quantize(plan, Weight::ONE, &seed, &mut rounding))
                .map_err(Failure::failed)?;
            for (sum, value) in sum.iter_mut().zip(quantized.values()) {
                *sum += value;
            }
        }
        let context = NoiseContext {
            task: [0; 32],
            round,
            attempt: 0,
            slot: 0,
        };
        let (base, first) = (BaseSeed::new(fresh()), ChainValue::new(fresh()));
        let secrets = NoiseSecrets::new(context, base, first);
        let noise = self.noise.member_noise(&secrets);
        self.noise.draw(&noise, 0, &mut sum);
        IntegerSum::new(plan, sum, members, members.into())
            .and_then(|sum| sum.mean(plan, &seed))
            .map_err(Failure::failed)
    }
}

/// The least noise that one draw gives; `None` on a grid too fine for its tables.
fn noise(plan: &Plan, privacy: &PrivacyParts) -> Result<Option<NoisePlan>, Failure> {
    let sensitivity = plan
        .sensitivity(privacy.unit, privacy.adjacency, privacy.example_clip)
        .map_err(Failure::failed)?;
    let alone = Cohort::new(1, 0, 0).map_err(Failure::failed)?;
    let target = Target {
        epsilon: privacy.epsilon,
        delta: privacy.delta,
        rounds: privacy.rounds,
    };
    match calibrate(privacy.family, &sensitivity, alone, Sharing::Local, target) {
        Ok(found) => Ok(Some(found.plan)),
        Err(CalibrationError::Plan(_)) => Ok(None),
        Err(error) => Err(Failure::failed(error)),
    }
}

//! A member's noise worked out a second time, from its seeds and the text of `spec/noise.md`: chain and keys by HKDF, shares of
//! the law by their formulas. Of the implementation it uses the tables alone, which have vectors of their own.

use hkdf::Hkdf;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng as _;
use sha2::Sha256;
use veilsum_dp::{
    Adjacency, BaseSeed, ChainValue, NoiseContext, NoiseSecrets, NoiseStream, Rational, Sampler,
    Sharing, Unit,
};
use veilsum_math::KeystreamKey;
use veilsum_proto::ids::Slot;
use veilsum_proto::keys::{RootSeed, SealKey, SelfSeed};
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::{NoiseLaw, NoiseSpec};

/// What all noise of one member in one attempt follows from.
#[derive(Clone)]
pub struct Seeds {
    context: NoiseContext,
    base: [u8; 32],
    first: [u8; 32],
}

/// Tables of one member's base noise and components.
pub struct Parts {
    base: Sampler,
    components: Vec<Sampler>,
}

/// Dropout-exact Skellam noise of a variance, for the unit member.
pub fn skellam(variance: &str) -> NoiseSpec {
    NoiseSpec {
        law: NoiseLaw::Skellam,
        parameter: variance.parse().unwrap(),
        sharing: Sharing::DropoutExact,
        unit: Unit::Member,
        adjacency: Adjacency::ZeroOut,
        example_clip: None,
        delta: "0.000001".parse().unwrap(),
    }
}

impl Seeds {
    /// Those that an honest advert is made of, `rng` being its member's generator before it.
    pub(crate) fn drawn(context: &RoundContext, slot: Slot, mut rng: ChaCha20Rng) -> Option<Self> {
        let (task, round, attempt) = (context.task_digest, context.round, context.attempt);
        SealKey::random(&mut rng);
        RootSeed::random(&task, round, attempt, slot, &mut rng);
        SelfSeed::random(&mut rng);
        Self::random(context, slot, &mut rng)
    }

    pub(crate) fn random(
        context: &RoundContext,
        slot: Slot,
        rng: &mut ChaCha20Rng,
    ) -> Option<Self> {
        context.noise.as_ref()?;
        let (mut base, mut first) = ([0; 32], [0; 32]);
        rng.fill_bytes(&mut base);
        rng.fill_bytes(&mut first);
        let context = context.noise_context(slot);
        Some(Self {
            context,
            base,
            first,
        })
    }

    /// As the implementation takes them.
    pub fn secrets(&self) -> NoiseSecrets {
        let first = ChainValue::new(self.first);
        NoiseSecrets::new(self.context, BaseSeed::new(self.base), first)
    }

    /// `s_1, ..., s_(m+1)`.
    pub fn chain(&self, components: usize) -> Vec<[u8; 32]> {
        let mut chain = vec![self.first];
        for index in 1..=components {
            let last = chain[index - 1];
            chain.push(self.expand(&last, "veilsum/1 noise chain", Some(index)));
        }
        chain
    }

    /// The end of the chain in a round's advert.
    pub fn chain_end(&self, context: &RoundContext) -> [u8; 32] {
        let components = levels(context).len() - 1;
        self.chain(components)[components]
    }

    /// Adds base noise and components 1 to `level`, or all of them.
    pub fn add(&self, parts: &Parts, level: Option<usize>, sum: &mut [i64]) {
        let mut add = |sampler: &Sampler, key: [u8; 32]| {
            sampler.add(&NoiseStream::new(KeystreamKey::new(key)), 0, sum);
        };
        let base = self.expand(&self.base, "veilsum/1 noise base", None);
        add(&parts.base, base);
        let chain = self.chain(parts.components.len());
        let kept = level.unwrap_or(parts.components.len());
        for (index, sampler) in (1..).zip(&parts.components).take(kept) {
            let label = "veilsum/1 noise component";
            add(sampler, self.expand(&chain[index - 1], label, Some(index)));
        }
    }

    fn expand(&self, key: &[u8; 32], label: &str, index: Option<usize>) -> [u8; 32] {
        let NoiseContext {
            task,
            round,
            attempt,
            slot,
        } = self.context;
        let mut info = vec![u8::try_from(label.len()).unwrap()];
        info.extend(label.as_bytes());
        info.extend(task);
        info.extend(round.to_be_bytes());
        info.extend(attempt.to_be_bytes());
        info.extend(slot.to_be_bytes());
        info.extend(
            index
                .into_iter()
                .flat_map(|index| (index as u32).to_be_bytes()),
        );
        let mut out = [0; 32];
        Hkdf::<Sha256>::new(None, key)
            .expand(&info, &mut out)
            .unwrap();
        out
    }
}

impl Parts {
    /// Of the members of a round with noise.
    pub fn of(context: &RoundContext) -> Self {
        let spec = context.task.spec().noise.expect("the task has noise");
        let target = spec.target().unwrap();
        let (n, c) = (context.parameters.n, context.parameters.c);
        let tolerated = context.parameters.tolerated.unwrap();
        let honest = u64::from(n - tolerated - c);
        let ratio = |one: u64, other: u64| Rational::new(one, other).unwrap();
        let factor = ratio(u64::from(n - tolerated), honest);
        let part = |fraction: Rational| {
            let law = target.share(&fraction).unwrap();
            Sampler::compile(&law).unwrap()
        };
        let base = match spec.sharing {
            Sharing::Local => ratio(1, 1),
            Sharing::Shared => ratio(1, honest),
            Sharing::DropoutExact => &factor * &ratio(1, n.into()),
        };
        let levels = levels(context);
        let components = levels.iter().zip(&levels[1..]).map(|(before, here)| {
            let left = u64::from(n - before) * u64::from(n - here);
            part(&factor * &ratio(u64::from(here - before), left))
        });
        Self {
            components: components.collect(),
            base: part(base),
        }
    }
}

/// `D_0, ..., D_m`.
fn levels(context: &RoundContext) -> Vec<u32> {
    let spec = context.task.spec().noise.expect("the task has noise");
    let tolerated = context.parameters.tolerated.unwrap();
    if spec.sharing != Sharing::DropoutExact || tolerated == 0 {
        return vec![0];
    }
    let m = tolerated.min(16);
    (0..=m).map(|i| (i * tolerated).div_ceil(m)).collect()
}

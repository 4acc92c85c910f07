//! What a member holds of its own noise: secrets until the contribution is made, then the chain, then nothing.

use crate::ids::{Hash, Slot};
use crate::member::Me;
use crate::message::RevealedSeed;
use crate::refusal::Refusal;
use crate::session::RoundContext;
use rand_core::CryptoRng;
use veilsum_dp::{BaseSeed, ChainValue, MemberNoise, NoiseChain, NoiseContext, NoiseSecrets};
use veilsum_encode::Contribution;
use zeroize::Zeroizing;

/// Noise secrets of one attempt; each step takes the last by value and wipes what is needed no more.
pub(super) enum OwnNoise {
    /// The task has no noise, or nothing of it is needed any more.
    None,
    /// Not in a contribution yet.
    Drawn(NoiseSecrets),
    /// In the contribution; the chain is kept for the one value that may be revealed.
    Added(NoiseChain),
}

impl OwnNoise {
    // spec: [advertise.noise] [noise.chain.base]
    pub(super) fn draw(me: &Me, rng: &mut dyn CryptoRng) -> Self {
        if me.context.noise.is_none() {
            return Self::None;
        }
        Self::Drawn(noise_secrets(&me.context, me.slot, rng))
    }

    /// For the advert.
    pub(super) fn chain_end(&self, context: &RoundContext) -> Option<Hash> {
        let noise = context.noise.as_ref().filter(|noise| noise.has_chain())?;
        match self {
            Self::Drawn(secrets) => Some(Hash(*noise.plan().chain_end(secrets).as_bytes())),
            Self::None | Self::Added(_) => None,
        }
    }

    /// For the contribution.
    pub(super) fn member_noise(&self, context: &RoundContext) -> Option<MemberNoise> {
        let noise = context.noise.as_ref()?;
        match self {
            Self::Drawn(secrets) => Some(noise.plan().member_noise(secrets)),
            Self::None | Self::Added(_) => None,
        }
    }

    /// The contribution is made: the base seed goes, and the chain too where none is in the advert.
    // spec: [upload.base]
    pub(super) fn added(self, context: &RoundContext) -> Self {
        match self {
            Self::Drawn(secrets) if context.has_chain() => Self::Added(secrets.into_chain()),
            Self::Added(chain) => Self::Added(chain),
            Self::Drawn(_) | Self::None => Self::None,
        }
    }

    /// The one value for this many survivors, and the end of the chain: no other can be given afterwards.
    // spec: [reveal.chain] [noise.reveal.one] [noise.plan.level]
    pub(super) fn reveal(self, context: &RoundContext, survivors: u32) -> Option<RevealedSeed> {
        let Self::Added(chain) = self else {
            return None;
        };
        let noise = context.noise.as_ref()?;
        let missing = context.parameters.n.checked_sub(survivors)?;
        // A set with more missing than the noise tolerates is never certified; of such a one nothing would be given.
        let level = noise.plan().level(missing).ok()?;
        let value = noise.plan().reveal_once(chain, level)?;
        Some(RevealedSeed::new(value.expose()))
    }
}

/// The noise secrets of `slot` in this attempt, the next that the generator gives.
///
/// # Security
///
/// For [`Member`](super::Member), and for whoever holds the generator of a member and checks a sum that has its noise in it.
pub fn noise_secrets(context: &RoundContext, slot: Slot, rng: &mut dyn CryptoRng) -> NoiseSecrets {
    let base = BaseSeed::new(*fresh(rng));
    let first = ChainValue::new(*fresh(rng));
    NoiseSecrets::new(context.noise_context(slot), base, first)
}

/// The contribution must carry this member's noise in this attempt, and in a task without noise none.
// spec: [upload.noise]
pub(super) fn check_noise(me: &Me, contribution: &Contribution) -> Result<(), Refusal> {
    let own = me.context.noise.is_some();
    let own = own.then(|| me.context.noise_context(me.slot));
    let found = contribution.noise();
    if found == own.as_ref() {
        return Ok(());
    }
    let name = |noise: Option<&NoiseContext>, some| if noise.is_some() { some } else { "no noise" };
    Err(Refusal::Noise {
        got: name(found, "noise of another attempt or member"),
        want: name(own.as_ref(), "that of this member in this attempt"),
    })
}

fn fresh(rng: &mut dyn CryptoRng) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut_slice());
    bytes
}

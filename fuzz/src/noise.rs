//! Noise: any law has tables that a plain sum in floats confirms and draws that can be taken from anywhere, or an error in words;
//! the parts of any plan add up to its target exactly.

use crate::source::Source;
use veilsum_dp::{
    Cohort, Law, NoisePlan, NoiseStream, Part, PartLaw, Rational, Sampler, Sharing, TABLE_BYTES_MAX,
};
use veilsum_math::{Keystream, KeystreamKey};

/// Any law, drawn from anywhere; any target, shared by anybody.
pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let planned = source.below(4) == 0;
    let Some(law) = law(&mut source, planned) else {
        return;
    };
    match planned {
        true => plan(law, &mut source),
        false => sampler(&law, &mut source),
    }
}

fn sampler(law: &Law, source: &mut Source) {
    let Some(sampler) = told(Sampler::compile(law)) else {
        return;
    };
    let bound = sampler
        .parts()
        .map(|part| part.factor() * part.thresholds().len() as u64);
    assert_eq!(bound.sum::<u64>(), sampler.bound().get());
    // Of 64 draws at most, each within 2^-110 of its law, and what the sum of two is away from its own.
    assert!(*sampler.distance() < Rational::power_of_half(100));
    sampler.parts().for_each(|part| table(&part));
    draws(&sampler, source);
}

/// Sixteen bytes of keystream a draw, wherever the draws begin and however they are cut.
fn draws(sampler: &Sampler, source: &mut Source) {
    let key = [source.byte(); 32];
    let first = source.number() >> (14 + source.below(50));
    let count = source.below(40);
    let wanted = defined(sampler, key, first, count);
    let stream = NoiseStream::new(KeystreamKey::new(key));
    let mut drawn = vec![0; count];
    let (front, back) = drawn.split_at_mut(count / 3);
    sampler.add(&stream, first, front);
    sampler.add(&stream, first + front.len() as u64, back);
    assert_eq!(drawn, wanted);
    let largest = sampler.bound().get();
    assert!(drawn.iter().all(|value| value.unsigned_abs() <= largest));
    sampler.subtract(&stream, first, &mut drawn);
    assert!(drawn.iter().all(|value| *value == 0));
}

/// The draws by their definition, one threshold after the other.
fn defined(sampler: &Sampler, key: [u8; 32], first: u64, count: usize) -> Vec<i64> {
    let stream = Keystream::new(KeystreamKey::new(key));
    let parts = sampler
        .parts()
        .map(|part| (part.factor() as i64, part.thresholds()));
    let parts = parts.collect::<Vec<_>>();
    let mut bytes = vec![[0; 16]; count * parts.len()];
    let offset = first * 16 * parts.len() as u64;
    stream.fill(offset, bytes.as_flattened_mut());
    let values = bytes.chunks(parts.len()).map(|draws| {
        let draws = draws.iter().zip(&parts).map(|(bytes, (factor, table))| {
            let word = u128::from_le_bytes(*bytes);
            let point = word & (u128::MAX >> 1);
            let magnitude = table
                .iter()
                .filter(|threshold| **threshold <= point)
                .count() as i64;
            match word >> 127 {
                0 => factor * magnitude,
                _ => -factor * magnitude,
            }
        });
        draws.sum()
    });
    values.collect()
}

fn table(part: &Part<'_>) {
    let thresholds = part.thresholds();
    assert!(!thresholds.is_empty() && thresholds.is_sorted());
    assert!(thresholds.len() < TABLE_BYTES_MAX / 16);
    assert!(thresholds.iter().all(|threshold| *threshold < 1 << 127));
    if thresholds.len() > SUMMED {
        return;
    }
    let masses = masses(part.law(), thresholds.len() + 1);
    let mut below = 0.0;
    for (mass, threshold) in masses.iter().zip(&thresholds) {
        below += mass;
        let found = *threshold as f64 / 2f64.powi(127);
        assert!(
            (found - below).abs() < 1e-9,
            "{:?}: {found} for {below}",
            part.law()
        );
    }
}

/// `P(|X| = k)` for `k` below `reach`, in floats and by another way than the tables: as differences of two variables.
fn masses(law: &PartLaw, reach: usize) -> Vec<f64> {
    let one_sided = match law {
        PartLaw::DiscreteGaussian { parameter } => {
            let s = parameter.to_f64_up();
            let mass = |k: usize| (-((k * k) as f64) / (2.0 * s)).exp();
            let all = mass(0) + 2.0 * (1..reach).map(mass).sum::<f64>();
            let folded = (0..reach).map(|k| if k == 0 { 1.0 } else { 2.0 } * mass(k) / all);
            return folded.collect();
        }
        PartLaw::Skellam { variance } => poisson(variance.to_f64_up() / 2.0),
        PartLaw::Polya { scale, shape } => {
            let (ratio, r) = ((-1.0 / scale.to_f64_up()).exp(), shape.to_f64_up());
            let first = (-(-1.0 / scale.to_f64_up()).exp_m1()).powf(r);
            recurrence(first, reach, |k| ratio * (k - 1.0 + r) / k)
        }
        PartLaw::LaplaceDigit { scale, base } => {
            let (ratio, base) = ((-1.0 / scale.to_f64_up()).exp(), *base as usize);
            let digits = recurrence(1.0, base.min(reach), |_| ratio);
            let all = digits.iter().sum::<f64>();
            digits.iter().map(|mass| mass / all).collect()
        }
    };
    let apart = |k: usize| {
        let pairs = one_sided.iter().zip(one_sided.iter().skip(k));
        pairs.map(|(less, more)| less * more).sum::<f64>()
    };
    let folded = (0..reach).map(|k| if k == 0 { 1.0 } else { 2.0 } * apart(k));
    folded.collect()
}

/// Masses of a Poisson variable from zero to where nothing is left; from the likeliest one both ways, since the first may be too
/// small for a float.
fn poisson(mean: f64) -> Vec<f64> {
    let likeliest = mean as usize;
    let last = likeliest + (12.0 * mean.sqrt()) as usize + 60;
    let mut masses = vec![1.0; last + 1];
    for k in (0..likeliest).rev() {
        masses[k] = masses[k + 1] * (k + 1) as f64 / mean;
    }
    for k in likeliest + 1..=last {
        masses[k] = masses[k - 1] * mean / k as f64;
    }
    let all = masses.iter().sum::<f64>();
    masses.iter().map(|mass| mass / all).collect()
}

/// Masses from the first on, each the one before times `ratio(k)`.
fn recurrence(first: f64, count: usize, ratio: impl Fn(f64) -> f64) -> Vec<f64> {
    let masses = (0..count).scan(first, |mass, k| {
        *mass *= if k == 0 { 1.0 } else { ratio(k as f64) };
        Some(*mass)
    });
    masses.collect()
}

fn plan(target: Law, source: &mut Source) {
    let [members, tolerated, corrupt] = source.array().map(|byte: u8| u32::from(byte) % 40);
    let Some(cohort) = told(Cohort::new(members, tolerated, corrupt)) else {
        return;
    };
    let sharing = [Sharing::Local, Sharing::Shared, Sharing::DropoutExact][source.below(3)];
    let Some(plan) = told(NoisePlan::derive(target.clone(), cohort, sharing)) else {
        return;
    };
    let laws = std::iter::once(plan.base()).chain(plan.components());
    let fractions = laws.map(|law| {
        let (whole, part) = (size(&target), size(law));
        part.checked_div(whole).expect("a law has a size")
    });
    let fractions = fractions.collect::<Vec<_>>();
    assert_eq!(fractions.len(), plan.levels().len());
    let honest = Rational::integer(cohort.honest_survivors().into());
    for (level, dropped) in plan.levels().iter().enumerate() {
        let carried: Rational = fractions.iter().take(level + 1).cloned().sum();
        let wanted = match sharing {
            Sharing::Local => Rational::integer(1),
            Sharing::Shared => Rational::new(1, honest_of(&honest)).expect("somebody is honest"),
            // Base and components 1 to i are F / (n - D_i) of the target.
            Sharing::DropoutExact => {
                let left = u64::from(members - dropped);
                let share = Rational::new(u64::from(members - tolerated), left);
                let share = share.expect("somebody is left");
                share.checked_div(&honest).expect("somebody is honest")
            }
        };
        assert_eq!(carried, wanted, "level {level}");
        assert_eq!(plan.level(*dropped).expect("tolerated").components(), level);
    }
    if sharing == Sharing::DropoutExact {
        assert_eq!(plan.levels().last(), Some(&tolerated));
        assert!(plan.levels().is_sorted_by(|less, more| less < more));
    }
    assert!(plan.level(tolerated + 1).is_err());
}

fn honest_of(honest: &Rational) -> u64 {
    honest.floor_u64().expect("a small number")
}

/// What shares divide.
fn size(law: &Law) -> &Rational {
    match law {
        Law::Polya { shape, .. } => shape,
        Law::Skellam { variance, .. } => variance,
        Law::DiscreteGaussian { parameter, .. } => parameter,
    }
}

/// Narrow as a rule, since a wide one takes a hundred times as long.
fn law(source: &mut Source, target: bool) -> Option<Law> {
    let family = source.below(3);
    let first = number(source);
    told(match family {
        0 if target => Law::discrete_laplace(first),
        0 => Law::polya(first, number(source)),
        1 => Law::skellam(first),
        _ => Law::discrete_gaussian(first),
    })
}

fn number(source: &mut Source) -> Rational {
    let (numerator, denominator) = match source.below(16) {
        0 => (
            source.number() >> source.below(64),
            source.number() >> source.below(64),
        ),
        1 => (u64::from(u32::from_le_bytes(source.array())), 1),
        2..8 => (u64::from(source.byte()), 1),
        _ => (u64::from(source.byte()), u64::from(source.byte())),
    };
    Rational::new(numerator, denominator.max(1)).expect("a denominator")
}

fn told<T>(outcome: Result<T, impl std::fmt::Display>) -> Option<T> {
    outcome
        .map_err(|error| assert!(!error.to_string().is_empty()))
        .ok()
}

/// Thresholds of the largest table whose masses are summed in floats, which takes a square of them.
const SUMMED: usize = 600;

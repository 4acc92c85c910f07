//! Probability masses of the laws as rigorous intervals; `spec/noise.md`, section 3.

use super::Variance;
use crate::Rational;
use crate::enclosure::Enclosure;

/// What one table holds: a law, or a part of one that is too wide for a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PartLaw {
    /// Polya of shape at most 1.
    Polya {
        /// Scale of the discrete Laplace law it is a share of.
        scale: Rational,
        /// Which share.
        shape: Rational,
    },
    /// Skellam.
    Skellam {
        /// Its variance.
        variance: Rational,
    },
    /// Discrete Gaussian.
    DiscreteGaussian {
        /// Its parameter sigma squared.
        parameter: Rational,
    },
    /// The difference of the lowest digits, to this base, of two geometric variables of ratio `exp(-1 / scale)`.
    LaplaceDigit {
        /// Scale of the discrete Laplace law.
        scale: Rational,
        /// Base of the digits.
        base: u64,
    },
}

/// `P(|X| = k)` for `k` up to some reach, and the mass beyond.
pub(crate) struct Masses {
    pub magnitudes: Vec<Enclosure>,
    pub beyond: Enclosure,
}

impl PartLaw {
    /// The masses of `|X| = 0, 1, ..., reach`; fewer if the support ends before.
    pub(crate) fn masses(&self, reach: u64) -> Masses {
        match self {
            Self::Polya { scale, shape } => polya(scale, shape, reach),
            Self::Skellam { variance } => skellam(variance, reach),
            Self::DiscreteGaussian { parameter } => gaussian(parameter, reach),
            Self::LaplaceDigit { scale, base } => laplace_digit(scale, *base),
        }
    }
}

/// `exp(-1 / scale)`.
pub(super) fn ratio_of(scale: &Rational) -> Enclosure {
    let rate = Rational::integer(1).checked_div(scale);
    Enclosure::exp_negative(&rate.unwrap_or_else(Rational::zero))
}

/// With `a(k)` the mass at `k`, `r` the shape, `p` the ratio, the characteristic function gives
/// `p (k - 1 + r) a(k-1) = (1 + p^2) k a(k) - p (k + 1 - r) a(k+1)`, so ratios of neighbours follow from the top down,
/// and each step shrinks the interval by `p^2`. Masses of a negative binomial law of shape at most 1 fall by factors
/// between `p (r + N) / (N + 1)` and `p` from `N` on, which starts it.
fn polya(scale: &Rational, shape: &Rational, reach: u64) -> Masses {
    let one = Enclosure::integer(1);
    let ratio = ratio_of(scale);
    let shape = Enclosure::of(shape);
    let least = ratio
        .times(&shape.plus(&Enclosure::integer(reach)))
        .over_integer(reach + 1);
    let last = Enclosure::between(&least, &ratio);
    let sides = one.plus(&ratio.times(&ratio));
    let ratios = downwards(last, reach, |k, above| {
        let over = Enclosure::integer(k + 1).minus(&shape);
        let divisor = sides
            .times_integer(k)
            .minus(&ratio.times(&over).times(above));
        let below = shape.plus(&Enclosure::integer(k - 1));
        ratio.times(&below).over(&divisor)
    });
    from_ratios(&ratios, &ratio)
}

/// `I(k-1) = I(k+1) + (2 k / v) I(k)` for the Bessel functions whose ratios the masses have, from the top down. The law
/// is log-concave, as Poisson is: ratios are at most one, and those beyond the reach at most the last one. Ratios are
/// started at twice the reach, where nothing better than `[0, 1]` is known, and have narrowed when they come to it.
fn skellam(variance: &Rational, reach: u64) -> Masses {
    let rate = Rational::integer(2).checked_div(variance);
    let rate = Enclosure::of(&rate.unwrap_or_else(Rational::zero));
    let one = Enclosure::integer(1);
    let mut ratios = downwards(one.clone().or_less(), 2 * reach, |k, above| {
        one.over(&rate.times_integer(k).plus(above)).at_most_one()
    });
    ratios.truncate(reach as usize + 1);
    let bound = ratios.last().cloned().unwrap_or(one);
    from_ratios(&ratios, &bound)
}

/// `a(k+1) / a(k) = q^(2 k + 1)` with `q = exp(-1 / (2 parameter))`.
fn gaussian(parameter: &Rational, reach: u64) -> Masses {
    let first = ratio_of(&(parameter * &Rational::integer(2)));
    let step = first.times(&first);
    let mut ratios = vec![first];
    for _ in 0..reach {
        let next = ratios.last().map(|last| last.times(&step));
        ratios.extend(next);
    }
    let bound = ratios.last().cloned().unwrap_or(step);
    from_ratios(&ratios, &bound)
}

/// `P(z)` is proportional to `p^|z| - p^(2 base - |z|)` for `|z| < base`.
fn laplace_digit(scale: &Rational, base: u64) -> Masses {
    let ratio = ratio_of(scale);
    let mut powers = vec![Enclosure::integer(1)];
    for _ in 0..2 * base {
        let next = powers.last().map(|last| last.times(&ratio));
        powers.extend(next);
    }
    let base = usize::try_from(base).unwrap_or(usize::MAX);
    let weights = powers.iter().zip(powers.iter().rev()).take(base);
    let weights = weights.map(|(near, far)| near.minus(far)).collect();
    normalised(weights, Enclosure::integer(0))
}

/// Ratios `a(k+1) / a(k)` for `k = 0, ..., reach`, from the last one and the step from `k` to `k - 1`.
fn downwards(
    last: Enclosure,
    reach: u64,
    step: impl Fn(u64, &Enclosure) -> Enclosure,
) -> Vec<Enclosure> {
    let mut ratios = vec![last];
    for k in (1..=reach).rev() {
        let below = ratios.last().map(|above| step(k, above));
        ratios.extend(below);
    }
    ratios.reverse();
    ratios
}

/// Masses at `0, ..., n` from ratios at `0, ..., n`, where `n` is the reach; `bound` is above all ratios from `n` on.
fn from_ratios(ratios: &[Enclosure], bound: &Enclosure) -> Masses {
    let mut weight = Enclosure::integer(1);
    let mut weights = vec![weight.clone()];
    for ratio in ratios.iter().take(ratios.len().saturating_sub(1)) {
        weight = weight.times(ratio);
        weights.push(weight.clone());
    }
    // A bound of one or more says nothing about the rest; the caller then sees a mass beyond above every limit.
    let rest = if bound.below_one() {
        let gap = Enclosure::integer(1).minus(bound);
        weight.times(bound).over(&gap).or_less()
    } else {
        Enclosure::integer(u64::MAX).or_less()
    };
    normalised(weights, rest)
}

/// Masses of magnitudes from the weights of `0, 1, ...` and the weight of one tail beyond.
fn normalised(weights: Vec<Enclosure>, rest: Enclosure) -> Masses {
    let beyond = rest.times_integer(2);
    let both = weights
        .into_iter()
        .enumerate()
        .map(|(k, weight)| weight.times_integer(if k == 0 { 1 } else { 2 }))
        .collect::<Vec<_>>();
    let total = both
        .iter()
        .fold(beyond.clone(), |sum, weight| sum.plus(weight));
    Masses {
        magnitudes: both.iter().map(|weight| weight.over(&total)).collect(),
        beyond: beyond.over(&total),
    }
}

/// By Poisson summation the variance is `s (1 - 8 pi^2 s sum(j^2 e_j) / (1 + 2 sum(e_j)))`, `e_j = exp(-2 pi^2 s j^2)`;
/// from `s = 64` on that is within `2^-1000` of `s`. Below, the sum of squares itself; what it leaves out beyond 1024 is
/// less than `2^-200`.
pub(super) fn gaussian_variance(parameter: &Rational) -> Variance {
    if *parameter >= Rational::integer(64) {
        let gap = parameter * &Rational::power_of_half(1000);
        return Variance {
            lower: parameter.checked_sub(&gap).unwrap_or_else(Rational::zero),
            upper: parameter.clone(),
        };
    }
    let masses = gaussian(parameter, 1024).magnitudes;
    let squares = masses
        .iter()
        .zip(0u64..)
        .map(|(mass, k)| mass.times_integer(k * k));
    let sum = squares.fold(Enclosure::integer(0), |sum, term| sum.plus(&term));
    Variance {
        lower: sum.lower(),
        upper: &sum.upper() + &Rational::power_of_half(200),
    }
}

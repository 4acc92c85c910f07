//! How a law too wide for one table becomes a sum of table draws; `spec/noise.md`, section 4.2.

use num_bigint::BigUint;
use num_traits::{One, ToPrimitive};

use super::{PARTS_MAX, Sampler, SamplerError, Term};
use crate::law::PartLaw;
use crate::table::{Table, TableError};
use crate::{Law, NoiseBound, Rational};

pub(super) fn compile(law: &Law) -> Result<Sampler, SamplerError> {
    match law {
        Law::Polya { scale, shape } => polya(scale, shape),
        Law::Skellam { variance } => {
            let parts = parts_of(variance, VARIANCE_MAX)?;
            let variance = part(variance, parts);
            repeated(&PartLaw::Skellam { variance }, parts)
        }
        Law::DiscreteGaussian { parameter } => gaussian(parameter),
    }
}

/// Shares of equal shape sum exactly. A scale beyond the table has an exact way only for shape 1, where geometric
/// variables have independent digits: with `G = base * high + low`, `high` is geometric of ratio `exp(-base / scale)`.
/// Those of a share have not: what would have to be the law of the low digit has a negative mass.
// spec: [noise.parts.polya]
fn polya(scale: &Rational, shape: &Rational) -> Result<Sampler, SamplerError> {
    let most = Rational::integer(SCALE_MAX);
    if *scale > most && *shape == Rational::integer(1) {
        let base = scale
            .ceil_u64()
            .map(|scale| scale.div_ceil(SCALE_MAX))
            .filter(|base| *base <= BASE_MAX)
            .ok_or(TableError::TooWide)?;
        let high = PartLaw::Polya {
            scale: part(scale, base),
            shape: shape.clone(),
        };
        let low = PartLaw::LaplaceDigit {
            scale: scale.clone(),
            base,
        };
        return two(&low, &high, base, Rational::zero());
    }
    let parts = parts_of(shape, 1)?;
    let law = PartLaw::Polya {
        scale: scale.clone(),
        shape: part(shape, parts),
    };
    repeated(&law, parts).map_err(|error| match error {
        // spec: [noise.parts.shares]
        SamplerError::Table(TableError::TooWide) => SamplerError::WideShares {
            scale: scale.clone(),
            shape: shape.clone(),
        },
        other => other,
    })
}

/// `X + K Y` of discrete Gaussian `X` and `Y` with parameters `a` and `b` is within `e / (1 - e)` of the discrete
/// Gaussian with parameter `a + K^2 b`, `e = 2 sum(exp(-2 pi^2 s j^2))` over `j >= 1`, `1 / s = K^2 / a + 1 / b`: the
/// masses of the sum are those of the law times a sum over a shifted lattice, which Poisson summation bounds. With `s`
/// at least 9/2 that is below `2^-126`.
// spec: [noise.parts.gaussian]
fn gaussian(parameter: &Rational) -> Result<Sampler, SamplerError> {
    if *parameter <= Rational::integer(VARIANCE_MAX) {
        let law = PartLaw::DiscreteGaussian {
            parameter: parameter.clone(),
        };
        return repeated(&law, 1);
    }
    let stride = stride_of(parameter).ok_or(TableError::TooWide)?;
    let squared = Rational::integer(stride * stride);
    let least = Rational::integer(FINE_PARAMETER);
    let coarse = parameter
        .checked_sub(&least)
        .and_then(|rest| rest.checked_div(&squared))
        .ok_or(TableError::TooWide)?
        .floor();
    let fine = parameter
        .checked_sub(&(&squared * &coarse))
        .ok_or(TableError::TooWide)?;
    if !is_smooth(&fine, &coarse, &squared) {
        return Err(TableError::TooWide.into());
    }
    let low = PartLaw::DiscreteGaussian { parameter: fine };
    let high = PartLaw::DiscreteGaussian { parameter: coarse };
    two(&low, &high, stride, Rational::power_of_half(126))
}

/// The smallest `K` that brings the coarse part into a table.
fn stride_of(parameter: &Rational) -> Option<u64> {
    let wanted = parameter
        .checked_div(&Rational::integer(VARIANCE_MAX))?
        .ceil();
    let root: BigUint = wanted.numerator().sqrt();
    let root = (root + BigUint::one()).to_u64()?;
    (root <= STRIDE_MAX).then_some(root)
}

/// `K^2 / a + 1 / b <= 2 / 9`.
fn is_smooth(fine: &Rational, coarse: &Rational, stride_squared: &Rational) -> bool {
    let first = stride_squared.checked_div(fine);
    let second = Rational::integer(1).checked_div(coarse);
    let most = Rational::new(2, 9);
    match (first, second, most) {
        (Some(first), Some(second), Some(most)) => &first + &second <= most,
        _ => false,
    }
}

fn part(whole: &Rational, parts: u64) -> Rational {
    whole
        .checked_div(&Rational::integer(parts))
        .unwrap_or_else(Rational::zero)
}

fn parts_of(whole: &Rational, most: u64) -> Result<u64, SamplerError> {
    let parts = whole
        .ceil_u64()
        .map_or(u64::MAX, |whole| whole.div_ceil(most));
    if parts > PARTS_MAX {
        return Err(SamplerError::TooManyParts { found: parts });
    }
    Ok(parts)
}

/// The sum of `count` independent draws of one table.
// spec: [noise.parts.sum]
fn repeated(law: &PartLaw, count: u64) -> Result<Sampler, SamplerError> {
    let table = Table::compile(law)?;
    let terms = (0..count).map(|_| Term {
        table: 0,
        multiplier: 1,
    });
    Ok(Sampler {
        bound: NoiseBound::new(table.bound() * count),
        distance: table.distance() * &Rational::integer(count),
        terms: terms.collect(),
        laws: vec![law.clone()],
        tables: vec![table],
    })
}

/// `low + stride * high`, with what that sum itself is away from the law.
fn two(
    low: &PartLaw,
    high: &PartLaw,
    stride: u64,
    distance: Rational,
) -> Result<Sampler, SamplerError> {
    let laws = vec![low.clone(), high.clone()];
    let low = Table::compile(low)?;
    let high = Table::compile(high)?;
    let multiplier = i64::try_from(stride).map_err(|_| TableError::TooWide)?;
    let term = |table, multiplier| Term { table, multiplier };
    Ok(Sampler {
        bound: NoiseBound::new(low.bound() + stride * high.bound()),
        distance: &distance + &(low.distance() + high.distance()),
        terms: vec![term(0, 1), term(1, multiplier)],
        laws,
        tables: vec![low, high],
    })
}

/// Largest variance or Gaussian parameter of one table.
const VARIANCE_MAX: u64 = 1_500_000;
/// Largest Polya scale of one table.
const SCALE_MAX: u64 = 200;
/// Largest base of the digits of a geometric variable: the low digit fills a table.
const BASE_MAX: u64 = 16_000;
/// Least parameter of the fine part of a wide discrete Gaussian.
const FINE_PARAMETER: u64 = 1_000_000;
/// Largest stride of its coarse part: `470^2 / 10^6 + 1 / b` stays below 2/9.
const STRIDE_MAX: u64 = 470;

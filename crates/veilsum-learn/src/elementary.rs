//! Not a maths library: the functions that settings of the coordinator need, from IEEE additions, multiplications and divisions only,
//! so that every machine computes the same bits. The functions of the standard library may differ from platform to platform.

/// `e` to the power `x`, for `x` from -1 to 1; within 2e-16 relative.
pub(crate) fn exp_near_zero(x: f64) -> f64 {
    (1..=TERMS)
        .rev()
        .fold(1.0, |sum, term| 1.0 + x * sum / f64::from(term))
}

/// Cosine of `share` quarter turns, for `share` from 0 to 1; within 4e-16.
pub(crate) fn cos_quarter_turns(share: f64) -> f64 {
    let angle = share * std::f64::consts::FRAC_PI_2;
    let square = angle * angle;
    (1..=TERMS).rev().fold(1.0, |sum, term| {
        let term = f64::from(2 * term);
        1.0 - square * sum / (term * (term - 1.0))
    })
}

/// `base` to the power `exponent`, by squaring.
pub(crate) fn power(base: f64, exponent: u64) -> f64 {
    let (mut result, mut square, mut left) = (1.0, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result *= square;
        }
        square *= square;
        left >>= 1;
    }
    result
}

const TERMS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_agree_with_the_standard_library() {
        for step in -100..=100 {
            let x = f64::from(step) / 100.0;
            assert!((exp_near_zero(x) / x.exp() - 1.0).abs() < 4e-16, "{x}");
            let wanted = (x.abs() * std::f64::consts::FRAC_PI_2).cos();
            assert!((cos_quarter_turns(x.abs()) - wanted).abs() < 4e-16, "{x}");
        }
        assert_eq!(power(0.5, 0), 1.0);
        assert_eq!(power(3.0, 5), 243.0);
        assert_eq!(power(0.5, u64::MAX), 0.0);
    }
}

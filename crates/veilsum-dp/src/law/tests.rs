use super::*;

fn number(text: &str) -> Rational {
    text.parse().unwrap()
}

/// `sum k^2 P(|X| = k)` from the masses, as two rationals.
fn second_moment(part: &PartLaw, reach: u64) -> Variance {
    let masses = part.masses(reach).magnitudes;
    let terms = masses.iter().zip(0u64..);
    let sum = terms.fold(Enclosure::integer(0), |sum, (mass, k)| {
        sum.plus(&mass.times_integer(k * k))
    });
    Variance {
        lower: sum.lower(),
        upper: sum.upper(),
    }
}

// spec: [noise.law.parameters]
#[test]
fn parameters_out_of_range_are_refused() {
    assert_eq!(
        Law::skellam(Rational::zero()),
        Err(LawError::Zero {
            parameter: "variance"
        })
    );
    assert!(matches!(
        Law::discrete_laplace(number("1e13")),
        Err(LawError::OutOfRange {
            parameter: "scale",
            ..
        })
    ));
    assert!(Law::discrete_gaussian(number("1e-20")).is_err());
    assert!(serde_json::from_str::<Law>(r#"{"skellam":{"variance":"0"}}"#).is_err());
}

#[test]
fn laws_survive_their_text() {
    for law in [
        Law::skellam(number("100/3")).unwrap(),
        Law::polya(number("2.5"), number("1/7")).unwrap(),
        Law::discrete_gaussian(number("9")).unwrap(),
    ] {
        let text = serde_json::to_string(&law).unwrap();
        assert_eq!(serde_json::from_str::<Law>(&text).unwrap(), law);
    }
}

// spec: [noise.law.polya] [noise.law.skellam] [noise.law.gaussian]
#[test]
fn second_moment_of_the_masses_is_the_variance() {
    let polya = |scale: &str, shape: &str| {
        let (scale, shape) = (number(scale), number(shape));
        let law = Law::polya(scale.clone(), shape.clone()).unwrap();
        (law, PartLaw::Polya { scale, shape })
    };
    let skellam = |variance: &str| {
        let variance = number(variance);
        (
            Law::skellam(variance.clone()).unwrap(),
            PartLaw::Skellam { variance },
        )
    };
    let gaussian = |parameter: &str| {
        let parameter = number(parameter);
        let law = Law::discrete_gaussian(parameter.clone()).unwrap();
        (law, PartLaw::DiscreteGaussian { parameter })
    };
    for (law, part) in [
        polya("1.5", "1"),
        polya("4", "1/10"),
        polya("0.1", "1/1000"),
        skellam("1/1000"),
        skellam("7.25"),
        skellam("400"),
        gaussian("0.1"),
        gaussian("100"),
    ] {
        let known = law.variance();
        let summed = second_moment(&part, 1024);
        let slack = Rational::power_of_half(90);
        assert!(
            &known.lower + &Rational::zero() <= &summed.upper + &slack,
            "{law:?}"
        );
        assert!(summed.lower <= &known.upper + &slack, "{law:?}");
        assert!(known.lower <= known.upper);
        assert!(
            known.upper.checked_sub(&known.lower).unwrap() < slack,
            "{law:?}"
        );
    }
}

#[test]
fn polya_of_shape_one_is_discrete_laplace() {
    let scale = number("3");
    let masses = PartLaw::Polya {
        scale: scale.clone(),
        shape: Rational::integer(1),
    }
    .masses(600);
    let ratio = masses::ratio_of(&scale);
    let one = Enclosure::integer(1);
    let mut exact = one.minus(&ratio).over(&one.plus(&ratio));
    for (k, mass) in masses.magnitudes.iter().take(60).enumerate() {
        let wanted = exact.times_integer(if k == 0 { 1 } else { 2 });
        assert!(
            mass.lower() <= wanted.upper() && wanted.lower() <= mass.upper(),
            "{k}"
        );
        assert!(mass.width() < Rational::power_of_half(200));
        exact = exact.times(&ratio);
    }
}

/// Two shares of half the law, convolved, hold the masses of the law.
#[test]
fn halves_of_divisible_laws_convolve_to_the_whole() {
    let polya = |shape: &str| PartLaw::Polya {
        scale: number("2"),
        shape: number(shape),
    };
    let skellam = |variance: &str| PartLaw::Skellam {
        variance: number(variance),
    };
    for (half, whole) in [
        (polya("1/2"), polya("1")),
        (polya("1/6"), polya("1/3")),
        (skellam("2"), skellam("4")),
    ] {
        let half = half.masses(512);
        let whole = whole.masses(512);
        let at = |x: i64| {
            let mass = &half.magnitudes[x.unsigned_abs() as usize];
            if x == 0 {
                mass.clone()
            } else {
                mass.over_integer(2)
            }
        };
        for target in 0..8i64 {
            let sum = (-300..=300i64).fold(Enclosure::integer(0), |sum, x| {
                sum.plus(&at(x).times(&at(target - x)))
            });
            let sum = sum.times_integer(if target == 0 { 1 } else { 2 });
            let wanted = &whole.magnitudes[target as usize];
            let slack = Rational::power_of_half(180);
            assert!(sum.lower() <= &wanted.upper() + &slack, "{target}");
            assert!(wanted.lower() <= &sum.upper() + &slack, "{target}");
        }
    }
}

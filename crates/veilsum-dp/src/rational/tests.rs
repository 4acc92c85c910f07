use super::*;
use proptest::prelude::*;

fn number(text: &str) -> Rational {
    text.parse().unwrap()
}

#[test]
fn decimals_and_fractions_are_exact() {
    assert_eq!(number("0.1"), Rational::new(1, 10).unwrap());
    assert_eq!(number("2.50e1"), Rational::integer(25));
    assert_eq!(number("1e-6"), Rational::new(1, 1_000_000).unwrap());
    assert_eq!(number("6/8").to_string(), "3/4");
}

#[test]
fn what_is_not_a_number_is_refused() {
    for text in [
        "", "-1", "1/0", "1/", ".5", "5.", "1e", "1e99", "nan", "0x10", "1_0", "+1", "1.2.3",
    ] {
        assert!(text.parse::<Rational>().is_err(), "{text}");
    }
    assert!("1".repeat(300).parse::<Rational>().is_err());
}

#[test]
fn square_root_is_never_below() {
    assert_eq!(number("9/4").sqrt_up(), number("3/2"));
    let root = number("2").sqrt_up();
    assert!(root.squared() > number("2"));
    assert!(root.squared() < number("2.0000000000000000002"));
}

#[test]
fn floats_at_the_edges_survive() {
    for value in [
        0.0,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        1.0,
        0.1,
        1e-310,
        2.0_f64.powi(-1022),
    ] {
        let exact = Rational::from_f64(value).unwrap();
        assert_eq!(exact.to_f64_up(), value);
        assert_eq!(exact.to_f64_down(), value);
    }
    for value in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Rational::from_f64(value), None);
    }
    assert_eq!(Rational::power_of_half(2000).to_f64_up(), 5e-324);
    assert_eq!(Rational::power_of_half(2000).to_f64_down(), 0.0);
}

proptest! {
    #[test]
    fn floats_enclose_the_rational(a in 1u64.., b in 1u64..) {
        let exact = Rational::new(a, b).unwrap();
        let (down, up) = (exact.to_f64_down(), exact.to_f64_up());
        prop_assert!(Rational::from_f64(down).unwrap() <= exact);
        prop_assert!(Rational::from_f64(up).unwrap() >= exact);
        prop_assert!(up == down || up == down.next_up());
    }

    #[test]
    fn every_float_is_its_own_rational(bits in 0u64..0x7ff0_0000_0000_0000) {
        let value = f64::from_bits(bits);
        prop_assert_eq!(Rational::from_f64(value).unwrap().to_f64_up(), value);
    }

    #[test]
    fn text_is_read_back(a: u64, b in 1u64..) {
        let exact = Rational::new(a, b).unwrap();
        prop_assert_eq!(exact.to_string().parse::<Rational>().unwrap(), exact);
    }
}

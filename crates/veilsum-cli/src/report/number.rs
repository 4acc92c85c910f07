//! Numbers as people read them.

/// A share as a percentage: `91.11 %`.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// About three digits, without a trail of zeros: `0.0123`, `4`, `12.5`, `1.2e-7`.
pub fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    let power = value.abs().log10().floor() as i32;
    if !(-4..6).contains(&power) {
        return scientific(value);
    }
    let places = (2 - power).clamp(0, 6) as usize;
    trimmed(&format!("{value:.places$}"))
}

/// Epsilon with two places, or two digits below one: never less than it is.
pub fn epsilon(value: f64) -> String {
    if !value.is_finite() || value <= 0.0 {
        return short(value);
    }
    let places = (1 - value.log10().floor() as i32).clamp(2, 9);
    let unit = 10_f64.powi(places);
    // what is a hair above a number that has so many places is that number
    let up = (value * unit * (1.0 - 1e-12)).ceil() / unit;
    format!("{up:.*}", places as usize)
}

/// A value of an axis whose ticks are `step` apart.
pub fn tick(value: f64, step: f64) -> String {
    if step <= 0.0 || !step.is_finite() {
        return short(value);
    }
    let places = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
    // a step of 2.5 needs one place more than its power says
    let places = match (step * 10_f64.powi(places as i32)).fract().abs() {
        rest if (0.01..0.99).contains(&rest) => places + 1,
        _ => places,
    };
    format!("{value:.places$}")
}

/// Seconds: `0.12 s`.
pub fn seconds(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0} s"),
        v if v >= 10.0 => format!("{v:.1} s"),
        v => format!("{v:.2} s"),
    }
}

fn scientific(value: f64) -> String {
    let text = format!("{value:.1e}");
    match text.split_once('e') {
        Some((mantissa, power)) => format!("{}e{power}", trimmed(mantissa)),
        None => text,
    }
}

fn trimmed(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_have_three_digits_at_most() {
        for (value, text) in [
            (0.0, "0"),
            (4.0, "4"),
            (12.5, "12.5"),
            (0.012_345, "0.0123"),
            (1e-5, "1e-5"),
            (1.23e-7, "1.2e-7"),
            (99_999.0, "99999"),
            (f64::INFINITY, "∞"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn ticks_have_the_places_of_their_step() {
        assert_eq!(tick(0.5, 0.25), "0.50");
        assert_eq!(tick(92.5, 2.5), "92.5");
        assert_eq!(tick(20.0, 10.0), "20");
        assert_eq!(tick(0.2, 0.1), "0.2");
    }

    #[test]
    fn epsilons_are_never_told_smaller() {
        for (value, text) in [
            (4.0, "4.00"),
            (0.125, "0.13"),
            (17.451, "17.46"),
            (0.0301, "0.031"),
            (0.8, "0.80"),
            (1.1, "1.10"),
        ] {
            assert_eq!(epsilon(value), text);
        }
    }
}

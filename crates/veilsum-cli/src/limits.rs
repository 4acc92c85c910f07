//! Bounds of numbers that several commands take.

use crate::exit::{Failure, Outcome};
use veilsum_learn::job::EPSILON_MOST;
use veilsum_proto::parameters::Decimal;

/// Refuses an epsilon out of range.
pub fn epsilon(name: &str, found: f64) -> Outcome {
    if found > 0.0 && found <= EPSILON_MOST {
        return Ok(());
    }
    let error = format!("{name} is {found}, wanted a number above 0 and at most {EPSILON_MOST}");
    let failure = Failure::usage(error);
    Err(match found > EPSILON_MOST {
        true => failure.hint("above it the accountant can tell no guarantee, and it would hide nothing; without noise leave epsilon out"),
        false => failure,
    })
}

/// Refuses a rate above 1.
pub fn rate(name: &str, found: Decimal) -> Outcome {
    match found.exceeds_one() {
        true => Err(Failure::usage(format_args!(
            "{name} is {found}, wanted a rate from 0 to 1"
        ))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Kind;

    #[test]
    fn epsilons_end_where_the_accountant_does() {
        for found in [1e-9, 1.0, EPSILON_MOST] {
            assert!(epsilon("--epsilon", found).is_ok(), "{found}");
        }
        for found in [0.0, -1.0, 40.1, 1e9, f64::INFINITY, f64::NAN] {
            let refused = epsilon("--epsilon", found).unwrap_err();
            assert_eq!(refused.kind, Kind::Usage);
            assert!(refused.message().contains("at most 40"), "{refused}");
        }
    }
}

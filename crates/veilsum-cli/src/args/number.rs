//! Whole numbers of the command line: each with the least and the most it may be, which its error names.
//!
//! Limits of floats and of numbers that follow from each other stand where they are checked.

use std::fmt::Display;
use std::str::FromStr as _;
use veilsum_proto::roster::{MAX_MEMBERS, RosterDraft};

/// A number of members: of a roster, of a cohort, of a floor.
// spec: [roster.size]
pub fn members(text: &str) -> Result<u32, String> {
    let found = whole(text, 0, MAX_MEMBERS.into(), "a roster has no more members")?;
    u32::try_from(found).map_err(|error| error.to_string())
}

/// A number of rounds.
// spec: [roster.last-round]
pub fn rounds(text: &str) -> Result<u64, String> {
    let most = RosterDraft::MAX_LAST_ROUND.0;
    whole(text, 1, most, "a roster has no more rounds")
}

/// Coordinates of an update.
pub fn coordinates(text: &str) -> Result<u64, String> {
    whole(
        text,
        1,
        MAX_COORDINATES,
        "a trillion coordinates and no more",
    )
}

/// Bits of a quantised coordinate.
pub fn bits(text: &str) -> Result<u8, String> {
    let found = whole(text, 2, 52, "a float has 52 bits after its first")?;
    u8::try_from(found).map_err(|error| error.to_string())
}

/// Largest weight of a member.
pub fn weight(text: &str) -> Result<u32, String> {
    let found = whole(text, 1, u32::MAX.into(), "1 is a plain mean")?;
    u32::try_from(found).map_err(|error| error.to_string())
}

/// A whole number between two others, both allowed; `why` says what bounds it.
pub fn whole(text: &str, least: u64, most: u64, why: impl Display) -> Result<u64, String> {
    let found = u64::from_str(text).ok();
    let found = found.filter(|found| (least..=most).contains(found));
    found.ok_or_else(|| format!("wanted a whole number from {least} to {most} ({why})"))
}

/// Most coordinates of a planned update, 2^40: terabytes a member.
const MAX_COORDINATES: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_at_their_limits_and_the_error_names_them() {
        assert_eq!(members("1048576"), Ok(MAX_MEMBERS));
        assert_eq!(members("0"), Ok(0));
        assert_eq!(rounds("4294967296"), Ok(1 << 32));
        assert_eq!(coordinates("1099511627776"), Ok(1 << 40));
        assert_eq!((bits("2"), bits("52")), (Ok(2), Ok(52)));
        assert_eq!(weight("4294967295"), Ok(u32::MAX));
        let most = "wanted a whole number from 0 to 1048576 (a roster has no more members)";
        for text in [
            "1048577",
            "4000000000",
            "9223372036854775808",
            "-1",
            "NaN",
            "inf",
            "1e3",
            "",
            "1.0",
        ] {
            assert_eq!(members(text), Err(most.to_owned()), "{text}");
        }
        for text in ["0", "4294967297"] {
            assert!(rounds(text).unwrap_err().contains("1 to 4294967296"));
        }
        assert!(coordinates("0").is_err() && coordinates("1099511627777").is_err());
        assert!(bits("1").is_err() && bits("53").is_err() && bits("257").is_err());
        assert!(weight("0").is_err() && weight("4294967296").is_err());
    }
}

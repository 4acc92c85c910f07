//! Who vanishes where.

use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use veilsum_proto::ids::{Round, Slot};

/// Where in a round a member is killed: right before it would do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Send its advert.
    Advertise,
    /// Send its sealed shares.
    Share,
    /// Send the header of its masked update.
    Upload,
    /// Send the second half of its masked update.
    MidUpload,
    /// Send its signature over the survivors.
    Confirm,
    /// Send its seeds.
    Reveal,
}

impl Point {
    /// All of them, in the order of a round.
    pub const ALL: [Self; 6] = [
        Self::Advertise,
        Self::Share,
        Self::Upload,
        Self::MidUpload,
        Self::Confirm,
        Self::Reveal,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Advertise => "advertise",
            Self::Share => "share",
            Self::Upload => "upload",
            Self::MidUpload => "mid-upload",
            Self::Confirm => "confirm",
            Self::Reveal => "reveal",
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|point| point.name() == text);
        known.ok_or_else(|| format!("found {text:?}, wanted a point such as mid-upload"))
    }
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One kill: in which round, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vanishing {
    /// The round.
    pub round: Round,
    /// The point in it.
    pub point: Point,
}

impl fmt::Display for Vanishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.round, self.point)
    }
}

impl FromStr for Vanishing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("found {text:?}, wanted ROUND:POINT");
        let (round, point) = text.split_once(':').ok_or_else(wanted)?;
        Ok(Self {
            round: Round(round.parse().map_err(|_| wanted())?),
            point: point.parse()?,
        })
    }
}

/// All kills of a run, by round and member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(BTreeMap<(Round, Slot), Point>);

impl Script {
    /// One kill a round at first, each at another point, then several in one round if there are rounds left; never more in one
    /// round than `tolerated`. The first round stays whole if there is another.
    pub fn new(members: u32, rounds: u64, tolerated: u32) -> Self {
        let mut script = Self::default();
        let from = rounds.min(2);
        for round in (from..=rounds).chain(from..=rounds) {
            let Some(point) = script.next_point() else {
                break;
            };
            script.kill(Round(round), point, members, tolerated);
        }
        let singles = Point::ALL.len() as u64;
        if rounds > from + singles {
            for point in [Point::Share, Point::MidUpload, Point::Reveal] {
                script.kill(Round(from + singles), point, members, tolerated);
            }
        }
        script
    }

    /// What one member has to be told, from `round` on.
    pub fn of(&self, member: Slot, round: Round) -> Vec<Vanishing> {
        let own = self
            .0
            .iter()
            .filter(|((when, who), _)| *who == member && *when >= round);
        own.map(|((round, _), point)| Vanishing {
            round: *round,
            point: *point,
        })
        .collect()
    }

    /// Points that somebody vanishes at.
    pub fn points(&self) -> Vec<Point> {
        let tried = |point: &Point| self.0.values().any(|tried| tried == point);
        Point::ALL.into_iter().filter(tried).collect()
    }

    /// Number of kills.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether everybody stays.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn next_point(&self) -> Option<Point> {
        Point::ALL.into_iter().nth(self.0.len())
    }

    /// Kills the next member in turn, unless so many vanish in the round already.
    fn kill(&mut self, round: Round, point: Point, members: u32, tolerated: u32) {
        let in_round = self
            .0
            .range((round, Slot(0))..=(round, Slot(u32::MAX)))
            .count();
        if in_round < tolerated as usize {
            // a stride without a common factor would do; the search below takes whoever is free
            let wish = (self.0.len() as u32).wrapping_mul(5).wrapping_add(3);
            let free = (0..members)
                .map(|step| Slot(wish.wrapping_add(step) % members))
                .find(|slot| !self.0.contains_key(&(round, *slot)));
            if let Some(slot) = free {
                self.0.insert((round, slot), point);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_rounds_reach_every_point_and_one_round_several() {
        let script = Script::new(12, 10, 3);
        assert_eq!(script.points(), Point::ALL);
        assert_eq!(script.len(), 9);
        assert_eq!(
            script.0.range(..(Round(2), Slot(0))).count(),
            0,
            "the first round stays whole"
        );
        let many = script
            .0
            .keys()
            .filter(|(round, _)| *round == Round(8))
            .count();
        assert_eq!(many, 3);
    }

    #[test]
    fn no_round_loses_more_than_is_tolerated() {
        for members in 3..30 {
            for rounds in 1..12 {
                for tolerated in 1..4 {
                    let script = Script::new(members, rounds, tolerated);
                    let mut counts = BTreeMap::<Round, u32>::new();
                    for (round, slot) in script.0.keys() {
                        assert!(slot.0 < members && round.0 >= 1 && round.0 <= rounds);
                        *counts.entry(*round).or_default() += 1;
                    }
                    assert!(counts.values().all(|count| *count <= tolerated));
                    assert!(!script.is_empty());
                }
            }
        }
    }

    #[test]
    fn few_rounds_share_the_points_among_them() {
        let script = Script::new(12, 4, 3);
        assert_eq!(script.points(), Point::ALL);
    }

    #[test]
    fn vanishings_read_back() {
        for point in Point::ALL {
            let vanishing = Vanishing {
                round: Round(3),
                point,
            };
            assert_eq!(vanishing.to_string().parse(), Ok(vanishing));
        }
        assert!("3".parse::<Vanishing>().is_err());
        assert!("x:share".parse::<Vanishing>().is_err());
        assert!("3:nap".parse::<Vanishing>().is_err());
    }
}

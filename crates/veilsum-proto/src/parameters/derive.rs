//! The parameters of a round, steps 1 to 7 of `spec/parameters.md`.

use super::choice::{ElectorateChoice, GraphChoice};
use super::demand::Demand;
use super::refusal::Refusal;
use super::ring::{self, LIVENESS_EXPONENT, Ring};
use super::walk::Walk;
use crate::ids::Round;
use tls_codec::{Serialize as _, Size as _, TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Up to this many slots the graph is complete.
pub const COMPLETE_UP_TO: u32 = 200;

/// The numbers of a round; equal for all attempts of it.
///
/// # Security
///
/// Parameters that a coordinator sent are claims. A member derives its own from the roster and the task and refuses
/// others; nothing but [`Parameters::derive`] makes numbers that mean something.
// spec: [params.encoding]
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    TlsSize,
    TlsSerialize,
    TlsDeserializeBytes,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Slots of the roster or cohort.
    pub n: u32,
    /// Corrupt members reckoned with.
    pub c: u32,
    /// Slots that may be missing from the survivors or vanish before they have revealed.
    pub d: u32,
    /// Degree: neighbours of each slot, itself not counted; `n - 1` in the complete graph.
    pub k: u32,
    /// Shares that rebuild a secret.
    pub t: u32,
    /// Window floor: each window of `k / 2` ring positions holds more than this many survivors; none in the complete graph.
    pub h: Option<u32>,
    /// Slots of the Confirm electorate; `n` unless it is a committee.
    pub m: u32,
    /// Corrupt members of the electorate reckoned with.
    pub c_m: u32,
    /// Signatures of a certificate.
    pub q: u32,
    /// Smallest survivor set.
    pub f: u32,
    /// With differential privacy the drop-outs its noise is planned for; none without.
    pub tolerated: Option<u32>,
}

impl Parameters {
    /// Derives the parameters, or says why no round can have what is asked for.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] whose text is one line for a person, starting with `refused:`.
    // spec: [params.integers]
    pub fn derive(demand: &Demand) -> Result<Self, Refusal> {
        let counts = Counts::of(demand)?;
        let floor = counts.floor(demand.floor)?;
        let (graph, electorate) = match graph(&counts, demand.graph)? {
            Some(ring) => (ring, counts.ring_electorate(demand.electorate)?),
            None => (counts.complete()?, counts.all_slots()),
        };
        Ok(Self {
            n: counts.slots,
            c: counts.corrupt,
            d: counts.missing,
            k: graph.degree,
            t: graph.threshold,
            h: graph.floor,
            m: electorate.slots,
            c_m: electorate.corrupt,
            q: electorate.quorum,
            f: floor,
            // spec: [params.tolerated]
            tolerated: demand.dp.then_some(counts.missing),
        })
    }

    /// Whether everyone masks with everyone.
    pub fn is_complete(&self) -> bool {
        self.h.is_none()
    }

    /// Whether certificates are signed by a committee instead of by all slots.
    pub fn has_committee(&self) -> bool {
        self.m < self.n
    }

    /// Corrupt neighbours a member tolerates, hence cut edges it accepts: `c` in the complete graph, `t - 1` on the ring.
    // spec: [params.neighbours]
    pub fn c_nb(&self) -> u32 {
        if self.is_complete() {
            self.c
        } else {
            self.t.saturating_sub(1)
        }
    }

    /// Width of a window of ring positions; none in the complete graph.
    pub fn window(&self) -> Option<u32> {
        self.h.map(|_| self.k / 2)
    }

    /// Canonical bytes, for the session id: the fields in order, each `uint32`, the optional ones behind a presence byte.
    // spec: [params.encoding]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.tls_serialized_len());
        // writing into a vector cannot fail, and no field has a length to overflow
        let written = self.tls_serialize(&mut bytes);
        debug_assert!(written.is_ok());
        bytes
    }

    /// Base-2 logarithm of the probability that the draw of a graph or committee fails in *any* round number up to `last_round`,
    /// used or not; none when nothing is drawn.
    ///
    /// Per round number `2^-40` for the ring and half of that for a committee. A float for people; decides nothing.
    // spec: [params.error]
    pub fn error_log2(&self, last_round: Round) -> Option<f64> {
        error_log2(self.error_units(), last_round)
    }

    /// [`Parameters::error_log2`] of rounds with client sampling, whose cohort is drawn too: `2^-41` more.
    // spec: [params.error]
    pub fn error_log2_with_cohorts(&self, last_round: Round) -> Option<f64> {
        error_log2(self.error_units().saturating_add(1), last_round)
    }

    /// Error of a round number in units of `2^-41`.
    fn error_units(&self) -> u32 {
        let ring = if self.is_complete() { 0 } else { 2 };
        let committee = u32::from(self.has_committee());
        committee.saturating_add(ring)
    }
}

/// Numbers of step 1.
struct Counts {
    slots: u32,
    corrupt: u32,
    missing: u32,
}

struct Graph {
    degree: u32,
    threshold: u32,
    floor: Option<u32>,
}

struct Electorate {
    slots: u32,
    corrupt: u32,
    quorum: u32,
}

/// The ring to use; none for the complete graph.
fn graph(counts: &Counts, choice: GraphChoice) -> Result<Option<Graph>, Refusal> {
    let ring = match choice {
        GraphChoice::Complete => None,
        // spec: [params.complete]
        GraphChoice::Auto if counts.slots <= COMPLETE_UP_TO => None,
        GraphChoice::Auto => {
            ring::search(counts.slots, counts.at_least_one_corrupt(), counts.missing)
        }
        GraphChoice::Degree(degree) => Some(counts.ring_by_hand(degree)?),
    };
    Ok(ring.map(|ring| Graph {
        degree: ring.degree,
        threshold: ring.threshold,
        floor: Some(ring.floor),
    }))
}

impl Counts {
    // spec: [params.counts]
    fn of(demand: &Demand) -> Result<Self, Refusal> {
        let slots = demand.slots;
        let counts = Self {
            slots,
            corrupt: demand.corrupt.floor_of(slots),
            missing: demand.dropout.ceil_of(slots),
        };
        // spec: [params.enough]
        if slots < 3 {
            return Err(Refusal::TooFewMembers { n: slots });
        }
        let (n, c, d) = counts.wide();
        if c.saturating_add(2).saturating_add(d) > n {
            return Err(if c.saturating_add(d).saturating_add(d) >= n {
                counts.too_tolerant()
            } else {
                Refusal::TooManyCorrupt {
                    n: counts.slots,
                    c: counts.corrupt,
                    d: counts.missing,
                }
            });
        }
        Ok(counts)
    }

    // spec: [params.floor]
    fn floor(&self, given: Option<u32>) -> Result<u32, Refusal> {
        let least = self.corrupt.saturating_add(2);
        let most = self.slots.saturating_sub(self.missing);
        let floor = given.unwrap_or(least.max(most));
        if floor < least {
            return Err(Refusal::FloorTooLow { floor, least });
        }
        if floor > most {
            return Err(Refusal::FloorTooHigh { floor, most });
        }
        Ok(floor)
    }

    // spec: [params.complete]
    fn complete(&self) -> Result<Graph, Refusal> {
        let (n, c, d) = self.wide();
        if c.saturating_add(d).saturating_add(d) >= n {
            return Err(self.too_tolerant());
        }
        let degree = self.slots.saturating_sub(1);
        Ok(Graph {
            degree,
            threshold: self.all_slots().quorum.min(degree),
            floor: None,
        })
    }

    fn ring_by_hand(&self, degree: u32) -> Result<Ring, Refusal> {
        // spec: [params.ring.by-hand]
        let most = ring::largest_degree(self.slots);
        if degree < 2 || degree > most {
            return Err(Refusal::DegreeOutOfRange {
                degree,
                most,
                n: self.slots,
            });
        }
        if !degree.is_multiple_of(2) {
            return Err(Refusal::DegreeOdd { degree });
        }
        ring::by_hand(
            self.slots,
            self.at_least_one_corrupt(),
            self.missing,
            degree,
        )
        .map_err(|test| Refusal::DegreeFails {
            degree,
            n: self.slots,
            c: self.corrupt,
            d: self.missing,
            test,
        })
    }

    /// Who signs on the ring: a committee if one passes and may be used, else all slots.
    fn ring_electorate(&self, choice: ElectorateChoice) -> Result<Electorate, Refusal> {
        let committee = match choice {
            ElectorateChoice::Auto => self.committee(),
            ElectorateChoice::All => None,
        };
        committee.map_or_else(|| self.all_slots_of_ring(), Ok)
    }

    /// The smallest committee of at most half the slots that passes.
    // spec: [params.committee]
    fn committee(&self) -> Option<Electorate> {
        let corrupt = self.at_least_one_corrupt();
        let staying = self
            .slots
            .saturating_sub(corrupt)
            .saturating_sub(self.missing);
        let mut corrupt_members = Walk::new(self.slots, corrupt);
        // its limit is q - 1
        let mut staying_members = Walk::new(self.slots, staying);
        for slots in 1..=self.slots / 2 {
            corrupt_members.draw_keeping_rare(1, COMMITTEE_EXPONENT);
            let quorum = quorum(slots, corrupt_members.limit());
            staying_members.draw_to(quorum.saturating_sub(1));
            if quorum <= slots && staying_members.is_within_rare(1, LIVENESS_EXPONENT) {
                return Some(Electorate {
                    slots,
                    corrupt: corrupt_members.limit(),
                    quorum,
                });
            }
        }
        None
    }

    // spec: [params.electorate.all]
    fn all_slots_of_ring(&self) -> Result<Electorate, Refusal> {
        let electorate = self.all_slots();
        let staying = self
            .slots
            .saturating_sub(self.corrupt)
            .saturating_sub(self.missing);
        if electorate.quorum > staying {
            return Err(Refusal::NoQuorumOnRing {
                n: self.slots,
                c: self.corrupt,
                d: self.missing,
            });
        }
        Ok(electorate)
    }

    fn all_slots(&self) -> Electorate {
        Electorate {
            slots: self.slots,
            corrupt: self.corrupt,
            quorum: quorum(self.slots, self.corrupt),
        }
    }

    fn too_tolerant(&self) -> Refusal {
        Refusal::TooTolerant {
            n: self.slots,
            c: self.corrupt,
            d: self.missing,
        }
    }

    /// The laws of the ring are taken with one corrupt member even if none is reckoned with.
    // spec: [params.ring.one-corrupt]
    fn at_least_one_corrupt(&self) -> u32 {
        self.corrupt.max(1)
    }

    fn wide(&self) -> (u64, u64, u64) {
        (self.slots.into(), self.corrupt.into(), self.missing.into())
    }
}

/// `floor((slots + corrupt) / 2) + 1`: two quorums share an honest slot.
// spec: [params.quorum]
fn quorum(slots: u32, corrupt: u32) -> u32 {
    let half = (u64::from(slots)).saturating_add(corrupt.into()) / 2;
    u32::try_from(half.saturating_add(1)).unwrap_or(u32::MAX)
}

fn error_log2(units: u32, last_round: Round) -> Option<f64> {
    let rounds = last_round.0.max(1);
    (units > 0).then(|| f64::from(units).log2() - f64::from(UNIT_EXPONENT) + (rounds as f64).log2())
}

/// A committee holds more corrupt members than reckoned with probability at most `2^-41`.
const COMMITTEE_EXPONENT: u64 = 41;
const UNIT_EXPONENT: u32 = 41;

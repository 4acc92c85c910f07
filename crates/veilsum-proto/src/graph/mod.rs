//! Not a source of randomness: who draws the 32 bytes, and when, decides whether the ring is worth anything
//! (`spec/parameters.md`, "Randomness").
//!
//! What is here: who takes part in a round (population), who masks with whom (graph), who signs certificates (electorate) and
//! the window rule over survivors, all from public values, so that every member and the coordinator compute the same.

mod population;
mod rank;
mod ring;
#[cfg(test)]
mod tests;

use crate::bitmap::Bitmap;
use crate::ids::{RosterDigest, Round, Slot};
use crate::label::Label;
use crate::parameters::Parameters;
use rank::Ranks;
use ring::Ring;

pub use population::{Population, cohort};
pub use ring::ThinWindow;

/// Neighbours and electorate of a round; equal for all its attempts.
#[derive(Clone, Debug)]
pub struct Graph {
    population: Population,
    shape: Shape,
    electorate: Vec<Slot>,
}

#[derive(Clone, Debug)]
enum Shape {
    Complete,
    Ring(Ring),
}

impl Graph {
    /// The graph of a round over `population`, with the degree, window floor and electorate size of `parameters`.
    ///
    /// # Security
    ///
    /// Parameters must be those that [`Parameters::derive`] gives for a demand with `population.len()` slots; a graph of
    /// other numbers is well-formed and protects nobody.
    // spec: [graph.slots] [graph.ring] [graph.committee]
    pub fn new(
        population: Population,
        parameters: &Parameters,
        randomness: &[u8; 32],
        roster: &RosterDigest,
        round: Round,
    ) -> Self {
        let ranks = |label| Ranks::new(label, randomness, roster, round);
        let shape = match parameters.h {
            None => Shape::Complete,
            Some(floor) => Shape::Ring(Ring::new(
                &population,
                &ranks(Label::Ring),
                parameters.k,
                floor,
            )),
        };
        let electorate = if parameters.has_committee() {
            ranks(Label::Committee).lowest(population.slots(), parameters.m)
        } else {
            // spec: [graph.electorate.all]
            population.slots().collect()
        };
        Self {
            population,
            shape,
            electorate,
        }
    }

    /// Neighbours of a slot, ascending, itself not included; empty for a slot outside the population.
    pub fn neighbours(&self, slot: Slot) -> Vec<Slot> {
        let Some(index) = self.population.index_of(slot) else {
            return Vec::new();
        };
        match &self.shape {
            Shape::Complete => self
                .population
                .slots()
                .filter(|other| *other != slot)
                .collect(),
            Shape::Ring(ring) => ring.neighbours(index),
        }
    }

    /// Whether two slots mask with each other.
    pub fn are_neighbours(&self, a: Slot, b: Slot) -> bool {
        let (Some(index_a), Some(index_b)) =
            (self.population.index_of(a), self.population.index_of(b))
        else {
            return false;
        };
        match &self.shape {
            Shape::Complete => a != b,
            Shape::Ring(ring) => ring.are_neighbours(index_a, index_b),
        }
    }

    /// Whether a slot takes part in the round.
    pub fn contains(&self, slot: Slot) -> bool {
        self.population.index_of(slot).is_some()
    }

    /// The slots that take part in the round.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Slots that may sign a certificate, ascending: all of the population, or the committee.
    pub fn electorate(&self) -> &[Slot] {
        &self.electorate
    }

    /// Whether a slot may sign a certificate.
    pub fn is_elector(&self, slot: Slot) -> bool {
        self.electorate.binary_search(&slot).is_ok()
    }

    /// Slots in ring order; none in the complete graph.
    pub fn ring_order(&self) -> Option<&[Slot]> {
        match &self.shape {
            Shape::Complete => None,
            Shape::Ring(ring) => Some(ring.order()),
        }
    }

    /// Whether each window of `k / 2` consecutive ring positions holds more than `h` slots of `set`.
    ///
    /// # Errors
    ///
    /// [`ThinWindow`] names the first window that does not. In the complete graph there are no windows.
    // spec: [graph.window]
    pub fn check_windows(&self, set: &Bitmap) -> Result<(), ThinWindow> {
        match &self.shape {
            Shape::Complete => Ok(()),
            Shape::Ring(ring) => ring.check_windows(set),
        }
    }
}

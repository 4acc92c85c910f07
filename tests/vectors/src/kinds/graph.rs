//! Ring, committee and cohort; the window rule.

use crate::bytes::{Hex, text};
use crate::file::Case;
use crate::judge::{Stop, refused};
use crate::kinds::Kind;
use crate::kinds::parameters::Numbers;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::graph::{Graph, Population, cohort};
use veilsum_proto::ids::{RosterDigest, Round, Slot};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Graph",
        layer: "graph",
        run: draw,
    },
    Kind {
        name: "Windows",
        layer: "graph",
        run: windows,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Drawn {
    parameters: Numbers,
    roster_slots: u32,
    randomness: Hex<32>,
    roster_digest: Hex<32>,
    round: u64,
    cohort: Option<u32>,
    set: Option<Vec<u32>>,
}

impl Drawn {
    fn graph(&self) -> Graph {
        let (roster, round) = (RosterDigest(self.roster_digest.0), Round(self.round));
        let population = match self.cohort {
            Some(size) => cohort(self.roster_slots, size, &self.randomness.0, &roster, round),
            None => Population::whole(self.roster_slots),
        };
        Graph::new(
            population,
            &self.parameters.into(),
            &self.randomness.0,
            &roster,
            round,
        )
    }
}

fn draw(case: &Case) -> Result<Value, Stop> {
    let i: Drawn = case.input()?;
    let graph = i.graph();
    let mut all = Sha256::new();
    for slot in graph.population().slots() {
        for each in std::iter::once(slot).chain(graph.neighbours(slot)) {
            all.update(each.0.to_be_bytes());
        }
    }
    let numbers = |slots: &[Slot]| slots.iter().map(|slot| slot.0).collect::<Vec<_>>();
    let population = graph.population().slots().collect::<Vec<_>>();
    let first = population.first().map(|first| graph.neighbours(*first));
    Ok(json!({
        "population": numbers(&population),
        "ring": graph.ring_order().map(numbers),
        "electorate": numbers(graph.electorate()),
        "neighboursOfFirst": numbers(&first.unwrap_or_default()),
        "neighboursSha256": text(all.finalize()),
    }))
}

fn windows(case: &Case) -> Result<Value, Stop> {
    let i: Drawn = case.input()?;
    let set = i.set.iter().flatten().map(|slot| Slot(*slot));
    let set = Bitmap::of(i.roster_slots, set);
    i.graph()
        .check_windows(&set)
        .map_err(|window| refused("graph.window", window))?;
    Ok(json!({}))
}

//! The equations of all uploads, and which combinations of inputs they determine.

use crate::knowledge::algebra::{Row, eliminate, reduced};
use crate::knowledge::facts::{Facts, Key, Upload};
use crate::knowledge::number::Number;
use crate::knowledge::secrets::Secrets;
use std::collections::{BTreeMap, BTreeSet};
use veilsum_proto::ids::{Sid2, Slot, UpdateDigest};

/// Input of one member.
pub type Input = (Slot, UpdateDigest);

/// One known combination of inputs, with the noise that is still on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Coefficients.
    pub inputs: BTreeMap<Input, Number>,
    /// Noise of each member and attempt: 0 its base noise, from 1 on its components.
    pub noise: BTreeMap<(Key, Slot), BTreeSet<usize>>,
}

/// All combinations of inputs that are known.
#[derive(Clone, Debug)]
pub struct Sums {
    basis: Vec<Sum>,
    inputs: Vec<Input>,
    rows: Vec<Row>,
}

/// More sums are known at once than differences of them can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManySums {
    /// Independent sums that share inputs.
    pub sums: usize,
}

/// What an upload is made of, in the order of elimination: masks first, then what may be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unknown {
    SelfMask(Key, Slot, Sid2),
    /// Lower and higher slot.
    PairMask(Key, Slot, Slot, Sid2),
    Noise(Key, Slot, usize),
    Input(Slot, UpdateDigest),
}

impl Sum {
    /// Members whose inputs are in it.
    pub fn members(&self) -> BTreeSet<Slot> {
        self.inputs.keys().map(|(slot, _)| *slot).collect()
    }
}

impl Sums {
    /// What the facts of these attempts determine together.
    pub fn of<'a>(facts: impl IntoIterator<Item = &'a Facts>, corrupt: &BTreeSet<Slot>) -> Self {
        let mut equations = Vec::new();
        for facts in facts {
            let secrets = Secrets::new(facts, corrupt);
            let uploads = facts.uploads.iter();
            let honest = uploads.filter(|upload| !corrupt.contains(&upload.slot));
            equations.extend(honest.map(|upload| equation(facts, &secrets, upload)));
        }
        Self::solved(&equations)
    }

    /// A basis: every known combination is one of these.
    pub fn basis(&self) -> &[Sum] {
        &self.basis
    }

    /// The inputs of the known combination with the fewest of them, noise counted as known; none when there is none.
    ///
    /// A combination with fewest inputs vanishes on as many independent inputs as the space allows, so it is enough to try
    /// those; inputs that no combination tells apart are tried once.
    ///
    /// # Errors
    ///
    /// [`TooManySums`] when more than five share inputs: more would be tried than there is time for.
    pub fn lightest(&self) -> Result<Option<BTreeSet<Input>>, TooManySums> {
        let blocks = blocks(&self.rows);
        let lightest = blocks.iter().map(|block| lightest_of(block));
        let lightest = lightest.collect::<Result<Vec<_>, _>>()?;
        let row = lightest.into_iter().flatten().min_by_key(Vec::len);
        Ok(row.map(|row| row.iter().map(|(column, _)| self.inputs[*column]).collect()))
    }

    fn solved(equations: &[Vec<(Unknown, Number)>]) -> Self {
        let unknowns = equations.iter().flatten().map(|(unknown, _)| *unknown);
        let mut unknowns = unknowns.collect::<Vec<_>>();
        unknowns.sort_unstable();
        unknowns.dedup();
        // each is listed
        let column = |unknown: &Unknown| unknowns.partition_point(|other| other < unknown);
        let first =
            |shown: fn(&Unknown) -> bool| unknowns.partition_point(|unknown| !shown(unknown));
        let masks = first(|unknown| matches!(unknown, Unknown::Noise(..) | Unknown::Input(..)));
        let noise = first(|unknown| matches!(unknown, Unknown::Input(..)));
        let rows = equations.iter().map(|equation| {
            let mut row = equation
                .iter()
                .map(|(unknown, coefficient)| (column(unknown), *coefficient))
                .collect::<Row>();
            row.sort_unstable();
            row
        });
        let left = eliminate(rows.collect(), masks);
        let inputs = unknowns.iter().filter_map(|unknown| match unknown {
            Unknown::Input(slot, update) => Some((*slot, *update)),
            Unknown::SelfMask(..) | Unknown::PairMask(..) | Unknown::Noise(..) => None,
        });
        let of_inputs = left.iter().map(|row| {
            let inputs = row.iter().filter(|(column, _)| *column >= noise);
            inputs
                .map(|(column, coefficient)| (column - noise, *coefficient))
                .collect::<Row>()
        });
        Self {
            rows: reduced(of_inputs.collect()),
            inputs: inputs.collect(),
            basis: left.iter().map(|row| sum(row, &unknowns)).collect(),
        }
    }
}

/// The masked update as an equation: what is known is left out.
fn equation(facts: &Facts, secrets: &Secrets<'_>, upload: &Upload) -> Vec<(Unknown, Number)> {
    let (key, slot, sid2) = (facts.key(), upload.slot, upload.sid2);
    let mut unknowns = vec![(Unknown::Input(slot, upload.update), Number::ONE)];
    if !secrets.is_self_known(upload) {
        let mask = Unknown::SelfMask(key, slot, sid2);
        unknowns.push((mask, Number::ONE));
    }
    for peer in upload.peers.iter().copied() {
        if !secrets.is_pair_known(upload, peer) {
            let (low, high) = (slot.min(peer), slot.max(peer));
            let sign = if slot == low {
                Number::ONE
            } else {
                -Number::ONE
            };
            unknowns.push((Unknown::PairMask(key, low, high, sid2), sign));
        }
    }
    if facts.context.noise.is_some() {
        let parts = 0..=facts.closed_components(slot);
        let noise = parts.map(|part| Unknown::Noise(key, slot, part));
        unknowns.extend(noise.map(|noise| (noise, Number::ONE)));
    }
    unknowns
}

fn sum(row: &Row, unknowns: &[Unknown]) -> Sum {
    let mut sum = Sum {
        inputs: BTreeMap::new(),
        noise: BTreeMap::new(),
    };
    for (column, coefficient) in row {
        match unknowns[*column] {
            Unknown::Input(slot, update) => {
                sum.inputs.insert((slot, update), *coefficient);
            }
            Unknown::Noise(key, slot, part) => {
                let parts = sum.noise.entry((key, slot)).or_default();
                parts.insert(part);
            }
            Unknown::SelfMask(..) | Unknown::PairMask(..) => {
                debug_assert!(false, "a mask is left after its elimination");
            }
        }
    }
    sum
}

/// The rows of a reduced basis, those that share a column together.
fn blocks(rows: &[Row]) -> Vec<Vec<Row>> {
    let mut blocks = Vec::<Vec<Row>>::new();
    for row in rows {
        let shares = |other: &Row| {
            let columns = other.iter().map(|(column, _)| *column);
            columns
                .into_iter()
                .any(|column| row.iter().any(|(own, _)| *own == column))
        };
        let (mut joined, apart): (Vec<_>, Vec<_>) = blocks
            .into_iter()
            .partition(|block| block.iter().any(shares));
        blocks = apart;
        let mut block = joined.drain(..).flatten().collect::<Vec<_>>();
        block.push(row.clone());
        blocks.push(block);
    }
    blocks
}

/// The row of fewest entries in the span of a block.
fn lightest_of(block: &[Row]) -> Result<Option<Row>, TooManySums> {
    let sums = block.len();
    let Some(free) = sums.checked_sub(1) else {
        return Ok(None);
    };
    if sums > MOST_SUMS {
        return Err(TooManySums { sums });
    }
    let mut classes = block
        .iter()
        .flatten()
        .map(|(column, _)| *column)
        .map(|column| (direction(block, column), column))
        .collect::<BTreeMap<_, _>>()
        .into_values()
        .collect::<Vec<_>>();
    classes.sort_unstable();
    let mut best = None::<Row>;
    vanishing(block.to_vec(), &classes, free, &mut |row| {
        if best.as_ref().is_none_or(|had| row.len() < had.len()) {
            best = Some(row.clone());
        }
    });
    Ok(best)
}

/// The coefficients of a column over the block, up to a factor.
fn direction(block: &[Row], column: usize) -> Vec<Number> {
    let of_row = |row: &Row| {
        let found = row.iter().find(|(own, _)| *own == column);
        found.map_or(Number::ZERO, |(_, coefficient)| *coefficient)
    };
    let coefficients = block.iter().map(of_row).collect::<Vec<_>>();
    let first = coefficients.iter().find(|value| !value.is_zero());
    let scale = first.map_or(Number::ONE, |first| first.inverse());
    coefficients
        .into_iter()
        .map(|value| value * scale)
        .collect()
}

/// Calls `visit` with every row that is left when `free` columns are taken away from the block.
fn vanishing(block: Vec<Row>, columns: &[usize], free: usize, visit: &mut dyn FnMut(&Row)) {
    if free == 0 {
        block.iter().for_each(visit);
        return;
    }
    for (index, column) in columns.iter().enumerate() {
        let rows = block.iter().map(|row| with_first(row, *column));
        let left = eliminate(rows.collect(), 1);
        if left.len() < block.len() {
            let rows = left.into_iter().map(|row| without_first(row, *column));
            vanishing(rows.collect(), &columns[index + 1..], free - 1, visit);
        }
    }
}

/// The row with `column` moved to 0 and every other one up.
fn with_first(row: &Row, column: usize) -> Row {
    let moved = |own: usize| if own == column { 0 } else { own + 1 };
    let mut row = row
        .iter()
        .map(|(own, coefficient)| (moved(*own), *coefficient))
        .collect::<Row>();
    row.sort_unstable();
    row
}

fn without_first(row: Row, column: usize) -> Row {
    debug_assert!(row.iter().all(|(own, _)| *own != 0 && *own != column + 1));
    row.into_iter()
        .map(|(own, coefficient)| (own - 1, coefficient))
        .collect()
}

/// Sums that share inputs, at most, of which every difference is tried.
const MOST_SUMS: usize = 5;

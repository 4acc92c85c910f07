//! The canonical bytes of a question (`spec/learning.md`, section 7.1).

use super::super::{Bisection, StatsError};
use super::{Kind, Parameters, Query, Question, Statistic};
use crate::bytes::{Reader, put_sized};

impl Question {
    /// The bytes, which travel as the base model of a round.
    // spec: [stats.query.bytes]
    pub fn to_bytes(&self) -> Vec<u8> {
        let parameters = self.query.parameters();
        let mut out = LABEL.to_vec();
        out.push(code(parameters.kind));
        put_count(&mut out, parameters.rows);
        put_count(&mut out, self.query.shrink);
        put_count(&mut out, self.query.columns.len());
        for column in &parameters.columns {
            put_sized(&mut out, column.as_bytes());
        }
        match &self.query.statistic {
            Statistic::Count => {}
            Statistic::Sum(_, bits) | Statistic::Mean(_, bits) | Statistic::Variance(_, bits) => {
                out.push(*bits);
                put_floats(&mut out, parameters.bounds.as_flattened());
            }
            Statistic::Histogram(histogram) => {
                put_count(&mut out, histogram.edges().len());
                put_floats(&mut out, histogram.edges());
            }
            Statistic::Quantile { search, steps } => {
                let (low, high) = search.interval();
                put_floats(&mut out, &[search.quantile(), low, high]);
                put_count(&mut out, *steps);
                put_count(&mut out, self.round);
                let (low, high) = self.search.as_ref().unwrap_or(search).interval();
                put_floats(&mut out, &[low, high]);
            }
        }
        out
    }

    /// Reads the bytes.
    ///
    /// # Errors
    ///
    /// [`StatsError::Bytes`] for bytes that are not the one encoding of a question; whatever [`Query::new`] refuses.
    // spec: [stats.query.bytes]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatsError> {
        let question = read(&mut Reader::new(bytes))?;
        match question.to_bytes() == bytes {
            true => Ok(question),
            false => Err(StatsError::Bytes),
        }
    }
}

fn read(reader: &mut Reader<'_>) -> Result<Question, StatsError> {
    let parameters = parameters(reader).ok_or(StatsError::Bytes)?;
    let mut question = Question::first(Query::new(parameters)?);
    if let Statistic::Quantile { search, steps } = &question.query.statistic {
        let round = reader.u64().and_then(|round| u32::try_from(round).ok());
        let round = round
            .filter(|round| round < steps)
            .ok_or(StatsError::Bytes)?;
        let (low, high) = (reader.f64(), reader.f64());
        let (low, high) = low.zip(high).ok_or(StatsError::Bytes)?;
        let (least, most) = search.interval();
        if low < least || high > most {
            return Err(StatsError::Bytes);
        }
        question.search = Some(Bisection::new(search.quantile(), low, high)?);
        question.round = round;
    }
    Ok(question)
}

/// What a query is made of, up to the state of a quantile.
fn parameters(reader: &mut Reader<'_>) -> Option<Parameters> {
    reader.label(LABEL)?;
    let code_found = reader.byte()?;
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| code(*kind) == code_found)?;
    let rows = u32::try_from(reader.u64()?).ok()?;
    let shrink = u32::try_from(reader.u64()?).ok()?;
    let columns = (0..reader.u64()?).map(|_| {
        let name = reader.sized()?.to_vec();
        String::from_utf8(name).ok()
    });
    let columns = columns.collect::<Option<Vec<_>>>()?;
    let mut parameters = Parameters::new(kind, columns, rows);
    parameters.shrink = Some(shrink);
    match kind {
        Kind::Count => {}
        Kind::Sum | Kind::Mean | Kind::Variance => {
            parameters.bits = Some(reader.byte()?);
            let bounds =
                (0..parameters.columns.len()).map(|_| Some([reader.f64()?, reader.f64()?]));
            parameters.bounds = bounds.collect::<Option<_>>()?;
        }
        Kind::Histogram => {
            let edges = (0..reader.u64()?).map(|_| reader.f64());
            parameters.edges = edges.collect::<Option<_>>()?;
        }
        Kind::Quantile => {
            parameters.quantile = Some(reader.f64()?);
            parameters.bounds = vec![[reader.f64()?, reader.f64()?]];
            parameters.steps = Some(u32::try_from(reader.u64()?).ok()?);
        }
    }
    Some(parameters)
}

fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Count => 1,
        Kind::Sum => 2,
        Kind::Mean => 3,
        Kind::Variance => 4,
        Kind::Histogram => 5,
        Kind::Quantile => 6,
    }
}

fn put_count(out: &mut Vec<u8>, count: impl TryInto<u64>) {
    // counts here are below 2^32
    let count = count.try_into().unwrap_or(u64::MAX);
    out.extend_from_slice(&count.to_le_bytes());
}

fn put_floats(out: &mut Vec<u8>, floats: &[f64]) {
    floats
        .iter()
        .for_each(|float| out.extend_from_slice(&float.to_le_bytes()));
}

const LABEL: &[u8] = b"veilsum/v1 question\0";

//! Parameters from counts and rates.

use crate::bytes::text;
use crate::file::Case;
use crate::judge::{Refused, Stop, refused};
use crate::kinds::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use veilsum_proto::parameters::{
    Amount, Demand, ElectorateChoice, GraphChoice, Parameters, Refusal,
};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Derive",
        layer: "parameters",
        run: derive,
    },
    Kind {
        name: "Rate",
        layer: "parameters",
        run: rate,
    },
];

/// Parameters as the vectors name them.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbers {
    n: u32,
    c: u32,
    d: u32,
    k: u32,
    t: u32,
    h: Option<u32>,
    m: u32,
    c_m: u32,
    q: u32,
    f: u32,
    tolerated: Option<u32>,
}

impl From<Numbers> for Parameters {
    fn from(numbers: Numbers) -> Self {
        let Numbers {
            n,
            c,
            d,
            k,
            t,
            h,
            m,
            c_m,
            q,
            f,
            tolerated,
        } = numbers;
        Self {
            n,
            c,
            d,
            k,
            t,
            h,
            m,
            c_m,
            q,
            f,
            tolerated,
        }
    }
}

impl From<Parameters> for Numbers {
    fn from(parameters: Parameters) -> Self {
        let Parameters {
            n,
            c,
            d,
            k,
            t,
            h,
            m,
            c_m,
            q,
            f,
            tolerated,
        } = parameters;
        Self {
            n,
            c,
            d,
            k,
            t,
            h,
            m,
            c_m,
            q,
            f,
            tolerated,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    n: u32,
    corrupt: Amount,
    dropout: Amount,
    #[serde(default)]
    graph: GraphChoice,
    #[serde(default)]
    electorate: ElectorateChoice,
    floor: Option<u32>,
    #[serde(default)]
    noise: bool,
    cohort: Option<u32>,
}

fn derive(case: &Case) -> Result<Value, Stop> {
    let i: Wish = case.input()?;
    let demand = Demand {
        floor: i.floor,
        graph: i.graph,
        electorate: i.electorate,
        dp: i.noise,
        ..Demand::new(i.n, i.corrupt, i.dropout)
    };
    let demand = i.cohort.map_or(demand, |size| demand.for_cohort(size));
    let parameters = Parameters::derive(&demand).map_err(refusal)?;
    Ok(json!({
        "parameters": Numbers::from(parameters),
        "encoded": text(parameters.encode()),
        "cutLimit": parameters.c_nb(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    text: String,
}

/// In a file, text is a rate whatever it looks like.
fn rate(case: &Case) -> Result<Value, Stop> {
    let i: Rate = case.input()?;
    let rate: Amount = serde_json::from_value(Value::String(i.text))
        .map_err(|error| refused("params.counts", error))?;
    let each = |of: &dyn Fn(u32) -> u32| {
        [3, 7, 100, 1000]
            .map(|n| (n.to_string(), json!(of(n))))
            .into_iter()
            .collect()
    };
    Ok(json!({
        "floorOf": Value::Object(each(&|n| rate.floor_of(n))),
        "ceilOf": Value::Object(each(&|n| rate.ceil_of(n))),
    }))
}

/// What a demand without parameters violates.
pub(super) fn refusal(error: Refusal) -> Refused {
    let requirement = match &error {
        Refusal::TooFewMembers { .. } | Refusal::TooManyCorrupt { .. } => "params.enough",
        // Where both are violated, our code names the tolerance, since that is what is to be lowered first.
        Refusal::TooTolerant { n, c, d } if u64::from(*c) + u64::from(*d) + 2 > u64::from(*n) => {
            "params.enough"
        }
        Refusal::TooTolerant { .. } => "params.complete",
        Refusal::NoQuorumOnRing { .. } => "params.electorate.all",
        Refusal::FloorTooLow { .. } | Refusal::FloorTooHigh { .. } => "params.floor",
        Refusal::DegreeOutOfRange { .. }
        | Refusal::DegreeOdd { .. }
        | Refusal::DegreeFails { .. } => "params.ring.by-hand",
    };
    refused(requirement, error)
}

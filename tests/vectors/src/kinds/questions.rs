//! What a member's ledger knows an answer by, and what a job with privacy trained.

use crate::bytes::{Bytes, text};
use crate::file::Case;
use crate::judge::{Stop, broken};
use crate::kinds::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_learn::ModelDigest;
use veilsum_learn::job::{asked_to_judge, asked_to_train};
use veilsum_learn::stats::{Inquiry, Parameters, Query};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Question",
        layer: "question",
        run: question,
    },
    Kind {
        name: "Trained",
        layer: "question",
        run: trained,
    },
    Kind {
        name: "Judged",
        layer: "question",
        run: judged,
    },
];

fn question(case: &Case) -> Result<Value, Stop> {
    let query = Query::new(case.input::<Parameters>()?).map_err(broken)?;
    Ok(json!({ "asked": text(Inquiry::new(query).question().asked()) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trained {
    task: Bytes,
    round: u64,
    model: Bytes,
}

fn trained(case: &Case) -> Result<Value, Stop> {
    let i: Trained = case.input()?;
    let task = i.task.0.as_slice().try_into().map_err(broken)?;
    Ok(json!({ "asked": text(asked_to_train(task, i.round, &i.model.0)) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Judged {
    model_digest: Bytes,
}

fn judged(case: &Case) -> Result<Value, Stop> {
    let i: Judged = case.input()?;
    let digest = ModelDigest(i.model_digest.0.as_slice().try_into().map_err(broken)?);
    Ok(json!({ "asked": text(asked_to_judge(&digest)) }))
}

//! Models, and the deltas between them.

use crate::bytes::{Bytes, text};
use crate::file::Case;
use crate::judge::{Refused, Stop, broken, refused};
use crate::kinds::Kind;
use crate::values;
use miniz_oxide::inflate::decompress_to_vec;
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_encode::{Dtype, Tensor, Tensors};
use veilsum_learn::{Delta, DeltaError, Model, ModelDigest, ModelId, Sync};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "ModelDigest",
        layer: "model",
        run: model_digest,
    },
    Kind {
        name: "Delta",
        layer: "delta",
        run: delta,
    },
    Kind {
        name: "Deltas",
        layer: "delta",
        run: deltas,
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    name: String,
    dtype: String,
    shape: Vec<u64>,
    values: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Digested {
    tensors: Vec<Given>,
}

fn model_digest(case: &Case) -> Result<Value, Stop> {
    let i: Digested = case.input()?;
    let digest = ModelDigest::of(&tensors(&i.tensors)?);
    Ok(json!({ "digest": text(digest.0) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pair {
    version: u64,
    tensors: Vec<Given>,
    later_version: u64,
    later: Vec<Given>,
}

/// A compressor is free in what it writes, so what it wrote is unpacked again.
fn delta(case: &Case) -> Result<Value, Stop> {
    let i: Pair = case.input()?;
    let before = model(i.version, &i.tensors)?;
    let after = model(i.later_version, &i.later)?;
    let made = Delta::between(&before, &after).map_err(|error| match error {
        DeltaError::Form(_) | DeltaError::Version { .. } => {
            Stop::from(refused("delta.step", error))
        }
        error => broken(error),
    })?;
    let bytes = made.to_bytes();
    let stream = bytes
        .get(BEFORE_STREAM..)
        .ok_or_else(|| broken("a list of deltas without a step"))?;
    let planes = decompress_to_vec(stream).map_err(broken)?;
    Ok(json!({ "start": id(made.start()), "end": id(made.end()), "planes": text(planes) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    version: u64,
    tensors: Vec<Given>,
    deltas: Bytes,
}

fn deltas(case: &Case) -> Result<Value, Stop> {
    let i: Listed = case.input()?;
    let have = model(i.version, &i.tensors)?;
    let made = Sync::Deltas(i.deltas.0)
        .follow(Some(&have))
        .map_err(refusal)?;
    let shown = made.tensors().iter().map(|(name, tensor)| {
        json!({
            "name": name, "dtype": tensor.data.dtype().name(), "shape": tensor.shape, "values": text(tensor.data.to_le_bytes()),
        })
    });
    Ok(json!({
        "version": made.version(),
        "digest": text(made.digest().0),
        "tensors": shown.collect::<Vec<_>>(),
    }))
}

fn refusal(error: DeltaError) -> Refused {
    let requirement = match &error {
        DeltaError::Base { .. } => "delta.base",
        DeltaError::Model(_) => "delta.verify",
        DeltaError::Packed { .. } => "delta.bomb",
        DeltaError::Syntax => "delta.bytes",
        DeltaError::Steps { .. } => "delta.count",
        _ => "delta.step",
    };
    refused(requirement, error)
}

fn model(version: u64, given: &[Given]) -> Result<Model, Stop> {
    Model::new(version, tensors(given)?).map_err(broken)
}

fn tensors(given: &[Given]) -> Result<Tensors, Stop> {
    let read = |given: &Given| {
        let dtype = DTYPES
            .into_iter()
            .find(|dtype| dtype.name() == given.dtype)
            .ok_or_else(|| broken(format!("found the element type {:?}", given.dtype)))?;
        let tensor = Tensor {
            shape: given.shape.clone(),
            data: values::data(dtype, &given.values.0),
        };
        Ok((given.name.clone(), tensor))
    };
    given.iter().map(read).collect()
}

fn id(id: ModelId) -> Value {
    text([id.version.to_le_bytes().as_slice(), &id.digest.0].concat())
}

const DTYPES: [Dtype; 12] = [
    Dtype::F32,
    Dtype::F64,
    Dtype::F16,
    Dtype::Bf16,
    Dtype::I8,
    Dtype::I16,
    Dtype::I32,
    Dtype::I64,
    Dtype::U8,
    Dtype::U16,
    Dtype::U32,
    Dtype::U64,
];

/// Label, where the step starts and ends, and the length of its stream.
const BEFORE_STREAM: usize = 18 + 40 + 40 + 8;

//! Lanes into blocks and back.

use crate::bytes::{Bytes, text};
use crate::file::Case;
use crate::judge::{Refused, Stop, broken, refused};
use crate::kinds::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use veilsum_encode::{DecodeError, Layout};
use veilsum_math::Blocks;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Pack",
        layer: "packing",
        run: pack,
    },
    Kind {
        name: "PackLong",
        layer: "packing",
        run: pack_long,
    },
    Kind {
        name: "Unpack",
        layer: "decode",
        run: unpack,
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lanes {
    bits: u8,
    lanes: Vec<u64>,
}

fn pack(case: &Case) -> Result<Value, Stop> {
    let i: Lanes = case.input()?;
    let blocks = layout(i.lanes.len(), i.bits)?.pack(&i.lanes);
    Ok(json!({ "limbs": blocks.len(), "packed": text(blocks.to_le_bytes()) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    bits: u8,
    count: usize,
}

/// Lane i is (i + 1) 0x9E3779B97F4A7C15 modulo 2^b, as the header says.
fn pack_long(case: &Case) -> Result<Value, Stop> {
    let i: Count = case.input()?;
    let modulus = u64::MAX >> (64 - u32::from(i.bits));
    let lanes = (1..=i.count as u64).map(|at| at.wrapping_mul(0x9E37_79B9_7F4A_7C15) & modulus);
    let blocks = layout(i.count, i.bits)?.pack(&lanes.collect::<Vec<_>>());
    Ok(json!({ "limbs": blocks.len(), "sha256": text(Sha256::digest(blocks.to_le_bytes())) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    bits: u8,
    count: usize,
    packed: Bytes,
}

fn unpack(case: &Case) -> Result<Value, Stop> {
    let i: Packed = case.input()?;
    let blocks = Blocks::from_le_bytes(&i.packed.0)
        .map_err(|error| refused("encode.decode.length", error))?;
    let lanes = layout(i.count, i.bits)?.unpack(&blocks).map_err(refusal)?;
    Ok(json!({ "lanes": lanes }))
}

fn layout(lanes: usize, bits: u8) -> Result<Layout, Stop> {
    Layout::new(lanes as u64, bits).ok_or_else(|| broken("no such layout"))
}

/// What a refusal of a sum is about.
pub(super) fn refusal(error: DecodeError) -> Refused {
    let requirement = match &error {
        DecodeError::Contributors { .. } => "encode.decode.contributors",
        DecodeError::Length { .. } | DecodeError::Values { .. } => "encode.decode.length",
        DecodeError::Padding { .. } => "encode.decode.padding",
        DecodeError::Lane { .. } => "encode.decode.lane",
        DecodeError::Weight { .. } => "encode.decode.weight",
        DecodeError::Value { .. } => "encode.decode.value",
        DecodeError::NoiseBound { .. }
        | DecodeError::RemovedTwice
        | DecodeError::OtherNoise
        | DecodeError::MixedSurplus
        | DecodeError::SurplusTwice { .. }
        | DecodeError::TooMuchSurplus { .. }
        | DecodeError::OtherPlan => "noise.reveal.subtract",
    };
    refused(requirement, error)
}

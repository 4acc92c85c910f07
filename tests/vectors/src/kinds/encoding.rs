//! Plans, contributions and sums.

use crate::bytes::{Bytes, Hex, text};
use crate::draws::Draws;
use crate::file::Case;
use crate::judge::{Refused, Stop, broken, refused};
use crate::kinds::{Kind, packing, task};
use crate::values;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use veilsum_dp::{
    BaseSeed, ChainValue, Cohort, Law, MemberNoise, NoiseBound, NoiseContext, NoisePlan,
    NoiseSecrets, Rational, Sharing,
};
use veilsum_encode::{
    Dtype, EncodeError, Encoding, IntegerSum, Manifest, PackedSum, Plan, PlanError, Quantized,
    TensorSpec, Update, UpdateError, Weight,
};
use veilsum_math::Blocks;
use veilsum_proto::task::Task;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Plan",
        layer: "plan",
        run: plan,
    },
    Kind {
        name: "Contribution",
        layer: "encode",
        run: contribution,
    },
    Kind {
        name: "DecodeSum",
        layer: "decode",
        run: decode_sum,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Planned {
    task: Bytes,
    n: u32,
    noise_bound: u64,
}

fn plan(case: &Case) -> Result<Value, Stop> {
    let i: Planned = case.input()?;
    let task = Task::decode(&i.task.0).map_err(task::refusal)?;
    let plan = planned(task.manifest(), task.encoding(), i.n, i.noise_bound)?;
    Ok(json!({
        "rows": plan.rotation_rows().unwrap_or(1),
        "padded": plan.padded_coordinates(),
        "lanes": plan.lanes(),
        "bits": plan.lane_bits(),
        "limbs": plan.limbs(),
        "offset": plan.offset(),
        "laneMax": plan.lane_max(),
        "rangeBits": plan.range().map(|range| text(range.to_be_bytes())),
        "manifestDigest": text(task.manifest().digest()),
        "planDigest": text(plan.digest()),
    }))
}

fn planned(manifest: &Manifest, encoding: &Encoding, n: u32, noise: u64) -> Result<Plan, Stop> {
    let plan = Plan::derive(manifest, encoding, n, NoiseBound::new(noise));
    Ok(plan.map_err(|error| match &error {
        PlanError::WeightedNoise { .. } => refused("encode.plan.noise", error),
        error => refused(task::of_plan(error), error),
    })?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Contributed {
    task: Bytes,
    n: u32,
    #[serde(default)]
    noise_bound: u64,
    update: Vec<values::Named>,
    weight: Option<u32>,
    rotation_seed: Option<Hex<32>>,
    rounding_keys: Vec<Hex<32>>,
    noise: Option<Vec<i64>>,
}

fn contribution(case: &Case) -> Result<Value, Stop> {
    let i: Contributed = case.input()?;
    let task = Task::decode(&i.task.0).map_err(broken)?;
    let plan = planned(task.manifest(), task.encoding(), i.n, i.noise_bound)?;
    let tensors = values::tensors(task.manifest(), &i.update);
    let update = Update::for_plan(&plan, tensors).map_err(|error| refusal(error.into()))?;
    let digest = update.digest();
    let weight = Weight::new(i.weight.unwrap_or(1))
        .ok_or_else(|| refused("encode.weight.range", "found a weight of 0"))?;
    let seed = i.rotation_seed.map_or([0; 32], |seed| seed.0);
    let mut draws = Draws::new(i.rounding_keys.iter().map(|key| key.0.to_vec()));
    let clipped = update.clip(&plan).map_err(refusal)?;
    let quantized = clipped
        .quantize(&plan, weight, &seed, &mut draws)
        .map_err(refusal)?;
    draws.wrong().map_or(Ok(()), |why| Err(broken(why)))?;
    let (integers, packed) = match &i.noise {
        Some(noise) => with_noise(quantized, &plan, noise)?,
        None => {
            let integers = quantized.values().to_vec();
            (
                integers,
                quantized
                    .pack(&plan)
                    .map_err(refusal)?
                    .into_blocks()
                    .to_le_bytes(),
            )
        }
    };
    Ok(json!({
        "integers": integers,
        "packed": text(packed),
        "updateDigest": text(digest),
    }))
}

/// The vector says the noise value by value, where our code draws it: what is added here is packed as the sum of one contributor. In a plan
/// without room for noise, our code refuses any.
fn with_noise(
    mut quantized: Quantized,
    plan: &Plan,
    noise: &[i64],
) -> Result<(Vec<i64>, Vec<u8>), Stop> {
    if !plan.has_noise() {
        let (some, member) = some_noise()?;
        quantized.add_noise(plan, &some, &member).map_err(refusal)?;
    }
    if noise.len() != quantized.values().len() {
        return Err(broken("as many noise values as coordinates are wanted"));
    }
    let integers = quantized
        .values()
        .iter()
        .zip(noise)
        .map(|(value, noise)| value + noise)
        .collect::<Vec<_>>();
    let sum = IntegerSum::new(plan, integers.clone(), 1, 1).and_then(|sum| sum.pack(plan));
    let packed = sum.map_err(broken)?;
    Ok((integers, packed.blocks().to_le_bytes()))
}

fn some_noise() -> Result<(NoisePlan, MemberNoise), Stop> {
    let law = Law::skellam(Rational::integer(1)).map_err(broken)?;
    let cohort = Cohort::new(3, 0, 0).map_err(broken)?;
    let plan = NoisePlan::derive(law, cohort, Sharing::Local).map_err(broken)?;
    let context = NoiseContext {
        task: [1; 32],
        round: 1,
        attempt: 0,
        slot: 0,
    };
    let secrets = NoiseSecrets::new(context, BaseSeed::new([1; 32]), ChainValue::new([2; 32]));
    let member = plan.member_noise(&secrets);
    Ok((plan, member))
}

fn refusal(error: EncodeError) -> Refused {
    let requirement = match &error {
        EncodeError::Update(UpdateError::NotFinite { .. }) => "encode.nan",
        EncodeError::Update(_) | EncodeError::OtherManifest => "encode.update.tensors",
        EncodeError::Weight { .. } => "encode.weight.range",
        EncodeError::NoiseMissing | EncodeError::NoiseBound { .. } => "encode.noise.bound",
        EncodeError::NoiseTwice | EncodeError::OtherNoise => "encode.noise.once",
        EncodeError::OtherPlan => "encode.plan",
    };
    refused(requirement, error)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Summed {
    task: Bytes,
    n: u32,
    #[serde(default)]
    noise_bound: u64,
    packed: Bytes,
    contributors: u32,
}

fn decode_sum(case: &Case) -> Result<Value, Stop> {
    let i: Summed = case.input()?;
    let task = Task::decode(&i.task.0).map_err(broken)?;
    let (manifest, encoding) = (task.manifest(), task.encoding());
    let plan = planned(manifest, encoding, i.n, i.noise_bound)?;
    let sum = unpacked(&i, &plan)?;
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("values", json!(sum.values()));
    put("weight", json!(sum.weight()));
    put("digest", text(sum.sha256()));
    let seed = [0; 32];
    let doubles =
        |tensors| values::doubles(&tensors).ok_or_else(|| broken("means are not in binary64"));
    match encoding {
        Encoding::Integer { .. } => {
            put(
                "mean",
                json!(doubles(sum.mean(&plan, &seed).map_err(broken)?)?),
            );
        }
        Encoding::Float(_) => {
            // Means before they are rounded to the type of their tensor: those of a task that is the same, but in binary64.
            let wide = planned(&in_doubles(manifest)?, encoding, i.n, i.noise_bound)?;
            let exact = unpacked(&i, &wide)?.mean(&wide, &seed).map_err(broken)?;
            put("mean", json!(doubles(exact)?));
            put(
                "sum",
                json!(doubles(sum.sum(&plan, &seed).map_err(broken)?)?),
            );
            put(
                "meanTyped",
                values::shown(&sum.mean(&plan, &seed).map_err(broken)?),
            );
        }
    }
    Ok(Value::Object(out))
}

fn unpacked(i: &Summed, plan: &Plan) -> Result<IntegerSum, Stop> {
    let blocks = Blocks::from_le_bytes(&i.packed.0).map_err(broken)?;
    Ok(PackedSum::new(blocks, i.contributors)
        .unpack(plan)
        .map_err(packing::refusal)?)
}

fn in_doubles(manifest: &Manifest) -> Result<Manifest, Stop> {
    let specs = manifest.tensors().iter().map(|spec| TensorSpec {
        dtype: Dtype::F64,
        ..spec.clone()
    });
    Manifest::new(specs.collect()).map_err(broken)
}

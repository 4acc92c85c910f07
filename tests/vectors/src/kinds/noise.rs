//! Noise: tables, draws, plans, and what one member adds.

use crate::bytes::{Hex, text, wanted_key};
use crate::file::Case;
use crate::judge::{Refused, Stop, broken, refused};
use crate::kinds::Kind;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use veilsum_dp::{
    BaseSeed, ChainEnd, ChainValue, Cohort, Law, LawError, NoiseContext, NoisePlan, NoisePlanError,
    NoiseSecrets, PartLaw, Rational, Sampler, SamplerError, Sharing, TableError,
};
use veilsum_math::{Keystream, KeystreamKey};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "NoiseTable",
        layer: "noise",
        run: table,
    },
    Kind {
        name: "NoiseDraws",
        layer: "noise",
        run: draws,
    },
    Kind {
        name: "NoisePlan",
        layer: "noise",
        run: noise_plan,
    },
    Kind {
        name: "MemberNoise",
        layer: "noise",
        run: member_noise,
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    law: String,
    a: Rational,
    b: Rational,
}

/// A digit has no law of its own: it is a part of the discrete Laplace law of its scale.
fn table(case: &Case) -> Result<Value, Stop> {
    let i: Table = case.input()?;
    let whole = match i.law.as_str() {
        "digit" => law("polya", i.a.clone(), Rational::integer(1)),
        kind => law(kind, i.a.clone(), i.b.clone()),
    };
    let sampler = Sampler::compile(&whole.map_err(law_refusal)?)
        .map_err(|error| sampler_refusal(error, &i.law))?;
    let mut parts = sampler.parts();
    let part = parts.find(|part| {
        let (kind, a, b) = named(part.law());
        (kind, &a, &b) == (i.law.as_str(), &i.a, &i.b)
    });
    let thresholds = part
        .ok_or_else(|| broken("the law is no single table"))?
        .thresholds();
    let first = thresholds
        .iter()
        .take(4)
        .map(|threshold| format!("{threshold:032x}"));
    let bytes = thresholds
        .iter()
        .flat_map(|threshold| threshold.to_le_bytes())
        .collect::<Vec<_>>();
    Ok(json!({
        "clamp": thresholds.len(),
        "thresholds": thresholds.len(),
        "first": first.collect::<Vec<_>>(),
        "sha256": text(Sha256::digest(bytes)),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drawn {
    law: String,
    a: Rational,
    b: Rational,
    key: Hex<32>,
    first: u64,
    count: usize,
}

fn draws(case: &Case) -> Result<Value, Stop> {
    let i: Drawn = case.input()?;
    let law = law(&i.law, i.a, i.b).map_err(law_refusal)?;
    let sampler = Sampler::compile(&law).map_err(|error| sampler_refusal(error, &i.law))?;
    let mut values = vec![0; i.count];
    sampler.fill(KeystreamKey::new(i.key.0), i.first, &mut values);
    let parts = sampler.parts().map(|part| {
        let (kind, a, b) = named(part.law());
        json!({ "law": kind, "a": a, "b": b, "factor": part.factor() })
    });
    Ok(json!({
        "parts": parts.collect::<Vec<_>>(),
        "bound": sampler.bound().get(),
        "draws": values,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Planned {
    law: String,
    sharing: String,
    n: u32,
    tolerated: u32,
    corrupt: u32,
    parameter: Rational,
}

impl Planned {
    fn plan(&self) -> Result<NoisePlan, Stop> {
        let sharing = match self.sharing.as_str() {
            "local" => Sharing::Local,
            "shared" => Sharing::Shared,
            "dropout-exact" => Sharing::DropoutExact,
            other => return Err(broken(format!("found the sharing {other:?}"))),
        };
        let kind = match self.law.as_str() {
            "laplace" => "polya",
            kind => kind,
        };
        let target =
            law(kind, self.parameter.clone(), Rational::integer(1)).map_err(law_refusal)?;
        let cohort = Cohort::new(self.n, self.tolerated, self.corrupt).map_err(plan_refusal)?;
        Ok(NoisePlan::derive(target, cohort, sharing).map_err(plan_refusal)?)
    }

    fn is_chained(&self) -> bool {
        self.sharing == "dropout-exact"
    }
}

fn noise_plan(case: &Case) -> Result<Value, Stop> {
    let i: Planned = case.input()?;
    let plan = i.plan()?;
    let shares = std::iter::once(plan.base())
        .chain(plan.components())
        .map(|law| {
            let (kind, a, b) = named_law(law);
            json!({ "law": kind, "a": a, "b": b })
        });
    let mut out = Map::new();
    out.insert("shares".to_owned(), shares.collect());
    out.insert("bound".to_owned(), json!(plan.bound().get()));
    if i.is_chained() {
        let level = |missing| plan.level(missing).map(|level| level.components());
        let of = (0..=i.tolerated)
            .map(level)
            .collect::<Result<Vec<_>, _>>()
            .map_err(plan_refusal)?;
        out.insert("levels".to_owned(), json!(plan.levels()));
        out.insert("levelOf".to_owned(), json!(of));
    }
    Ok(Value::Object(out))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfMember {
    task: Hex<32>,
    round: u64,
    attempt: u32,
    slot: u32,
    base_seed: Hex<32>,
    chain_first: Hex<32>,
    coordinates: usize,
    level: u32,
}

/// Keys are shown by the keystreams that they make. The level is said in components, which is how many of the missing they stand for here.
fn member_noise(case: &Case) -> Result<Value, Stop> {
    let mut fields = case.input.clone();
    let mut planned = Map::new();
    for name in ["law", "sharing", "n", "tolerated", "corrupt", "parameter"] {
        planned.extend(fields.remove_entry(name));
    }
    let own = [
        "task",
        "round",
        "attempt",
        "slot",
        "baseSeed",
        "chainFirst",
        "coordinates",
        "level",
    ];
    if let Some(name) = fields.keys().find(|name| !own.contains(&name.as_str())) {
        return Err(broken(format!("unknown field `{name}`")));
    }
    let i: OfMember = serde_json::from_value(Value::Object(fields))?;
    let planned: Planned = serde_json::from_value(Value::Object(planned))?;
    let plan = planned.plan()?;
    let context = NoiseContext {
        task: i.task.0,
        round: i.round,
        attempt: i.attempt,
        slot: i.slot,
    };
    let secrets = || {
        NoiseSecrets::new(
            context,
            BaseSeed::new(i.base_seed.0),
            ChainValue::new(i.chain_first.0),
        )
    };
    let count = u32::try_from(plan.components().len()).map_err(broken)?;
    let mut chain = vec![ChainValue::new(i.chain_first.0)];
    for index in 1..=count {
        let next = chain
            .last()
            .map(|value| value.next(&context, index))
            .ok_or_else(|| broken("no chain"))?;
        chain.push(next);
    }
    let end = plan.chain_end(&secrets());
    let last = chain.last().map(|value| *value.expose());
    if last != Some(*end.as_bytes()) {
        return Err(broken(
            "the end of the chain is another than that of the advert",
        ));
    }
    let wanted = case.wanted("componentKeys");
    let keys = (0..)
        .zip((1..=count).zip(&chain))
        .map(|(place, (index, value))| {
            let wanted = wanted.get(place).unwrap_or(&Value::Null);
            same_key(value.component_key(&context, index), wanted)
        });
    let member = plan.member_noise(&secrets());
    let mut noise = vec![0; i.coordinates];
    plan.draw(&member, 0, &mut noise);
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put(
        "baseKey",
        same_key(
            BaseSeed::new(i.base_seed.0).key(&context),
            case.wanted("baseKey"),
        )?,
    );
    put(
        "chain",
        chain.iter().map(|value| text(value.expose())).collect(),
    );
    put("componentKeys", keys.collect::<Result<Vec<_>, _>>()?.into());
    put("noise", json!(noise));
    if planned.is_chained() && (i.level as usize) < plan.components().len() {
        let missing = (0..=planned.tolerated).find(|missing| {
            plan.level(*missing)
                .is_ok_and(|level| level.components() == i.level as usize)
        });
        let level = plan
            .level(missing.ok_or_else(|| broken("no such level"))?)
            .map_err(broken)?;
        let revealed = plan
            .reveal(&secrets(), level)
            .ok_or_else(|| broken("nothing is revealed at this level"))?;
        let surplus = plan
            .surplus(&revealed, &ChainEnd::new(*end.as_bytes()), &context, level)
            .map_err(broken)?;
        let mut taken = vec![0; i.coordinates];
        plan.remove(&[surplus], 0, &mut taken);
        put("revealed", text(revealed.expose()));
        put(
            "surplus",
            taken
                .iter()
                .map(|value| -value)
                .collect::<Vec<i64>>()
                .into(),
        );
    }
    Ok(Value::Object(out))
}

/// The wanted key, if ours makes the same keystream.
fn same_key(ours: KeystreamKey, wanted: &Value) -> Result<Value, Stop> {
    let stream = |key| {
        let mut out = [0; 64];
        Keystream::new(key).fill(0, &mut out);
        out
    };
    let key = wanted_key(wanted)?;
    Ok(if stream(ours) == stream(KeystreamKey::new(key)) {
        text(key)
    } else {
        Value::Null
    })
}

fn law(kind: &str, a: Rational, b: Rational) -> Result<Law, LawError> {
    match kind {
        "skellam" => Law::skellam(a),
        "gaussian" => Law::discrete_gaussian(a),
        _ => Law::polya(a, b),
    }
}

fn named(law: &PartLaw) -> (&'static str, Rational, Rational) {
    let one = Rational::integer(1);
    match law {
        PartLaw::Polya { scale, shape } => ("polya", scale.clone(), shape.clone()),
        PartLaw::Skellam { variance } => ("skellam", variance.clone(), one),
        PartLaw::DiscreteGaussian { parameter } => ("gaussian", parameter.clone(), one),
        PartLaw::LaplaceDigit { scale, base } => ("digit", scale.clone(), Rational::integer(*base)),
    }
}

fn named_law(law: &Law) -> (&'static str, Rational, Rational) {
    let one = Rational::integer(1);
    match law {
        Law::Polya { scale, shape, .. } => ("polya", scale.clone(), shape.clone()),
        Law::Skellam { variance, .. } => ("skellam", variance.clone(), one),
        Law::DiscreteGaussian { parameter, .. } => ("gaussian", parameter.clone(), one),
    }
}

fn law_refusal(error: LawError) -> Refused {
    refused("noise.law.parameters", error)
}

fn plan_refusal(error: NoisePlanError) -> Refused {
    let requirement = match &error {
        NoisePlanError::NotDivisible => "noise.plan.gaussian",
        NoisePlanError::Law(_) => "noise.law.parameters",
        NoisePlanError::Sampler(_) => "noise.parts.sum",
        NoisePlanError::NoHonestSurvivor { .. }
        | NoisePlanError::TooManyMembers { .. }
        | NoisePlanError::TargetIsShare { .. }
        | NoisePlanError::TooManyDropped { .. } => "noise.plan.share",
    };
    refused(requirement, error)
}

fn sampler_refusal(error: SamplerError, kind: &str) -> Refused {
    let requirement = match (&error, kind) {
        (SamplerError::TooManyParts { .. }, _) => "noise.parts.sum",
        (SamplerError::WideShares { .. }, _) => "noise.parts.shares",
        (SamplerError::Table(TableError::TooWide), "polya") => "noise.parts.polya",
        (SamplerError::Table(TableError::TooWide), "gaussian") => "noise.parts.gaussian",
        (SamplerError::Table(TableError::TooWide), _) => "noise.table.size",
    };
    refused(requirement, error)
}

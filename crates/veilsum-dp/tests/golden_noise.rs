//! Draws, chain and removal against vectors made by an independent program, `python/noise_vectors.py`.

#![expect(
    clippy::unwrap_used,
    reason = "a test without its vectors has nothing to test"
)]

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use veilsum_dp::{
    BaseSeed, ChainValue, Cohort, Law, NoiseContext, NoisePlan, NoiseSecrets, NoiseStream, Sampler,
    Sharing,
};
use veilsum_math::KeystreamKey;

#[derive(Deserialize)]
struct Vectors {
    draws: Vec<Draws>,
    plan: Plan,
}

#[derive(Deserialize)]
struct Draws {
    law: Law,
    key: String,
    bound: u64,
    first: Vec<i64>,
    sha256_of_4096: String,
    from_1_000_000: Vec<i64>,
}

#[derive(Deserialize)]
struct Plan {
    cohort: Cohort,
    target: Law,
    shares: Vec<String>,
    context: Context,
    base: String,
    chain: Vec<String>,
    drawn: Vec<i64>,
    kept: Vec<Vec<i64>>,
}

#[derive(Deserialize)]
struct Context {
    task: String,
    round: u64,
    attempt: u32,
    slot: u32,
}

fn vectors() -> Vectors {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/noise.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

// spec: [noise.draw] [noise.draw.seek] [noise.table.exact] [noise.table.clamp]
#[test]
fn draws_are_those_of_the_independent_program() {
    for draws in vectors().draws {
        let sampler = Sampler::compile(&draws.law).unwrap();
        assert_eq!(sampler.bound().get(), draws.bound, "{:?}", draws.law);
        let stream = NoiseStream::new(KeystreamKey::new(bytes(&draws.key)));
        let mut values = vec![0; 4096];
        sampler.add(&stream, 0, &mut values);
        assert_eq!(values[..24], draws.first, "{:?}", draws.law);
        let all: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(
            hex::encode(Sha256::digest(all)),
            draws.sha256_of_4096,
            "{:?}",
            draws.law
        );
        let mut far = vec![0; 8];
        sampler.add(&stream, 1_000_000, &mut far);
        assert_eq!(far, draws.from_1_000_000, "{:?}", draws.law);
    }
}

// spec: [noise.plan.shares] [noise.chain.labels] [noise.chain.base] [noise.chain.next] [noise.chain.component]
// spec: [noise.chain.end] [noise.member.adds] [noise.reveal.subtract]
#[test]
fn chain_and_noise_of_a_member_are_those_of_the_independent_program() {
    let vector = vectors().plan;
    let plan = NoisePlan::derive(vector.target, vector.cohort, Sharing::DropoutExact).unwrap();
    let shares: Vec<Law> = std::iter::once(plan.base())
        .chain(plan.components())
        .cloned()
        .collect();
    let wanted = vector
        .shares
        .iter()
        .map(|share| Law::skellam(share.parse().unwrap()).unwrap());
    assert!(shares.into_iter().eq(wanted));

    let context = NoiseContext {
        task: bytes(&vector.context.task),
        round: vector.context.round,
        attempt: vector.context.attempt,
        slot: vector.context.slot,
    };
    let first = || ChainValue::new(bytes(&vector.chain[0]));
    let secrets = NoiseSecrets::new(context, BaseSeed::new(bytes(&vector.base)), first());
    let end = plan.chain_end(&secrets);
    assert_eq!(hex::encode(end.as_bytes()), *vector.chain.last().unwrap());

    let mut drawn = vec![0; vector.drawn.len()];
    plan.draw(&plan.member_noise(&secrets), 0, &mut drawn);
    assert_eq!(drawn, vector.drawn);
    for (dropped, kept) in (0..).zip(&vector.kept) {
        let level = plan.level(dropped).unwrap();
        let mut left = drawn.clone();
        if let Some(revealed) = plan.reveal(&secrets, level) {
            assert_eq!(
                hex::encode(revealed.expose()),
                vector.chain[dropped as usize]
            );
            let surplus = plan.surplus(&revealed, &end, &context, level).unwrap();
            plan.remove(std::slice::from_ref(&surplus), 0, &mut left);
        }
        assert_eq!(left, *kept, "{dropped}");
    }
}

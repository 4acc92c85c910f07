//! How fast noise is drawn: one value per table draw, tables from tiny to the largest, and a wide law in two draws; what a
//! member pays beside its masks; and compiling tables.
//!
//! The throughput counts values. All on one thread.

#![expect(
    clippy::expect_used,
    reason = "a benchmark with wrong parameters has nothing to measure"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use veilsum_dp::{
    BaseSeed, ChainValue, Cohort, Law, NoiseContext, NoisePlan, NoiseSecrets, NoiseStream,
    Rational, Sampler, Sharing,
};
use veilsum_math::{Blocks, KeystreamKey, Mask, Sign, Threads, apply_masks};

/// Drawing and adding; the tables are compiled before.
fn draws(c: &mut Criterion) {
    let mut group = c.benchmark_group("draw");
    group.throughput(Throughput::Elements(VALUES as u64));
    let mut out = vec![0; VALUES];
    for (name, law) in laws() {
        let sampler = Sampler::compile(&law).expect("the law has a sampler");
        let stream = NoiseStream::new(KeystreamKey::new([7; 32]));
        let bytes = sampler.table_bytes();
        group.bench_function(BenchmarkId::new(name, bytes), |b| {
            b.iter(|| sampler.add(&stream, 0, black_box(&mut out)));
        });
    }
}

/// What a member pays for a million coordinates, next to the masks of 96 neighbours at 26 bits a lane.
fn member(c: &mut Criterion) {
    let mut group = c.benchmark_group("million coordinates");
    group.sample_size(10);
    let masks: Vec<Mask> = (0..96)
        .map(|i| Mask::new(KeystreamKey::new([i; 32]), Sign::Add))
        .collect();
    let mut blocks = Blocks::zeroed(MILLION * 26 / 64);
    group.bench_function("masks of 96 neighbours", |b| {
        b.iter(|| apply_masks(black_box(&mut blocks), &masks, Threads::One));
    });

    let mut out = vec![0; MILLION];
    let (skellam, laplace, gaussian) = (
        Law::skellam(Rational::integer(1_000_000)),
        Law::discrete_laplace(Rational::integer(200)),
        Law::discrete_gaussian(Rational::integer(1_000_000)),
    );
    for (name, law, sharing) in [
        (
            "base noise alone, skellam",
            skellam.clone(),
            Sharing::Shared,
        ),
        ("base noise alone, polya", laplace.clone(), Sharing::Shared),
        (
            "base noise alone, gaussian",
            gaussian.clone(),
            Sharing::Shared,
        ),
        ("whole noise, laplace", laplace.clone(), Sharing::Local),
        ("whole noise, gaussian", gaussian, Sharing::Local),
        (
            "base and 16 components, skellam",
            skellam,
            Sharing::DropoutExact,
        ),
        (
            "base and 16 components, polya",
            laplace,
            Sharing::DropoutExact,
        ),
    ] {
        let law = law.expect("the parameter is in range");
        let cohort = Cohort::new(100, 20, 10).expect("70 honest members survive");
        let plan = NoisePlan::derive(law, cohort, sharing).expect("the plan exists");
        let context = NoiseContext {
            task: [0; 32],
            round: 0,
            attempt: 0,
            slot: 0,
        };
        let (base, first) = (BaseSeed::new([1; 32]), ChainValue::new([2; 32]));
        let secrets = NoiseSecrets::new(context, base, first);
        group.bench_function(name, |b| {
            b.iter(|| plan.draw(&plan.member_noise(&secrets), 0, black_box(&mut out)));
        });
    }
}

/// Compiling tables, once per task.
fn compiling(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    group.sample_size(10);
    for (name, law) in laws() {
        group.bench_function(name, |b| b.iter(|| Sampler::compile(black_box(&law))));
    }
}

fn laws() -> Vec<(&'static str, Law)> {
    let number = |text: &str| text.parse::<Rational>().expect("a number");
    vec![
        ("skellam 1/100", Law::skellam(number("1/100"))),
        ("skellam 10", Law::skellam(number("10"))),
        ("skellam 1000", Law::skellam(number("1000"))),
        ("skellam 100000", Law::skellam(number("100000"))),
        ("skellam 1500000", Law::skellam(number("1500000"))),
        ("polya 20 1/70", Law::polya(number("20"), number("1/70"))),
        ("discrete laplace 10", Law::discrete_laplace(number("10"))),
        (
            "discrete gaussian 1000",
            Law::discrete_gaussian(number("1000")),
        ),
        (
            "discrete gaussian 1e10",
            Law::discrete_gaussian(number("1e10")),
        ),
    ]
    .into_iter()
    .map(|(name, law)| (name, law.expect("the parameter is in range")))
    .collect()
}

const VALUES: usize = 1 << 16;
const MILLION: usize = 1_000_000;

criterion_group!(benches, draws, member, compiling);
criterion_main!(benches);

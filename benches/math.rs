//! How fast the arithmetic runs: keystream alone, keystream fused into the ring, the ring alone, and sharing.
//!
//! The throughput of the mask benchmarks counts keystream bytes, so that a fused mask compares with the bare
//! cipher. All on one thread.

#![expect(
    clippy::expect_used,
    reason = "a benchmark with wrong operands has nothing to measure"
)]

use std::hint::black_box;

use aes::Aes256;
use cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ctr::Ctr128BE;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use veilsum_math::{
    BLOCK_BYTES, BLOCK_LIMBS, Backend, Blocks, Keystream, KeystreamKey, Lagrange, Mask, Point,
    Secret, ShareValue, Sign, Threads, apply_masks, split,
};

/// The cipher alone: an established library, then each kernel.
fn keystream(c: &mut Criterion) {
    let mut group = c.benchmark_group("keystream");
    group.throughput(Throughput::Bytes(BLOCK_BYTES as u64));
    let mut out = vec![0; BLOCK_BYTES];

    let mut cipher = Ctr128BE::<Aes256>::new(&[7; 32].into(), &[0; 16].into());
    group.bench_function("ctr crate", |b| {
        b.iter(|| {
            cipher.seek(0);
            cipher.apply_keystream(black_box(&mut out));
        });
    });
    for backend in Backend::available() {
        let keystream = Keystream::with_backend(KeystreamKey::new([7; 32]), backend);
        group.bench_function(backend.name(), |b| {
            b.iter(|| keystream.fill(0, black_box(&mut out)))
        });
    }
}

/// Masks added to a vector of 8 MiB, for one neighbour and for 66.
fn masks(c: &mut Criterion) {
    let mut group = c.benchmark_group("masks");
    let mut vector = Blocks::zeroed(256 * BLOCK_LIMBS);
    for backend in Backend::available() {
        for count in [1, 66] {
            let masks: Vec<Mask> = (0..count)
                .map(|i| Mask::with_backend(KeystreamKey::new([i; 32]), sign(i), backend))
                .collect();
            group.throughput(Throughput::Bytes(
                u64::from(count) * 8 * vector.len() as u64,
            ));
            group.sample_size(10);
            group.bench_function(BenchmarkId::new(backend.name(), count), |b| {
                b.iter(|| apply_masks(black_box(&mut vector), &masks, Threads::One));
            });
        }
    }
}

/// One masked update into the accumulator; the throughput counts the update.
fn addition(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring");
    let mut sum = Blocks::zeroed(16 * BLOCK_LIMBS);
    let update = Blocks::from_limbs(vec![u64::MAX / 3; 16 * BLOCK_LIMBS]);
    group.throughput(Throughput::Bytes(8 * update.len() as u64));
    group.bench_function("add", |b| {
        b.iter(|| black_box(&mut sum).add(&update).expect("lengths are equal"));
    });
    group.bench_function("subtract", |b| {
        b.iter(|| {
            black_box(&mut sum)
                .subtract(&update)
                .expect("lengths are equal")
        });
    });
}

/// 67 of 100, the complete graph's threshold.
fn sharing(c: &mut Criterion) {
    let mut group = c.benchmark_group("sharing 67 of 100");
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let secret = Secret::random(&mut rng);
    let points: Vec<Point> = (0..100).map(Point::of_slot).collect();
    let shares = split(&secret, 67, &points, &mut rng).expect("67 of 100 is possible");
    let chosen: Vec<&ShareValue> = shares.iter().take(67).collect();
    let lagrange = Lagrange::at_zero(&points[..67]).expect("points are distinct");

    group.bench_function("split", |b| {
        b.iter(|| split(&secret, 67, black_box(&points), &mut rng))
    });
    group.bench_function("coefficients", |b| {
        b.iter(|| Lagrange::at_zero(black_box(&points[..67])))
    });
    group.bench_function("combine", |b| {
        b.iter(|| lagrange.combine(black_box(&chosen)))
    });
}

fn sign(i: u8) -> Sign {
    if i.is_multiple_of(2) {
        Sign::Add
    } else {
        Sign::Subtract
    }
}

criterion_group!(benches, keystream, masks, addition, sharing);
criterion_main!(benches);

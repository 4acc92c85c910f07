//! How fast the arithmetic runs: keystream alone, keystream fused into the ring, the ring alone, and sharing.
//!
//! The throughput of the mask benchmarks counts keystream bytes, so that a fused mask compares with the bare
//! cipher. All on one thread.
//!
//! Before criterion's own reports comes a table of each kernel beside its limits. Its ratios are medians over pairs that
//! were run one right after the other and timed in the thread's own processor time, so that a busy machine changes
//! the rates but hardly the ratios.

#![expect(
    clippy::expect_used,
    reason = "a benchmark with wrong operands has nothing to measure"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes::Aes256;
use cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use cpu_time::ThreadTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ctr::Ctr128BE;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use veilsum_math::{
    BLOCK_BYTES, BLOCK_LIMBS, Backend, Blocks, Keystream, KeystreamKey, Lagrange, Mask, Point,
    Secret, ShareValue, Sign, Threads, apply_masks, split,
};

/// Each kernel: its cipher alone, its cipher fused with a wrapping add (the limit), and masks of 66 neighbours on a million
/// coordinates of 24 bits (what members do), as it is and as a part of the limit.
fn kernels(_: &mut Criterion) {
    println!("gigabytes of keystream a second, medians of up to {PAIRS} runs");
    println!("kernel      cipher  + wrapping add  66 masks  masks / (cipher + wrapping add)");
    for backend in Backend::available() {
        let row = kernel(backend);
        println!(
            "{:10} {:7.2} {:15.2} {:9.2} {:8.2} ({:.2} to {:.2})",
            backend.name(),
            row.cipher,
            row.wrapping,
            row.masks,
            median(&row.ratios),
            row.ratios.first().copied().unwrap_or_default(),
            row.ratios.last().copied().unwrap_or_default(),
        );
    }
    println!(
        "memory: {:.2} of a vector of 64 MiB wrapping added to another\n",
        memory()
    );
}

struct Row {
    cipher: f64,
    wrapping: f64,
    masks: f64,
    /// Sorted.
    ratios: Vec<f64>,
}

fn kernel(backend: Backend) -> Row {
    let keystreams: Vec<Keystream> = (0..NEIGHBOURS)
        .map(|i| Keystream::with_backend(KeystreamKey::new([i; 32]), backend))
        .collect();
    let masks: Vec<Mask> = (0..NEIGHBOURS)
        .map(|i| Mask::with_backend(KeystreamKey::new([i; 32]), sign(i), backend))
        .collect();
    let mut vector = Blocks::zeroed(1_000_000 * 24 / 64);
    // For the limits one block, which stays in the cache, as often as the vector has a full one.
    let blocks = vector.len() / BLOCK_LIMBS;
    let mut block = vec![0; BLOCK_LIMBS];
    let mut bytes = vec![0; BLOCK_BYTES];

    let (mut cipher, mut wrapping, mut masked, mut ratios) = (vec![], vec![], vec![], vec![]);
    let start = Instant::now();
    while ratios.len() < 5 || (ratios.len() < PAIRS && start.elapsed() < PATIENCE) {
        cipher.push(rate(BLOCK_BYTES * keystreams.len() * blocks, || {
            for _ in 0..blocks {
                for keystream in &keystreams {
                    keystream.fill(0, black_box(&mut bytes));
                }
            }
        }));
        let limit = rate(BLOCK_BYTES * keystreams.len() * blocks, || {
            for _ in 0..blocks {
                for keystream in &keystreams {
                    keystream.add_wrapping(black_box(&mut block));
                }
            }
        });
        let kernel = rate(8 * vector.len() * masks.len(), || {
            apply_masks(black_box(&mut vector), &masks, Threads::One);
        });
        wrapping.push(limit);
        masked.push(kernel);
        ratios.push(kernel / limit);
    }
    ratios.sort_unstable_by(f64::total_cmp);
    Row {
        cipher: median(&sorted(cipher)),
        wrapping: median(&sorted(wrapping)),
        masks: median(&sorted(masked)),
        ratios,
    }
}

/// What one core's memory allows: far more than the caches hold, read twice and written once.
fn memory() -> f64 {
    let mut sum = vec![1u64; 8 << 20];
    let other = vec![3u64; sum.len()];
    let rates = (0..PAIRS).map(|_| {
        rate(8 * other.len(), || {
            for (limb, other) in black_box(&mut sum).iter_mut().zip(black_box(&other)) {
                *limb = limb.wrapping_add(*other);
            }
        })
    });
    median(&sorted(rates.collect()))
}

/// Gigabytes a second of this thread's processor time.
fn rate(bytes: usize, work: impl FnOnce()) -> f64 {
    let start = ThreadTime::now();
    work();
    bytes as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

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
        for count in [1, NEIGHBOURS] {
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

/// The complete graph's threshold, among a hundred members and among a thousand.
fn sharing(c: &mut Criterion) {
    for count in [100, 1000] {
        let threshold = 2 * count / 3 + 1;
        let mut group = c.benchmark_group(format!("sharing {threshold} of {count}"));
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let secret = Secret::random(&mut rng);
        let points: Vec<Point> = (0..).take(count).map(Point::of_slot).collect();
        let shares =
            split(&secret, threshold, &points, &mut rng).expect("the threshold is possible");
        let chosen: Vec<&ShareValue> = shares.iter().take(threshold).collect();
        let lagrange = Lagrange::at_zero(&points[..threshold]).expect("points are distinct");

        group.bench_function("split", |b| {
            b.iter(|| split(&secret, threshold, black_box(&points), &mut rng))
        });
        group.bench_function("coefficients", |b| {
            b.iter(|| Lagrange::at_zero(black_box(&points[..threshold])))
        });
        group.bench_function("combine", |b| {
            b.iter(|| lagrange.combine(black_box(&chosen)))
        });
    }
}

fn sign(i: u8) -> Sign {
    if i.is_multiple_of(2) {
        Sign::Add
    } else {
        Sign::Subtract
    }
}

/// Of a member in a large federation.
const NEIGHBOURS: u8 = 66;

/// Runs of each kernel, and how long a slow one is waited for.
const PAIRS: usize = 31;
const PATIENCE: Duration = Duration::from_secs(10);

criterion_group!(benches, kernels, keystream, masks, addition, sharing);
criterion_main!(benches);

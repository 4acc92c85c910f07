//! Not a proof, and not a test: a machine with other work on it is louder than many a leak. Run by hand, on a quiet machine.
//!
//! What it is for: whether the time of what handles secrets tells them, by the method of dudect (Reparaz, Balasch, Verbauwhede:
//! "Dude, is my code constant time?", 2017). Each subject is timed with inputs of two classes in random order, one value over and
//! over and any values; Welch's t-test says whether the two means differ by more than chance. Above 4.5 they do. The control, a
//! comparison that stops at the first difference, has to be found: with it the program shows that it can see a leak here and now.
//!
//! ```sh
//! cargo run --release -p veilsum-math --example timing            # 200 000 measurements a subject
//! cargo run --release -p veilsum-math --example timing 2000000
//! ```
//!
//! It ends with 1 if a subject leaks or the control is not found.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;
use veilsum_math::backend::Backend;
use veilsum_math::{
    Keystream, KeystreamKey, Lagrange, Point, Secret, ShareValue, SharingError, split,
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let measurements = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 200_000,
    };
    println!("{measurements} measurements each; leaks above |t| = {THRESHOLD}");
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let mut good = true;
    for subject in [
        compare(&mut rng),
        split_secret(&mut rng),
        combine_shares(&mut rng)?,
        portable_keystream(&mut rng),
    ] {
        good &= report(subject, measurements, &mut rng) <= THRESHOLD;
    }
    good &= report(control(&mut rng), measurements, &mut rng) > THRESHOLD;
    println!(
        "{}",
        if good {
            "as it should be"
        } else {
            "NOT as it should be"
        }
    );
    Ok(ExitCode::from(u8::from(!good)))
}

/// What is timed, with inputs that are made before the clock starts.
struct Subject {
    name: &'static str,
    /// Makes the time of one measurement for an input, which is 64 bytes in either class.
    time: Box<dyn FnMut(&Input) -> f64>,
    /// Of the one class.
    fixed: Input,
}

type Input = [u8; 64];

/// Two seeds, equal or not.
fn compare(rng: &mut ChaCha12Rng) -> Subject {
    let secret = Secret::random(rng);
    let mut fixed = [0; 64];
    fixed[..32].copy_from_slice(&*secret.expose_bytes());
    Subject {
        name: "seeds, equal or not",
        time: Box::new(move |input| {
            let other = of(input);
            timed(64, || {
                black_box(&secret).ct_eq(black_box(&other)).unwrap_u8()
            })
        }),
        fixed,
    }
}

/// 12 shares, any 7 of which rebuild it.
fn split_secret(rng: &mut ChaCha12Rng) -> Subject {
    let (rng, points) = (rng.clone(), points());
    Subject {
        name: "splitting 0 or any secret",
        time: Box::new(move |input| {
            let secret = of(input);
            // the same polynomial but for the secret
            let mut rngs = [(); 2].map(|()| rng.clone()).into_iter();
            timed(2, || {
                rngs.next()
                    .map(|mut rng| split(black_box(&secret), 7, &points, &mut rng))
            })
        }),
        fixed: [0; 64],
    }
}

fn combine_shares(rng: &mut ChaCha12Rng) -> Result<Subject, SharingError> {
    let lagrange = Lagrange::at_zero(&points())?;
    let mut shares = split(&Secret::random(rng), 7, &points(), rng)?;
    Ok(Subject {
        name: "rebuilding from 0 or any share",
        time: Box::new(move |input| {
            let bytes = of(input).expose_bytes();
            if let (Ok(share), Some(first)) =
                (ShareValue::from_canonical_bytes(&bytes), shares.first_mut())
            {
                *first = share;
            }
            let shares = shares.iter().collect::<Vec<_>>();
            timed(8, || lagrange.combine(black_box(&shares)))
        }),
        fixed: [0; 64],
    })
}

fn portable_keystream(_: &mut ChaCha12Rng) -> Subject {
    let mut out = [0; 512];
    Subject {
        name: "portable AES-256, key 0 or any",
        time: Box::new(move |input| {
            let mut key = [0; 32];
            key.copy_from_slice(&input[..32]);
            timed(1, || {
                let key = KeystreamKey::new(black_box(key));
                Keystream::with_backend(key, Backend::Portable).fill(0, black_box(&mut out));
            })
        }),
        fixed: [0; 64],
    }
}

/// Stops at the first byte that differs.
fn control(rng: &mut ChaCha12Rng) -> Subject {
    let mut fixed = [0; 64];
    rng.fill_bytes(&mut fixed);
    Subject {
        name: "control: a comparison that stops early",
        time: Box::new(move |input| {
            let input = *input;
            timed(64, || {
                let pairs = black_box(&fixed).iter().zip(black_box(&input));
                pairs
                    .take_while(|(one, other)| black_box(one) == black_box(other))
                    .count()
            })
        }),
        fixed,
    }
}

/// 64 bytes as a secret: those of the one class are canonical in their first half, and zero above.
fn of(input: &Input) -> Secret {
    struct Once(Input);
    impl rand_core::TryRng for Once {
        type Error = rand_core::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(0)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(0)
        }
        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
            out.iter_mut()
                .zip(self.0)
                .for_each(|(out, byte)| *out = byte);
            Ok(())
        }
    }
    impl rand_core::TryCryptoRng for Once {}
    Secret::random(&mut Once(*input))
}

fn points() -> Vec<Point> {
    (0..12).map(Point::of_slot).collect()
}

/// Nanoseconds of so many repetitions.
fn timed<T>(repetitions: u32, mut act: impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..repetitions {
        black_box(act());
    }
    start.elapsed().as_nanos() as f64
}

/// Measures and prints; the largest |t| over all croppings.
fn report(mut subject: Subject, measurements: usize, rng: &mut ChaCha12Rng) -> f64 {
    let mut crops = Vec::new();
    let mut tests = [Welch::default(); CROPS.len()];
    let mut left = measurements;
    while left > 0 {
        let batch = BATCH.min(left);
        left -= batch;
        let mut inputs = vec![(false, subject.fixed); batch];
        for (random, input) in &mut inputs {
            // drawn for both classes, so that both are made in the same way
            let mut any = [0; 64];
            rng.fill_bytes(&mut any);
            *random = rng.next_u32() & 1 == 1;
            if *random {
                *input = any;
            }
        }
        let times = inputs
            .iter()
            .map(|(random, input)| (*random, (subject.time)(input)));
        let times = times.collect::<Vec<_>>();
        if crops.is_empty() {
            // the first batch warms up, and says what is slow for another reason
            crops = croppings(&times);
            continue;
        }
        for (test, crop) in tests.iter_mut().zip(&crops) {
            let quick = times.iter().filter(|(_, time)| time <= crop);
            quick.for_each(|(random, time)| test.add(*random, *time));
        }
    }
    let t = tests.iter().map(|test| test.t().abs()).fold(0.0, f64::max);
    let word = if t > THRESHOLD {
        "leaks"
    } else {
        "no leak seen"
    };
    println!("{:<40} |t| {t:>9.2}  {word}", subject.name);
    t
}

/// Times below which these shares of all measurements lie.
fn croppings(times: &[(bool, f64)]) -> Vec<f64> {
    let mut sorted = times.iter().map(|(_, time)| *time).collect::<Vec<_>>();
    sorted.sort_by(f64::total_cmp);
    let at = |share: &f64| (sorted.len() as f64 * share) as usize;
    let crops = CROPS.iter().map(|share| sorted.get(at(share)).copied());
    crops.map(|crop| crop.unwrap_or(f64::INFINITY)).collect()
}

/// Welch's t-test of two classes, one measurement after the other.
#[derive(Clone, Copy, Default)]
struct Welch {
    /// Count, mean and sum of squared distances from it.
    classes: [(f64, f64, f64); 2],
}

impl Welch {
    fn add(&mut self, random: bool, time: f64) {
        let (count, mean, squares) = &mut self.classes[usize::from(random)];
        *count += 1.0;
        let distance = time - *mean;
        *mean += distance / *count;
        *squares += distance * (time - *mean);
    }

    fn t(&self) -> f64 {
        let [one, other] = self.classes;
        let error = |(count, _, squares): (f64, f64, f64)| squares / (count - 1.0) / count;
        let t = (one.1 - other.1) / (error(one) + error(other)).sqrt();
        if t.is_finite() { t } else { 0.0 }
    }
}

const THRESHOLD: f64 = 4.5;

/// Measurements whose inputs are made at once.
const BATCH: usize = 5000;

/// Shares of the measurements that are kept, the quickest first: what is interrupted says nothing about a secret.
const CROPS: [f64; 7] = [0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0];

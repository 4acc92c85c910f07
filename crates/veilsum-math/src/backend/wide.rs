//! Not a place for intrinsics: what runs here is plain Rust, and gives the same results at every
//! width.
//!
//! What it is for: loops over many numbers, compiled once for each width of registers and run at the
//! widest that this processor has. A default build knows the registers of the oldest x86-64 only, two
//! `f64` each; a loop that the compiler takes four or eight at a time is worth asking the processor.

use core::fmt;

/// A loop that the compiler can turn into instructions on whole registers.
///
/// ```
/// use veilsum_math::backend::{WideLoop, Width};
///
/// struct Scale<'a>(&'a mut [f64], f64);
///
/// impl WideLoop for Scale<'_> {
///     type Output = ();
///
///     #[inline(always)]
///     fn run(self) {
///         self.0.iter_mut().for_each(|x| *x *= self.1);
///     }
/// }
///
/// let mut values = [1.0, 2.0, 3.0];
/// Width::detected().run(Scale(&mut values, 0.5));
/// assert_eq!(values, [0.5, 1.0, 1.5]);
/// ```
pub trait WideLoop {
    /// What is known after it.
    type Output;

    /// The whole loop. To be `#[inline(always)]`, and so what it calls: a function that stays by itself
    /// has the registers of the oldest processor.
    fn run(self) -> Self::Output;
}

/// Registers that this processor has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Width(Registers);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Registers {
    /// Those that every processor of the target has.
    Baseline,
    /// 256 bits. Made by [`Width::avx2`] alone.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512 bits. Made by [`Width::avx512`] alone.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Width {
    /// The widest of this processor.
    pub fn detected() -> Self {
        Self::widest_first().next().unwrap_or(BASELINE)
    }

    /// All of this processor, widest first.
    pub fn available() -> Vec<Self> {
        Self::widest_first().collect()
    }

    /// Runs a loop that was compiled for this width.
    pub fn run<L: WideLoop>(self, work: L) -> L::Output {
        match self.0 {
            Registers::Baseline => work.run(),
            // SAFETY: this variant is made by `avx2` alone, after the processor said that it has AVX2.
            #[cfg(target_arch = "x86_64")]
            Registers::Avx2 => unsafe { run_in_avx2(work) },
            // SAFETY: this variant is made by `avx512` alone, after the processor said that it has all
            // parts of AVX-512 that the function names.
            #[cfg(target_arch = "x86_64")]
            Registers::Avx512 => unsafe { run_in_avx512(work) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn widest_first() -> impl Iterator<Item = Self> {
        let wide = Self::avx512().into_iter().chain(Self::avx2());
        wide.chain([BASELINE])
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn widest_first() -> impl Iterator<Item = Self> {
        [BASELINE].into_iter()
    }

    #[cfg(target_arch = "x86_64")]
    fn avx512() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        found.then_some(Self(Registers::Avx512))
    }

    #[cfg(target_arch = "x86_64")]
    fn avx2() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(Registers::Avx2))
    }
}

impl fmt::Debug for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Registers::Baseline => "baseline",
            #[cfg(target_arch = "x86_64")]
            Registers::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Registers::Avx512 => "avx-512",
        })
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_in_avx2<L: WideLoop>(work: L) -> L::Output {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn run_in_avx512<L: WideLoop>(work: L) -> L::Output {
    work.run()
}

const BASELINE: Width = Width(Registers::Baseline);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All that loops elsewhere do to a float: products, sums, comparisons, bits.
    struct Mixed<'a>(&'a [f64], &'a mut [u64]);

    impl WideLoop for Mixed<'_> {
        type Output = (u64, u64);

        #[inline(always)]
        fn run(self) -> Self::Output {
            let mut sums = [0.0; 8];
            let mut above = 0;
            let (values, _) = self.0.as_chunks::<8>();
            let (out, _) = self.1.as_chunks_mut::<8>();
            for (values, out) in values.iter().zip(out) {
                for ((value, out), sum) in values.iter().zip(out).zip(&mut sums) {
                    // where a fused multiply-add would give another sum
                    *sum += value * value;
                    let scaled = value * 0.3 + 1.0;
                    above += u64::from(scaled.abs() > 2.0);
                    *out = (scaled.clamp(-2.0, 2.0) + 4.0).to_bits() >> 3;
                }
            }
            (sums.iter().sum::<f64>().to_bits(), above)
        }
    }

    proptest! {
        #[test]
        fn every_width_gives_the_same_bits(values in proptest::collection::vec(-9.0..9.0, 0..400)) {
            let run = |width: Width| {
                let mut out = vec![0; values.len()];
                (width.run(Mixed(&values, &mut out)), out)
            };
            for width in Width::available() {
                prop_assert_eq!(run(width), run(BASELINE), "{:?}", width);
            }
        }
    }

    #[test]
    fn the_detected_width_is_the_first_available_and_the_baseline_the_last() {
        let available = Width::available();
        assert_eq!(available.first(), Some(&Width::detected()));
        assert_eq!(available.last(), Some(&BASELINE));
    }
}

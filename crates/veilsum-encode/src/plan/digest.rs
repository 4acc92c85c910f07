//! One digest for all a plan is derived from.

use sha2::{Digest, Sha256};
use veilsum_dp::NoiseBound;

use crate::{Clip, Encoding, FloatEncoding, Manifest, Range, Rounding};

/// SHA-256 of manifest, encoding, enrolled members and noise bound.
pub(super) fn digest(
    manifest: &Manifest,
    encoding: &Encoding,
    enrolled: u32,
    noise: NoiseBound,
) -> [u8; 32] {
    // spec: [encode.digest.plan]
    let mut hash = Sha256::new();
    hash.update(b"veilsum plan v1");
    hash.update(manifest.digest());
    match encoding {
        Encoding::Float(float) => hash_float_encoding(&mut hash, float),
        Encoding::Integer { min, max } => {
            hash.update([1]);
            hash.update(min.to_le_bytes());
            hash.update(max.to_le_bytes());
        }
    }
    hash.update(enrolled.to_le_bytes());
    hash.update(noise.get().to_le_bytes());
    hash.finalize().into()
}

fn hash_float_encoding(hash: &mut Sha256, encoding: &FloatEncoding) {
    let (clip, bound) = match encoding.clip {
        Clip::L2(bound) => (0_u8, bound),
        Clip::LInf(bound) => (1, bound),
        Clip::L1(bound) => (2, bound),
    };
    let (range, extent) = match encoding.range {
        Range::Auto | Range::Full => (0_u8, 0.0),
        Range::Spread { deviations } => (1, f64::from(deviations)),
        Range::Fixed(range) => (2, range),
    };
    hash.update([0, clip]);
    hash.update(bound.to_bits().to_le_bytes());
    hash.update([encoding.precision_bits, u8::from(encoding.rotation), range]);
    hash.update(extent.to_bits().to_le_bytes());
    hash.update(encoding.max_weight.to_le_bytes());
    hash.update([match encoding.rounding {
        Rounding::Stochastic => 1,
        Rounding::Conditional => 2,
    }]);
}

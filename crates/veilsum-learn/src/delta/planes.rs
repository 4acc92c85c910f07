//! Not a general compressor: differences of bit patterns, in planes of bytes, through DEFLATE (RFC 1951).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use veilsum_encode::{Dtype, Tensor, Tensors};

use crate::tensors::from_le_bytes;

/// Differences of all values of one model, tensor by tensor in name order, in ranks.
pub(super) struct Differences(Vec<Vec<u64>>);

impl Differences {
    /// From `before` to `after`, which have the same form.
    pub(super) fn between(before: &Tensors, after: &Tensors) -> Self {
        let tensors = before.values().zip(after.values());
        let differences = tensors.map(|(before, after)| {
            let kind = Kind::of(before.data.dtype());
            let (before, after) = (before.data.to_le_bytes(), after.data.to_le_bytes());
            let pairs = kind.ranks(&before).zip(kind.ranks(&after));
            pairs
                .map(|(before, after)| after.wrapping_sub(before) & kind.mask)
                .collect()
        });
        Self(differences.collect())
    }

    /// Reads what [`Differences::pack`] wrote for models of the form of `like`; `None` unless it unpacks to exactly as many bytes
    /// as the values of `like` have, without a rest.
    pub(super) fn unpack(like: &Tensors, packed: &[u8]) -> Option<Self> {
        let planes = inflate(packed, size(like))?;
        let mut rest = planes.as_slice();
        let mut differences = Vec::with_capacity(like.len());
        for tensor in like.values() {
            let kind = Kind::of(tensor.data.dtype());
            let mut values = vec![0_u64; tensor.data.len()];
            for plane in 0..kind.width {
                let (bytes, others) = rest.split_at_checked(values.len())?;
                for (value, byte) in values.iter_mut().zip(bytes) {
                    *value |= shift(*byte, plane);
                }
                rest = others;
            }
            values
                .iter_mut()
                .for_each(|value| *value = kind.unfold(*value));
            differences.push(values);
        }
        Some(Self(differences))
    }

    /// Compressed, for models of the form of `like`.
    pub(super) fn pack(&self, like: &Tensors) -> Vec<u8> {
        let mut planes = Vec::with_capacity(size(like));
        for (tensor, values) in like.values().zip(&self.0) {
            let kind = Kind::of(tensor.data.dtype());
            let folded = Vec::from_iter(values.iter().map(|value| kind.fold(*value)));
            // spec: [delta.planes]
            for plane in 0..kind.width {
                planes.extend(folded.iter().map(|value| byte(*value, plane)));
            }
        }
        compress_to_vec(&planes, LEVEL)
    }

    /// Goes on by the differences of a later step of the same form.
    pub(super) fn add(&mut self, later: &Self) {
        for (values, later) in self.0.iter_mut().zip(&later.0) {
            for (value, later) in values.iter_mut().zip(later) {
                *value = value.wrapping_add(*later);
            }
        }
    }

    /// The way back.
    pub(super) fn reversed(mut self) -> Self {
        let all = self.0.iter_mut().flatten();
        all.for_each(|value| *value = value.wrapping_neg());
        self
    }

    /// The values that lie these differences behind those of `before`.
    pub(super) fn apply(&self, before: &Tensors) -> Tensors {
        let tensors = before.iter().zip(&self.0);
        let after = tensors.map(|((name, tensor), differences)| {
            let kind = Kind::of(tensor.data.dtype());
            let old = tensor.data.to_le_bytes();
            let new = kind.ranks(&old).zip(differences);
            let bytes: Vec<u8> = new
                .flat_map(|(rank, difference)| {
                    let bits = kind.bits(rank.wrapping_add(*difference));
                    bits.to_le_bytes().into_iter().take(kind.width)
                })
                .collect();
            let data = from_le_bytes(tensor.data.dtype(), &bytes);
            let shape = tensor.shape.clone();
            (name.clone(), Tensor { shape, data })
        });
        after.collect()
    }
}

/// Bytes of all values.
pub(super) fn size(tensors: &Tensors) -> usize {
    let sizes = tensors
        .values()
        .map(|tensor| tensor.data.len().saturating_mul(width(tensor.data.dtype())));
    sizes.fold(0, usize::saturating_add)
}

/// How bit patterns of one type are counted.
#[derive(Clone, Copy)]
struct Kind {
    /// Bytes of a value.
    width: usize,
    /// The most significant bit.
    top: u64,
    /// All bits of a value.
    mask: u64,
    /// Whether the most significant bit is the sign of a float.
    float: bool,
}

impl Kind {
    fn of(dtype: Dtype) -> Self {
        let width = width(dtype);
        let mask = (0..width).fold(0, |mask, plane| mask | shift(0xff, plane));
        Self {
            width,
            top: mask ^ (mask >> 1),
            mask,
            float: matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16),
        }
    }

    /// Ranks of values given as little-endian bytes: neighbours have consecutive ranks, also around zero.
    fn ranks(self, bytes: &[u8]) -> impl Iterator<Item = u64> {
        bytes.chunks_exact(self.width.max(1)).map(move |value| {
            let bits = value
                .iter()
                .enumerate()
                .fold(0, |bits, (plane, byte)| bits | shift(*byte, plane));
            self.rank(bits)
        })
    }

    // spec: [delta.rank]
    fn rank(self, bits: u64) -> u64 {
        match (self.float, bits & self.top) {
            (false, _) => bits,
            (true, 0) => bits | self.top,
            (true, _) => !bits & self.mask,
        }
    }

    /// The bits of a rank; only the low bits of `rank` count.
    fn bits(self, rank: u64) -> u64 {
        match (self.float, rank & self.top) {
            (false, _) => rank & self.mask,
            (true, 0) => !rank & self.mask,
            (true, _) => rank & self.mask & !self.top,
        }
    }

    /// Zigzag: 0, -1, 1, -2 become 0, 1, 2, 3, so that small steps down also have zero high bytes.
    // spec: [delta.zigzag]
    fn fold(self, difference: u64) -> u64 {
        let doubled = difference.wrapping_shl(1) & self.mask;
        match difference & self.top {
            0 => doubled,
            _ => !doubled & self.mask,
        }
    }

    fn unfold(self, folded: u64) -> u64 {
        match folded & 1 {
            0 => folded >> 1,
            _ => !(folded >> 1) & self.mask,
        }
    }
}

/// Unpacks to exactly `wanted` bytes, out of all of `packed`.
// spec: [delta.bomb]
fn inflate(packed: &[u8], wanted: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; wanted];
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut state = Box::<DecompressorOxide>::default();
    let (status, taken, made) = decompress(&mut state, packed, &mut out, 0, flags);
    let whole = status == TINFLStatus::Done && taken == packed.len() && made == wanted;
    whole.then_some(out)
}

fn width(dtype: Dtype) -> usize {
    match dtype {
        Dtype::F64 | Dtype::I64 | Dtype::U64 => 8,
        Dtype::F32 | Dtype::I32 | Dtype::U32 => 4,
        Dtype::F16 | Dtype::Bf16 | Dtype::I16 | Dtype::U16 => 2,
        Dtype::I8 | Dtype::U8 => 1,
    }
}

/// Byte number `plane` of a value, the least significant first.
fn byte(value: u64, plane: usize) -> u8 {
    value.to_le_bytes().get(plane).copied().unwrap_or_default()
}

fn shift(byte: u8, plane: usize) -> u64 {
    let mut bytes = [0; 8];
    if let Some(place) = bytes.get_mut(plane) {
        *place = byte;
    }
    u64::from_le_bytes(bytes)
}

const LEVEL: u8 = 6;

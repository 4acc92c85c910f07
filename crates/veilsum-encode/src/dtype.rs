//! Element types of tensors.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Element type of a tensor.
///
/// Float tasks take the four float types, integer tasks the eight integer types; a plan refuses the other kind by the
/// tensor's name. There is no boolean type: a mask or a flag is an integer tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
}

impl Dtype {
    /// Whether values of this type may be NaN or infinite, and must be quantised to be summed.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::F16 | Self::Bf16)
    }

    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    /// The name used in manifests and messages, such as `f32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
        }
    }

    /// The code under which digests name this type.
    pub(crate) const fn code(self) -> u8 {
        // spec: [encode.digest.dtype]
        match self {
            Self::F32 => 1,
            Self::F64 => 2,
            Self::F16 => 3,
            Self::Bf16 => 4,
            Self::I8 => 5,
            Self::I16 => 6,
            Self::I32 => 7,
            Self::I64 => 8,
            Self::U8 => 9,
            Self::U16 => 10,
            Self::U32 => 11,
            Self::U64 => 12,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: [encode.digest.dtype]
    #[test]
    fn codes_and_names_are_these() {
        let all = [
            (1, "f32", Dtype::F32),
            (2, "f64", Dtype::F64),
            (3, "f16", Dtype::F16),
            (4, "bf16", Dtype::Bf16),
            (5, "i8", Dtype::I8),
            (6, "i16", Dtype::I16),
            (7, "i32", Dtype::I32),
            (8, "i64", Dtype::I64),
            (9, "u8", Dtype::U8),
            (10, "u16", Dtype::U16),
            (11, "u32", Dtype::U32),
            (12, "u64", Dtype::U64),
        ];
        for (code, name, dtype) in all {
            assert_eq!((dtype.code(), dtype.name()), (code, name));
        }
    }
}

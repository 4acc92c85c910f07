//! The canonical encoding of a task (`spec/roster-task.md`, section "Task, bytes").

use super::{MAX_BYTES, MAX_TENSORS, NoiseLaw, NoiseSpec, Task, TaskError, TaskSpec};
use crate::label::VERSION;
use crate::parameters::{Amount, Decimal, ElectorateChoice, GraphChoice};
use crate::roster::Name;
use tls_codec::{
    DeserializeBytes, Error, Serialize as _, TlsDeserializeBytes, TlsSerialize, TlsSize, TlsVarInt,
};
use veilsum_dp::{Adjacency, Sharing, Unit};
use veilsum_encode::{Clip, Dtype, Encoding, FloatEncoding, Manifest, Range, Rounding, TensorSpec};

impl Task {
    /// Reads a task from its canonical encoding.
    ///
    /// # Errors
    ///
    /// [`TaskError::TooLong`], [`TaskError::Version`], [`TaskError::Codec`], [`TaskError::Code`],
    /// [`TaskError::TensorName`], [`TaskError::LeftOver`], [`TaskError::NotCanonical`] for bytes that are not the one
    /// encoding of a task; whatever [`Task::new`] refuses.
    // spec: [task.canonical]
    pub fn decode(bytes: &[u8]) -> Result<Self, TaskError> {
        let found = bytes.len();
        if found > MAX_BYTES {
            return Err(TaskError::TooLong { found });
        }
        let (version, body) = u16::tls_deserialize_bytes(bytes)?;
        if version != VERSION {
            return Err(TaskError::Version {
                found: version,
                wanted: VERSION,
            });
        }
        let (wire, rest) = TaskWire::tls_deserialize_bytes(body)?;
        if !rest.is_empty() {
            return Err(TaskError::LeftOver { found: rest.len() });
        }
        let task = Self::new(wire.into_spec()?)?;
        if task.encode() != bytes {
            return Err(TaskError::NotCanonical);
        }
        Ok(task)
    }
}

/// Writes a task's bytes.
// spec: [task.canonical]
pub(super) fn encode(spec: &TaskSpec) -> Result<Vec<u8>, TaskError> {
    let mut bytes = Vec::new();
    VERSION.tls_serialize(&mut bytes)?;
    TaskWire::of(spec).tls_serialize(&mut bytes)?;
    Ok(bytes)
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct TaskWire {
    name: Name,
    tensors: Tensors,
    encoding: EncodingWire,
    corrupt: Amount,
    dropout: Amount,
    floor: Option<u32>,
    graph: GraphChoice,
    electorate: ElectorateChoice,
    cohort: Option<u32>,
    max_attempts: u32,
    noise: Option<NoiseWire>,
}

#[derive(Debug, TlsSize, TlsSerialize)]
struct Tensors(Vec<TensorWire>);

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct TensorWire {
    name: Vec<u8>,
    shape: Vec<u64>,
    dtype: u8,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
enum EncodingWire {
    #[tls_codec(discriminant = 1)]
    Float(FloatWire),
    #[tls_codec(discriminant = 2)]
    Integer(IntegerWire),
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct FloatWire {
    clip: ClipWire,
    precision_bits: u8,
    rotation: u8,
    range: RangeWire,
    rounding: u8,
    max_weight: u32,
}

/// Both in two's complement.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct IntegerWire {
    min: u64,
    max: u64,
}

/// Bits of a binary64.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
enum ClipWire {
    #[tls_codec(discriminant = 1)]
    L2(u64),
    #[tls_codec(discriminant = 2)]
    LInf(u64),
    #[tls_codec(discriminant = 3)]
    L1(u64),
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct NoiseWire {
    law: u8,
    parameter: Decimal,
    sharing: u8,
    unit: u8,
    adjacency: u8,
    example_clip: Option<ClipWire>,
    delta: Decimal,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
enum RangeWire {
    #[tls_codec(discriminant = 1)]
    Full,
    #[tls_codec(discriminant = 2)]
    Spread(u8),
    #[tls_codec(discriminant = 3)]
    Fixed(u64),
}

impl TaskWire {
    fn of(spec: &TaskSpec) -> Self {
        Self {
            name: spec.name.clone(),
            tensors: Tensors(spec.manifest.tensors().iter().map(TensorWire::of).collect()),
            encoding: EncodingWire::of(&spec.encoding),
            corrupt: spec.corrupt,
            dropout: spec.dropout,
            floor: spec.floor,
            graph: spec.graph,
            electorate: spec.electorate,
            cohort: spec.cohort,
            max_attempts: spec.max_attempts,
            noise: spec.noise.as_ref().map(NoiseWire::of),
        }
    }

    fn into_spec(self) -> Result<TaskSpec, TaskError> {
        let tensors = self.tensors.0.into_iter().enumerate();
        let tensors = tensors.map(|(index, tensor)| tensor.into_spec(index));
        Ok(TaskSpec {
            name: self.name,
            manifest: Manifest::new(tensors.collect::<Result<_, _>>()?)?,
            encoding: self.encoding.into_encoding()?,
            corrupt: self.corrupt,
            dropout: self.dropout,
            floor: self.floor,
            graph: self.graph,
            electorate: self.electorate,
            cohort: self.cohort,
            max_attempts: self.max_attempts,
            noise: self.noise.map(NoiseWire::into_spec).transpose()?,
        })
    }
}

impl DeserializeBytes for Tensors {
    /// Stops at the first tensor too many, whatever the declared length.
    // spec: [task.caps]
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (length, rest) = TlsVarInt::tls_deserialize_bytes(bytes)?;
        let length = usize::try_from(length.value()).map_err(|_| Error::EndOfStream)?;
        let (mut body, rest) = rest.split_at_checked(length).ok_or(Error::EndOfStream)?;
        let mut tensors = Vec::new();
        while !body.is_empty() {
            if tensors.len() == MAX_TENSORS {
                return Err(Error::DecodingError(format!(
                    "found more than {MAX_TENSORS} tensors"
                )));
            }
            let (tensor, after) = TensorWire::tls_deserialize_bytes(body)?;
            tensors.push(tensor);
            body = after;
        }
        Ok((Self(tensors), rest))
    }
}

impl TensorWire {
    fn of(tensor: &TensorSpec) -> Self {
        Self {
            name: tensor.name.clone().into_bytes(),
            shape: tensor.shape.clone(),
            dtype: dtype_code(tensor.dtype),
        }
    }

    fn into_spec(self, index: usize) -> Result<TensorSpec, TaskError> {
        Ok(TensorSpec {
            name: String::from_utf8(self.name).map_err(|_| TaskError::TensorName { index })?,
            shape: self.shape,
            dtype: dtype(self.dtype)?,
        })
    }
}

impl EncodingWire {
    fn of(encoding: &Encoding) -> Self {
        match *encoding {
            Encoding::Float(FloatEncoding {
                clip,
                precision_bits,
                rotation,
                range,
                rounding,
                max_weight,
            }) => Self::Float(FloatWire {
                clip: ClipWire::of(clip),
                precision_bits,
                rotation: rotation.into(),
                range: match range {
                    // a task's range is resolved; `Auto` alone means the range that nothing leaves
                    Range::Auto | Range::Full => RangeWire::Full,
                    Range::Spread { deviations } => RangeWire::Spread(deviations),
                    Range::Fixed(range) => RangeWire::Fixed(range.to_bits()),
                },
                rounding: match rounding {
                    Rounding::Stochastic => 1,
                    Rounding::Conditional => 2,
                },
                max_weight,
            }),
            Encoding::Integer { min, max } => Self::Integer(IntegerWire {
                min: min.cast_unsigned(),
                max: max.cast_unsigned(),
            }),
        }
    }

    fn into_encoding(self) -> Result<Encoding, TaskError> {
        Ok(match self {
            Self::Float(float) => Encoding::Float(FloatEncoding {
                clip: float.clip.into_clip(),
                precision_bits: float.precision_bits,
                rotation: match float.rotation {
                    0 => false,
                    1 => true,
                    found => return Err(code("rotation", found, "0 or 1")),
                },
                range: match float.range {
                    RangeWire::Full => Range::Full,
                    RangeWire::Spread(deviations) => Range::Spread { deviations },
                    RangeWire::Fixed(bits) => Range::Fixed(f64::from_bits(bits)),
                },
                rounding: match float.rounding {
                    1 => Rounding::Stochastic,
                    2 => Rounding::Conditional,
                    found => return Err(code("rounding", found, "1 or 2")),
                },
                max_weight: float.max_weight,
            }),
            Self::Integer(integer) => Encoding::Integer {
                min: integer.min.cast_signed(),
                max: integer.max.cast_signed(),
            },
        })
    }
}

impl ClipWire {
    const fn of(clip: Clip) -> Self {
        match clip {
            Clip::L2(bound) => Self::L2(bound.to_bits()),
            Clip::LInf(bound) => Self::LInf(bound.to_bits()),
            Clip::L1(bound) => Self::L1(bound.to_bits()),
        }
    }

    const fn into_clip(self) -> Clip {
        match self {
            Self::L2(bits) => Clip::L2(f64::from_bits(bits)),
            Self::LInf(bits) => Clip::LInf(f64::from_bits(bits)),
            Self::L1(bits) => Clip::L1(f64::from_bits(bits)),
        }
    }
}

impl NoiseWire {
    fn of(noise: &NoiseSpec) -> Self {
        Self {
            law: match noise.law {
                NoiseLaw::Laplace => 1,
                NoiseLaw::Skellam => 2,
                NoiseLaw::Gaussian => 3,
            },
            parameter: noise.parameter,
            sharing: match noise.sharing {
                Sharing::Local => 1,
                Sharing::Shared => 2,
                Sharing::DropoutExact => 3,
            },
            unit: match noise.unit {
                Unit::Example => 1,
                Unit::Member => 2,
            },
            adjacency: match noise.adjacency {
                Adjacency::ZeroOut => 1,
                Adjacency::Replace => 2,
            },
            example_clip: noise.example_clip.map(ClipWire::of),
            delta: noise.delta,
        }
    }

    fn into_spec(self) -> Result<NoiseSpec, TaskError> {
        Ok(NoiseSpec {
            law: match self.law {
                1 => NoiseLaw::Laplace,
                2 => NoiseLaw::Skellam,
                3 => NoiseLaw::Gaussian,
                found => return Err(code("law of the noise", found, "1 to 3")),
            },
            parameter: self.parameter,
            sharing: match self.sharing {
                1 => Sharing::Local,
                2 => Sharing::Shared,
                3 => Sharing::DropoutExact,
                found => return Err(code("sharing of the noise", found, "1 to 3")),
            },
            unit: match self.unit {
                1 => Unit::Example,
                2 => Unit::Member,
                found => return Err(code("unit of the noise", found, "1 or 2")),
            },
            adjacency: match self.adjacency {
                1 => Adjacency::ZeroOut,
                2 => Adjacency::Replace,
                found => return Err(code("adjacency of the noise", found, "1 or 2")),
            },
            example_clip: self.example_clip.map(ClipWire::into_clip),
            delta: self.delta,
        })
    }
}

// spec: [task.dtypes]
fn dtype_code(dtype: Dtype) -> u8 {
    match dtype {
        Dtype::F32 => 1,
        Dtype::F64 => 2,
        Dtype::F16 => 3,
        Dtype::Bf16 => 4,
        Dtype::I8 => 5,
        Dtype::I16 => 6,
        Dtype::I32 => 7,
        Dtype::I64 => 8,
        Dtype::U8 => 9,
        Dtype::U16 => 10,
        Dtype::U32 => 11,
        Dtype::U64 => 12,
    }
}

fn dtype(found: u8) -> Result<Dtype, TaskError> {
    DTYPES
        .into_iter()
        .find(|dtype| dtype_code(*dtype) == found)
        .ok_or(code("element type", found, "1 to 12"))
}

fn code(field: &'static str, found: u8, wanted: &'static str) -> TaskError {
    TaskError::Code {
        field,
        found,
        wanted,
    }
}

const DTYPES: [Dtype; 12] = [
    Dtype::F32,
    Dtype::F64,
    Dtype::F16,
    Dtype::Bf16,
    Dtype::I8,
    Dtype::I16,
    Dtype::I32,
    Dtype::I64,
    Dtype::U8,
    Dtype::U16,
    Dtype::U32,
    Dtype::U64,
];

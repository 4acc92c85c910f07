//! What a task says about the way from values to integers.

use serde::{Deserialize, Serialize};

/// How the values of a task become integers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "encoding", rename_all = "lowercase")]
pub enum Encoding {
    /// Float tensors: clipped, optionally rotated, quantised.
    Float(FloatEncoding),
    /// Integer tensors, summed as they are; a value outside the range is refused, not saturated. No weights.
    Integer {
        /// Least value of a coordinate.
        min: i64,
        /// Largest value of a coordinate, above `min`.
        max: i64,
    },
}

/// Clipping and quantisation of floats.
///
/// ```
/// use veilsum_encode::{Clip, FloatEncoding, Range};
///
/// let plain = FloatEncoding::new(Clip::LInf(0.5), 16);
/// assert_eq!((plain.rotation, plain.range, plain.max_weight), (false, Range::Auto, 1));
/// let rotated = FloatEncoding::new(Clip::L2(3.0), 16).rotated().weighted(5_000);
/// assert_eq!((rotated.rotation, rotated.max_weight), (true, 5_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloatEncoding {
    /// What no update may exceed.
    pub clip: Clip,
    /// Bits of a quantised coordinate, 2 to 52: integers from -(2^(bits-1) - 1) to 2^(bits-1) - 1.
    pub precision_bits: u8,
    /// Whether updates are rotated before quantising, which spreads their energy over the coordinates.
    #[serde(default)]
    pub rotation: bool,
    /// The float that the largest integer stands for.
    #[serde(default)]
    pub range: Range,
    /// Largest weight of a member; 1 for a task without weights.
    #[serde(default = "one")]
    pub max_weight: u32,
    /// How scaled values become integers.
    #[serde(default)]
    pub rounding: Rounding,
}

impl FloatEncoding {
    /// No rotation, no weights, stochastic rounding, and the range that fits.
    #[must_use]
    pub const fn new(clip: Clip, precision_bits: u8) -> Self {
        Self {
            clip,
            precision_bits,
            rotation: false,
            range: Range::Auto,
            max_weight: 1,
            rounding: Rounding::Stochastic,
        }
    }

    /// The same with rotation.
    #[must_use]
    pub const fn rotated(self) -> Self {
        Self {
            rotation: true,
            ..self
        }
    }

    /// The same with weights from 1 to `max_weight`.
    #[must_use]
    pub const fn weighted(self, max_weight: u32) -> Self {
        Self { max_weight, ..self }
    }

    /// The same with conditional rounding.
    #[must_use]
    pub const fn conditional(self) -> Self {
        Self {
            rounding: Rounding::Conditional,
            ..self
        }
    }

    /// The same with what [`Range::Auto`] stands for.
    pub(crate) const fn resolved(self) -> Self {
        // spec: [encode.plan.range]
        let range = match (self.range, self.rotation) {
            (Range::Auto, false) => Range::Full,
            (Range::Auto, true) => Range::Spread { deviations: 6 },
            (range, _) => range,
        };
        Self { range, ..self }
    }
}

/// What no update may exceed. Bounds are between 2^-100 and 2^100.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clip {
    /// Sum of the absolute values of the whole flattened update; a larger one is scaled down.
    L1(f64),
    /// Euclidean norm of the whole flattened update; a longer one is scaled down.
    L2(f64),
    /// Absolute value of each coordinate; a larger one is cut.
    LInf(f64),
}

impl Clip {
    /// The bound, whatever the norm.
    #[must_use]
    pub const fn bound(self) -> f64 {
        let (Self::L1(bound) | Self::L2(bound) | Self::LInf(bound)) = self;
        bound
    }

    /// The name of the norm, as task files have it: `l1`, `l2` or `linf`.
    #[must_use]
    pub const fn norm(self) -> &'static str {
        match self {
            Self::L1(_) => "l1",
            Self::L2(_) => "l2",
            Self::LInf(_) => "linf",
        }
    }
}

/// How scaled values become integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rounding {
    /// Each up or down at random, with the right mean.
    #[default]
    Stochastic,
    /// As stochastic, but the rounding of the whole vector is drawn again while its norm is above a bound. The bound
    /// grows by about a quarter a coordinate where that of plain stochastic rounding grows by one, so that the noise for
    /// the unit member can be less. Only under an L2 clip, and not for the unit example.
    ///
    /// Source: Kairouz, Liu, Steinke, The Distributed Discrete Gaussian Mechanism, 2021, section 4.
    Conditional,
}

/// The float that the largest integer stands for. What lies beyond saturates, and is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    /// [`Range::Full`] without rotation, six deviations with it.
    #[default]
    Auto,
    /// The largest value the clip lets through: nothing saturates. Under an L2 clip of a long vector this wastes
    /// precision, since one coordinate could carry the whole norm but never does.
    Full,
    /// So many deviations of a coordinate of a rotated update at the clip, and never more than [`Range::Full`].
    ///
    /// Under a clip to the L2 norm c with D coordinates one deviation is c / sqrt(D); under an L-infinity clip to c it
    /// is c. For the latter a coordinate saturates with probability at most 2 exp(-deviations^2 / 2) over the rotation
    /// seed, whatever the update (Hoeffding); for the former that holds if the update's energy is spread evenly
    /// over the columns of the rotation.
    Spread {
        /// Between 1 and 64. Six leaves about two coordinates in a thousand million outside.
        deviations: u8,
    },
    /// A fixed value, between 2^-100 and 2^100.
    Fixed(f64),
}

const fn one() -> u32 {
    1
}

//! Not a place for masks, keys or members: nothing here knows who sent a vector, and nothing here talks to anyone.
//!
//! What it is for: the way of a member's update from floats to the ring blocks that get masked, and the way of an
//! unmasked sum back. One direction, each step takes the last by value:
//!
//! ```text
//! Tensors -> Update -> Clipped -> Quantized (+ noise) -> Contribution      member
//!             PackedSum -> IntegerSum (- surplus noise) -> Tensors          coordinator, and whoever gets the sum
//! ```
//!
//! All numbers come from a [`Plan`], which members and coordinator derive on their own from the task: the tensors
//! ([`Manifest`]), the [`Encoding`], the enrolled members and the noise bound. The norm is `spec/encoding.md`; its
//! requirement ids stand in the code at the lines that obey them.
//!
//! ```
//! use veilsum_dp::NoiseBound;
//! use veilsum_encode::{
//!     Clip, Dtype, Encoding, FloatEncoding, Manifest, PackedSum, Plan, Tensor, TensorData, TensorSpec, Update,
//!     Weight, contribute,
//! };
//!
//! let manifest =
//!     Manifest::new(vec![TensorSpec { name: "w".into(), shape: vec![3], dtype: Dtype::F32 }])?;
//! let encoding = Encoding::Float(FloatEncoding::new(Clip::LInf(1.0), 16));
//! let plan = Plan::derive(&manifest, &encoding, 10, NoiseBound::NONE)?;
//!
//! let values = Tensor { shape: vec![3], data: TensorData::F32(vec![1.0, -1.0, 0.0]) };
//! let update = Update::new(&manifest, [("w".to_owned(), values)].into())?;
//! # use rand_chacha::rand_core::SeedableRng;
//! # let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
//! let (contribution, report) = contribute(update, &plan, Weight::ONE, &[0; 32], &mut rng)?;
//! assert_eq!(report.saturated, 0);
//!
//! // Masked, summed and unmasked elsewhere; here the sum of one.
//! let sum = PackedSum::new(contribution.into_blocks(), 1).unpack(&plan)?;
//! assert_eq!(sum.values(), [32_767, -32_767, 0]);
//! assert_eq!(sum.mean(&plan, &[0; 32])?["w"].data, TensorData::F32(vec![1.0, -1.0, 0.0]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clip;
mod contribution;
mod direct;
mod dtype;
mod encoding;
mod error;
mod keystream;
mod layout;
mod manifest;
mod packing;
mod plan;
mod quantize;
mod rotation;
mod sum;
mod tensor;
mod update;
mod weight;

pub use clip::{Clipped, Clipping};
pub use contribution::{Contribution, Report, contribute, contribute_with_noise};
pub use dtype::Dtype;
pub use encoding::{Clip, Encoding, FloatEncoding, Range, Rounding};
pub use error::EncodeError;
pub use layout::Layout;
pub use manifest::{Manifest, ManifestError, TensorSpec};
pub use plan::{Plan, PlanError};
pub use quantize::Quantized;
pub use sum::{DecodeError, IntegerSum, PackedSum, sha256_of_values};
pub use tensor::{Tensor, TensorData, Tensors};
pub use update::{NotFinite, Update, UpdateError};
pub use weight::Weight;

//! How far one example or one member can move the integers of a sum under a plan. `spec/noise.md`, section 7.

use veilsum_dp::{
    Adjacency, Clip as DpClip, Encoded, Rational, Rounding as DpRounding, Sensitivity, Unit,
};

use super::grid::check_clip;
use super::{Plan, PlanError};
use crate::{Clip, Dtype, Encoding, Rounding};

impl Plan {
    /// What one step, the unit of the integers, stands for: `R / Q`. `None` in an integer task, where it is 1.
    #[must_use]
    pub fn step(&self) -> Option<Rational> {
        self.grid?.step()
    }

    /// How far one unit can move the sum, in steps, over all padded coordinates: upper bounds that follow from clip,
    /// grid, rotation and rounding of this plan, for stating what its noise is worth.
    ///
    /// With [`Unit::Member`] the clip of the encoding is the bound and `example_clip` must be `None`. With
    /// [`Unit::Example`], `example_clip` bounds what one example adds to the update *as it enters the update*: after
    /// division, if there is one, by a public number that is the same whatever examples there are.
    ///
    /// # Security
    ///
    /// The bound of an example is as good as the training that keeps to it:
    ///
    /// - The update is a sum of parts, one for each example, and a part does not depend on other examples. Who adds unclipped gradients, or
    ///   statistics of a batch, has no guarantee. Nor has who divides by the number of examples that are there: without one of them the mean of
    ///   the others is another, and all parts move.
    /// - A part whose norm is not finite is set to zero *before* it is added. The usual factor min(1, clip / norm) is 0 for an infinite norm, and 0 times
    ///   infinity is no number: the whole coordinate of the sum would be none, and become 0 in [`Update::clip`](crate::Update::clip), so that one example moves the
    ///   update by up to the whole clip. Whoever chooses the model can bring that about.
    /// - Parts are added in `f64`, and each keeps a little below the clip, since adding rounds: below 2^-19 of it is room for 2^20 parts.
    /// - That nobody is missing from a sum because of one example is up to the member.
    ///
    /// # Errors
    ///
    /// An example clip is missing, or given for a member, or is not between 2^-100 and 2^100; the clip of the encoding
    /// could bring two updates further apart in the norm of the example clip; or rounding is conditional and the unit an
    /// example. For an example also: a float task has elements other than f64, or an integer task an example clip below 1.
    // spec: [noise.sensitivity.derived]
    pub fn sensitivity(
        &self,
        unit: Unit,
        adjacency: Adjacency,
        example_clip: Option<Clip>,
    ) -> Result<Sensitivity, PlanError> {
        let encoded = match (unit, example_clip) {
            (Unit::Member, None) => self.encoded_member(adjacency)?,
            (Unit::Example, Some(clip)) => self.encoded_example(adjacency, clip)?,
            (Unit::Member, Some(_)) => return Err(PlanError::ExampleClipOfMember),
            (Unit::Example, None) => return Err(PlanError::ExampleClipMissing),
        };
        let sensitivity = Sensitivity::derive(&encoded)?;
        match (unit, self.encoding) {
            (Unit::Example, Encoding::Float(_)) => self.check_dtypes()?,
            (Unit::Example, Encoding::Integer { .. }) | (Unit::Member, _) => {}
        }
        Ok(sensitivity)
    }

    /// The squared norm, in steps and before the weight, above which conditional rounding draws again; `None` without
    /// conditional rounding.
    // spec: [encode.round.conditional]
    pub(super) fn derive_norm_limit(&self) -> Result<Option<u128>, PlanError> {
        let Encoding::Float(float) = self.encoding else {
            return Ok(None);
        };
        match (float.rounding, float.clip) {
            (Rounding::Stochastic, _) => Ok(None),
            (Rounding::Conditional, Clip::L2(_)) => {
                let encoded = self.encoded_member(Adjacency::ZeroOut)?;
                let limit = encoded.conditional_norm_squared();
                let limit = limit.and_then(|limit| limit.floor_u128());
                limit.map(Some).ok_or(PlanError::ConditionalNorm)
            }
            (Rounding::Conditional, clip @ (Clip::L1(_) | Clip::LInf(_))) => {
                Err(PlanError::ConditionalClip { found: clip.norm() })
            }
        }
    }

    fn encoded_member(&self, adjacency: Adjacency) -> Result<Encoded, PlanError> {
        let clip = match (self.encoding, adjacency) {
            (Encoding::Float(float), _) => exact(float.clip)?,
            (Encoding::Integer { min, max }, Adjacency::ZeroOut) => DpClip::Linf(
                Rational::integer(min.unsigned_abs().max(max.unsigned_abs())),
            ),
            // Half the extent from the middle, to either side.
            (Encoding::Integer { min, max }, Adjacency::Replace) => {
                DpClip::Linf(&Rational::integer(max.abs_diff(min)) * &Rational::power_of_half(1))
            }
        };
        self.encoded(Unit::Member, adjacency, clip, None)
    }

    fn encoded_example(&self, adjacency: Adjacency, clip: Clip) -> Result<Encoded, PlanError> {
        check_clip(clip)?;
        let whole = match self.encoding {
            Encoding::Float(float) => {
                check_norms(clip, float.clip)?;
                Some(exact(float.clip)?)
            }
            Encoding::Integer { .. } => {
                check_whole(clip)?;
                None
            }
        };
        self.encoded(Unit::Example, adjacency, exact(clip)?, whole)
    }

    /// Whether values come as they were computed. A shorter type rounds them relative to the whole vector, before the clip; binary16 may
    /// also make one of them infinite because of one example.
    // spec: [noise.sensitivity.dtype]
    fn check_dtypes(&self) -> Result<(), PlanError> {
        let mut dtypes = self.manifest.tensors().iter().map(|tensor| tensor.dtype);
        match dtypes.find(|dtype| *dtype != Dtype::F64) {
            Some(found) => Err(PlanError::ExampleDtype { found }),
            None => Ok(()),
        }
    }

    fn encoded(
        &self,
        unit: Unit,
        adjacency: Adjacency,
        clip: DpClip,
        whole: Option<DpClip>,
    ) -> Result<Encoded, PlanError> {
        let rounding = match self.encoding {
            Encoding::Float(float) => rounding(float.rounding),
            Encoding::Integer { .. } => DpRounding::Exact,
        };
        let scale = match self.grid {
            Some(grid) => grid.scale().ok_or(PlanError::Range { found: grid.range })?,
            None => Rational::integer(1),
        };
        Ok(Encoded {
            unit,
            adjacency,
            clip,
            whole,
            scale,
            levels: self.grid.map(|grid| grid.levels.unsigned_abs()),
            coordinates: self.padded,
            rotated: self.rotation.is_some(),
            rounding,
            max_weight: self.max_weight(),
        })
    }
}

/// Whether the clip of the whole brings two updates no further apart in the norm of the examples: scaling into an L2 ball
/// is a projection, cutting coordinates is one in every norm; scaling into an L1 ball is none.
// spec: [noise.sensitivity.example]
fn check_norms(example: Clip, whole: Clip) -> Result<(), PlanError> {
    match (example, whole) {
        (_, Clip::LInf(_)) | (Clip::L2(_), Clip::L2(_)) => Ok(()),
        (Clip::L1(_) | Clip::LInf(_), Clip::L2(_)) | (_, Clip::L1(_)) => {
            Err(PlanError::ExampleClipNorm {
                example: example.norm(),
                whole: whole.norm(),
            })
        }
    }
}

/// Whether the clip of an integer task leaves an example anything but zeros.
// spec: [noise.sensitivity.whole]
fn check_whole(example: Clip) -> Result<(), PlanError> {
    let found = example.bound();
    match found < 1.0 {
        true => Err(PlanError::ExampleClipBelowOne { found }),
        false => Ok(()),
    }
}

fn exact(clip: Clip) -> Result<DpClip, PlanError> {
    let found = clip.bound();
    let bound = Rational::from_f64(found).ok_or(PlanError::Clip { found })?;
    Ok(match clip {
        Clip::L1(_) => DpClip::L1(bound),
        Clip::L2(_) => DpClip::L2(bound),
        Clip::LInf(_) => DpClip::Linf(bound),
    })
}

fn rounding(rounding: Rounding) -> DpRounding {
    match rounding {
        Rounding::Stochastic => DpRounding::Stochastic,
        // beta = exp(-1/2)
        Rounding::Conditional => DpRounding::Conditional {
            log_inverse_beta: Rational::power_of_half(1),
        },
    }
}

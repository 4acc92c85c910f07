//! The one number of the noise that the planner of lane widths needs.

use std::fmt;

/// Largest absolute noise a member may add to one coordinate, all its noise components together.
///
/// Unit: one quantisation step (the integers of `veilsum-encode`, after the weight). The bound is hard, not
/// statistical: samplers cut their tails at it, and the planner of lane widths reserves room for it in both
/// directions, for every enrolled member.
///
/// ```
/// use veilsum_dp::NoiseBound;
///
/// assert_eq!(NoiseBound::NONE, NoiseBound::new(0));
/// assert_eq!(NoiseBound::new(96).get(), 96);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoiseBound(u64);

impl NoiseBound {
    /// No noise is added.
    pub const NONE: Self = Self(0);

    /// A bound of `steps` quantisation steps.
    #[must_use]
    pub const fn new(steps: u64) -> Self {
        Self(steps)
    }

    /// The bound in quantisation steps.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for NoiseBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

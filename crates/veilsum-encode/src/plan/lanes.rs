//! What a lane holds and how wide it is, in integer arithmetic alone.

use veilsum_dp::NoiseBound;

use super::PlanError;

/// What one lane of one contribution holds: value + offset, between 0 and `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneValues {
    /// Added to every coordinate.
    pub offset: i64,
    /// The largest lane.
    pub max: u64,
}

impl LaneValues {
    /// Offset, largest lane and lane bits for coordinates between `least` and `largest`, before noise.
    pub fn derive(
        least: i128,
        largest: i128,
        enrolled: u32,
        noise: NoiseBound,
    ) -> Result<(Self, u8), PlanError> {
        // spec: [encode.plan.bound]
        let noise = i128::from(noise.get());
        let (least, largest) = (least - noise, largest + noise);
        let members = i128::from(enrolled);
        let (least_sum, largest_sum) = (members * least, members * largest);
        // spec: [encode.plan.bits]
        let largest_lane_sum = (largest_sum - least_sum).unsigned_abs();
        let bits = u128::BITS - largest_lane_sum.leading_zeros();
        let lane_bits = match u8::try_from(bits) {
            Ok(bits) if bits <= 64 => bits,
            _ => {
                return Err(PlanError::LaneTooWide {
                    found: bits,
                    enrolled,
                });
            }
        };
        // Removal subtracts noise from sums that members may have made as large as they like within their lanes.
        let room = members * noise;
        let too_large = PlanError::SumTooLarge {
            least: least_sum,
            largest: largest_sum,
            enrolled,
        };
        let (Ok(_), Ok(_), Ok(offset)) = (
            i64::try_from(least_sum - room),
            i64::try_from(largest_sum + room),
            i64::try_from(-least),
        ) else {
            return Err(too_large);
        };
        let max = u64::try_from(largest - least).map_err(|_| too_large)?;
        Ok((Self { offset, max }, lane_bits))
    }
}

//! What the drop-out matrices of complete graphs and rings have in common.

use veilsum_sim::Vanish;

/// One test for each point at which a member may vanish; each calls the function with its point.
#[macro_export]
macro_rules! vanishing_at_each_point {
    ($row:path) => {
        $crate::vanishing_at_each_point! { $row;
            vanishing_before_the_advert: Advertise,
            vanishing_before_the_shares: Share,
            vanishing_before_the_accept: Accept,
            vanishing_before_the_upload: Upload,
            vanishing_in_the_middle_of_the_upload: MidUpload,
            vanishing_before_the_signature: Confirm,
            vanishing_before_the_reveal: Reveal,
            vanishing_before_the_shares_of_others_are_given: Recover,
        }
    };
    ($row:path; $($name:ident: $point:ident,)+) => {$(
        #[test]
        fn $name() {
            $row(::veilsum_sim::Vanish::$point);
        }
    )+};
}

/// How a round ends in which one member too many vanishes at the point.
pub fn abort_at(point: Vanish) -> &'static str {
    match point {
        Vanish::Advertise => "too_few_adverts",
        Vanish::Share | Vanish::Accept => "too_few_shares",
        Vanish::Upload | Vanish::MidUpload => "too_few_updates",
        Vanish::Confirm => "below_quorum",
        Vanish::Reveal | Vanish::Recover => "missing_shares",
    }
}

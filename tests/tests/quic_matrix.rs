//! The drop-out matrix on the complete graph over real QUIC: {one vanishes, the most that is tolerated, one too many} x
//! {each act of a member, the middle of its upload}, members that crash and members that hang. Each cell is a coordinator
//! and eight members of its own, and ends in the exact sum of the named survivors or in an abort for the right reason.

use std::thread;

use veilsum_sim::Vanish;
use veilsum_tests::quic::{Cell, Count, How};

/// The cells of one point, two at a time.
fn row(point: Vanish) {
    let cell = |count, how| Cell { point, count, how };
    let lanes = [
        [
            cell(Count::One, How::Crash),
            cell(Count::TooMany, How::Hang),
        ],
        [cell(Count::One, How::Hang), cell(Count::Most, How::Crash)],
    ];
    thread::scope(|scope| {
        for lane in lanes {
            scope.spawn(move || lane.into_iter().for_each(Cell::check));
        }
    });
}

#[test]
fn members_that_vanish_before_their_advert_cost_the_sum_nothing_but_themselves() {
    row(Vanish::Advertise);
}

#[test]
fn members_that_vanish_before_their_shares_cost_the_sum_nothing_but_themselves() {
    row(Vanish::Share);
}

#[test]
fn members_that_vanish_before_their_accept_cost_the_sum_nothing_but_themselves() {
    row(Vanish::Accept);
}

#[test]
fn members_that_vanish_before_their_upload_cost_the_sum_nothing_but_themselves() {
    row(Vanish::Upload);
}

#[test]
fn members_that_vanish_in_the_middle_of_their_upload_cost_the_sum_nothing_but_themselves() {
    row(Vanish::MidUpload);
}

#[test]
fn members_that_vanish_before_they_sign_stay_in_the_sum_while_a_quorum_signs() {
    row(Vanish::Confirm);
}

#[test]
fn members_that_vanish_before_they_reveal_stay_in_the_sum_while_shares_suffice() {
    row(Vanish::Reveal);
}

#[test]
fn members_that_vanish_before_they_give_shares_cost_nothing_while_shares_suffice() {
    row(Vanish::Recover);
}

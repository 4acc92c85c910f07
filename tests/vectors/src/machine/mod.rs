//! Our machines, fed with steps as the vectors write them; what they refuse is said as the requirement that refuses.

pub mod coordinator;
mod coordinator_faults;
pub mod ledger;
pub mod member;
mod member_refusals;
pub mod parties;

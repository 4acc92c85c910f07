//! Not a place for opinions: nothing here chooses how safe a round is, and no function here trusts what a peer sent.
//!
//! What is here: the numbers of a round (degree, threshold, window floor, electorate, quorum, floor), derived from the
//! number of slots and the tolerated corrupt and missing members, in integers, so that each machine derives the same. A
//! member derives them itself and refuses a round with others. The norm is `spec/parameters.md`.
//!
//! ```
//! # use veilsum_proto::parameters::{Amount, Demand, Parameters};
//! let demand = Demand::new(1000, Amount::Count(100), Amount::Count(100));
//! let parameters = Parameters::derive(&demand)?;
//! assert_eq!((parameters.k, parameters.t, parameters.h), (66, 31, Some(16)));
//! assert_eq!((parameters.m, parameters.q), (145, 94));
//! # Ok::<(), veilsum_proto::parameters::Refusal>(())
//! ```

mod amount;
mod choice;
pub(crate) mod decimal;
mod demand;
mod derive;
pub mod hypergeometric;
mod refusal;
mod ring;
mod verdict;
pub mod walk;
mod wide;

pub use amount::{Amount, AmountError};
pub use choice::{ChoiceError, ElectorateChoice, GraphChoice};
pub use decimal::{Decimal, DecimalError};
pub use demand::{Demand, cohort_corrupt};
pub use derive::{COMPLETE_UP_TO, Parameters};
pub use refusal::Refusal;
pub use ring::RingTest;
pub use verdict::{LargestTolerance, Verdict, largest_tolerance};

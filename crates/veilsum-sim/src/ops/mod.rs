//! Not a proof, not a model of every adversary, and not a network: what real sockets do is tested over QUIC.
//!
//! Whole rounds in virtual time from a list of operations. An [`OperationList`] names a small federation, a seed and what
//! happens to it: members lose their connection, come back, restart without their secrets, the coordinator restarts, messages
//! are lost, delayed, doubled, reordered or forged, time passes, a phase is closed early. Between operations everybody is
//! honest: the empty list is an undisturbed federation, and the shorter a list, the less is wrong in it. The same list gives
//! the same bytes on every machine.
//!
//! [`Stages::run`] plays a list on the real machines and judges what came out: a [`Violation`] says which promise was broken.
//! [`draw`] makes a random list from a seed, [`shrink`] makes a failing list short, and a list is JSON, so that it can be kept
//! as a test. [`Doubles`] stand in for a machine that breaks a rule, to show that the judge notices.
//!
//! ```
//! use veilsum_sim::ops::{NoDoubles, Stages, draw};
//!
//! let stages = Stages::default();
//! let list = draw(7);
//! let outcome = stages.run(&list, &mut NoDoubles).unwrap_or_else(|violation| panic!("{violation}\n{}", list.to_json()));
//! assert_eq!(Ok(outcome), stages.run(&list, &mut NoDoubles));
//! ```

mod doubles;
mod draw;
mod forge;
mod house;
mod judge;
mod list;
mod record;
mod replay;
mod shrink;
mod site;
mod stage;
mod world;

pub use doubles::{Doubles, NoDoubles, Publication};
pub use draw::draw;
pub use judge::Violation;
pub use list::{
    Direction, Forgery, Link, ListError, Noise, Operation, OperationList, Setting, Shape, Values,
};
pub use record::{End, Outcome};
pub use shrink::shrink;
pub use stage::{Stage, Stages};

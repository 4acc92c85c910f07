//! Not a proof for stacks, registers, swap or a dump of the running process: what is seen here is the heap, at the moment a block
//! of it is given back.
//!
//! What it is for: the promise that secrets are wiped. A global allocator looks at every block when it is freed and knows every
//! secret of the round by its bytes, because the same round, from the same generators, was played before and its secrets written
//! down. [`watch::alive`] tells where a secret still is, so that a test that finds nothing has shown that it looks for the right
//! bytes.

pub mod round;
pub mod script;
pub mod secrets;
pub mod watch;

pub use round::Round;
pub use secrets::secrets_of;
pub use watch::{Found, Kind, Known, Watch, alive, unwatch, unwiped, watch};

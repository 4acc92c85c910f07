//! The veilsum command.
fn main() {}

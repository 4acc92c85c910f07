//! What each type of vector computes, with our code. A file a folder of `spec/vectors`.

mod coordinator;
mod encoding;
mod graph;
mod keys;
mod keystream;
mod member;
mod merkle;
mod models;
mod noise;
mod packing;
mod parameters;
mod questions;
mod roster;
mod rounds;
mod session;
mod sharing;
mod signatures;
mod task;
mod wire;

pub use rounds::Given;
pub(crate) use task::refusal as task_refusal;
pub(crate) use wire::invalid;

use crate::file::Case;
use crate::judge::Stop;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A type of vector.
#[derive(Debug)]
pub struct Kind {
    /// Its name in `testGroups[].type`.
    pub name: &'static str,
    /// The layer that refuses its bad cases.
    pub layer: &'static str,
    /// What our code makes of a case.
    pub run: fn(&Case) -> Result<Value, Stop>,
}

/// The type of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    ALL.iter().copied().flatten().find(|kind| kind.name == name)
}

/// All types.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    ALL.iter().copied().flatten()
}

impl Case {
    /// The input; a field that is missing or that nobody reads is an error.
    fn input<T: DeserializeOwned>(&self) -> Result<T, Stop> {
        Ok(serde_json::from_value(Value::Object(self.input.clone()))?)
    }

    /// A field of the wanted output, where our code shows a value only by what it does.
    fn wanted(&self, name: &str) -> &Value {
        self.wanted
            .as_ref()
            .and_then(|wanted| wanted.get(name))
            .unwrap_or(&Value::Null)
    }
}

const ALL: [&[Kind]; 19] = [
    coordinator::KINDS,
    encoding::KINDS,
    graph::KINDS,
    keys::KINDS,
    keystream::KINDS,
    member::KINDS,
    merkle::KINDS,
    models::KINDS,
    noise::KINDS,
    packing::KINDS,
    parameters::KINDS,
    questions::KINDS,
    roster::KINDS,
    rounds::KINDS,
    session::KINDS,
    sharing::KINDS,
    signatures::KINDS,
    task::KINDS,
    wire::KINDS,
];

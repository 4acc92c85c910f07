//! Why the service cannot start, or cannot go on.

use std::io;

use thiserror::Error;
use veilsum_proto::{identity::PublicKey, task::TaskError};
use veilsum_quic::BindError;

use crate::store::StoreError;

/// Why the service cannot start, or cannot go on.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The identity is not the one that members of this roster look for.
    #[error("coordinator's identity is {found}, the roster wants {wanted}")]
    NotTheCoordinator {
        /// Key of the identity given.
        found: PublicKey,
        /// Key on the roster.
        wanted: PublicKey,
    },
    /// Nothing to run.
    #[error("no task is given, wanted at least one")]
    NoTask,
    /// Two tasks with one name or one digest, whose rounds and files could not be told apart.
    #[error("task {name} is given twice")]
    SameTask {
        /// The name.
        name: String,
    },
    /// A task whose numbers do not fit the roster.
    #[error("task {name} does not fit the roster: {source}")]
    Task {
        /// Name of the task.
        name: String,
        /// What does not fit.
        source: Box<TaskError>,
    },
    /// The roster lists tasks, and this is none of them.
    #[error(
        "task {name} ({digest}) is not listed on the roster, under which no other task may be run"
    )]
    TaskNotListed {
        /// Name of the task.
        name: String,
        /// Its digest.
        digest: veilsum_proto::ids::TaskDigest,
    },
    /// A masked update that fits neither budget, so that no upload could ever be taken.
    #[error(
        "masked update of task {name} has {found} bytes, the larger of the two staging budgets is {wanted}"
    )]
    Budget {
        /// Name of the task.
        name: String,
        /// Bytes of an update.
        found: u64,
        /// Bytes of the larger budget.
        wanted: u64,
    },
    /// The state folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The staging folder cannot be used.
    #[error("staging: {0}")]
    Staging(io::Error),
    /// The port cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The operating system does not tell the address, or takes no signal handler.
    #[error("operating system: {0}")]
    System(io::Error),
    /// A task of the service has ended before its time; the log says where.
    #[error("bug: a round loop has ended by itself")]
    Bug,
}

//! Why a text is no policy.

use thiserror::Error;

/// Why a text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// A key that is missing, unknown or of the wrong kind.
    #[error("{text}")]
    Toml {
        /// What was found, with its line.
        text: String,
    },
    /// Another version of the file.
    #[error("policy has version {found}, wanted 1")]
    Version {
        /// Version found.
        found: u32,
    },
    /// A number that no policy can have.
    #[error("`{key}` is {found}, wanted {wanted}")]
    Number {
        /// Which key.
        key: &'static str,
        /// Number found.
        found: String,
        /// Numbers that can stand there.
        wanted: &'static str,
    },
    /// A bound on epsilon that a task without noise would slip under.
    #[error(
        "`{key}` is set and `privacy.required` is not true: a task without noise would not be bound by it; say required = true"
    )]
    Unbound {
        /// Which key.
        key: &'static str,
    },
    /// A bound on epsilon whose delta would be the coordinator's choice.
    #[error(
        "`{key}` is set and `privacy.delta` is not: at a delta near 1 every noise has epsilon 0, and the task's delta is the coordinator's \
         choice; say delta, such as 1e-6"
    )]
    NoDelta {
        /// Which key.
        key: &'static str,
    },
    /// A total that nothing can be told of.
    #[error(
        "`privacy.epsilon_total` is {found}, wanted at most {largest} at this delta: no larger epsilon can be told from tables of noise, and rounds \
         would be refused long before it is spent"
    )]
    TooLarge {
        /// Epsilon found.
        found: String,
        /// Largest epsilon that a total is held at, rounded down.
        largest: String,
    },
    /// Bounds that each of many tasks would keep to.
    #[error(
        "`privacy.epsilon_per_round` or `privacy.epsilon_per_task` is set and `privacy.epsilon_total` is not: a coordinator could invent \
         any number of tasks; say epsilon_total, list every task in `tasks` by its digest, or say unlisted_tasks = \"refuse\""
    )]
    NoTotal,
    /// A list that allows nothing.
    #[error("`{key}` is empty, so nothing could be joined; leave it out or fill it")]
    Empty {
        /// Which key.
        key: &'static str,
    },
}

impl PolicyError {
    /// Stable name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Toml { .. } => "policy_toml",
            Self::Version { .. } => "policy_version",
            Self::Number { .. } => "policy_number",
            Self::Unbound { .. } => "policy_unbound",
            Self::NoDelta { .. } => "policy_no_delta",
            Self::TooLarge { .. } => "policy_too_large",
            Self::NoTotal => "policy_no_total",
            Self::Empty { .. } => "policy_empty",
        }
    }
}

//! Where the examples of a job come from.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::tagged;

/// Where the examples come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DataSpec {
    /// Handwritten digits, built in ([`digits`](crate::digits)).
    Digits {
        /// How they are dealt.
        #[serde(default)]
        split: Split,
        /// Share of the examples that nobody trains on, in percent, 1 to 99.
        #[serde(default = "default_percent")]
        test_percent: u32,
    },
    /// Tumours of the breast, built in ([`cancer`](crate::cancer)), standardised by a sum over the members.
    Cancer {
        /// How they are dealt; to five hospitals unless said otherwise.
        #[serde(default = "hospitals")]
        split: Split,
        /// Share of the examples that nobody trains on, in percent, 1 to 99.
        #[serde(default = "default_percent")]
        test_percent: u32,
    },
    /// Files with a line for each example and a head that names the columns: numbers, and the label as 0, 1 and so on.
    Csv {
        /// One file for each member, by slot; members on a network name their own instead.
        #[serde(default)]
        files: Vec<PathBuf>,
        /// A file of public examples that nobody trains on.
        #[serde(default)]
        test: Option<PathBuf>,
        /// Column of the label.
        label: String,
        /// Columns beside it.
        features: u32,
        /// Classes, 2 to 255.
        classes: u8,
        /// Mean and deviation of each feature, to standardise by; public numbers. Features stay as they are when absent.
        #[serde(default)]
        scaling: Vec<(f64, f64)>,
        /// Most examples of one member: the largest weight.
        #[serde(default = "default_examples")]
        max_examples: u32,
        /// About how many examples all members have together; a public number, wanted by `dp-sgd` alone.
        #[serde(default)]
        total_examples: Option<u64>,
    },
}

/// How built-in examples are dealt to the members.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// At random, all alike.
    Iid,
    /// Mainly few labels each, and uneven numbers ([`Examples::split_by_label`](crate::Examples::split_by_label)).
    #[default]
    ByLabel,
    /// Each label in shares from a symmetric Dirichlet law with this alpha, 0.01 to 1000: the smaller, the more members differ
    /// ([`Examples::split_dirichlet`](crate::Examples::split_dirichlet)).
    Dirichlet(f64),
    /// Five hospitals of different size and kind ([`cancer::hospitals`](crate::cancer::hospitals)); for `cancer` alone.
    Hospitals,
}

impl DataSpec {
    /// The digits in this split, a fifth of them for the test.
    pub const fn digits(split: Split) -> Self {
        Self::Digits {
            split,
            test_percent: default_percent(),
        }
    }

    /// The tumours in this split, a fifth of them for the test.
    pub const fn cancer(split: Split) -> Self {
        Self::Cancer {
            split,
            test_percent: default_percent(),
        }
    }
}

/// A table of data that need not say its source.
pub(super) fn data<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DataSpec, D::Error> {
    tagged(deserializer, "source", "digits")
}

pub(super) const fn default_data() -> DataSpec {
    DataSpec::digits(Split::ByLabel)
}

const fn default_percent() -> u32 {
    20
}

const fn hospitals() -> Split {
    Split::Hospitals
}

const fn default_examples() -> u32 {
    1 << 20
}

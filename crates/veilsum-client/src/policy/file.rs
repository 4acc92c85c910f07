//! `policy.toml`. Not what the terms mean: what is absent from the file has its default, and what is not understood is an error.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use veilsum_proto::identity::PublicKey;
use veilsum_proto::ids::TaskDigest;
use veilsum_proto::member::UnlistedTasks;
use veilsum_proto::roster::Name;

use super::privacy::PrivacyTable;
use super::{EncodingKind, Policy, PolicyError, Retry, TaskName};

impl Policy {
    /// Reads `policy.toml`. Whatever is not understood is an error: a floor that a slip of the pen has switched off would
    /// protect nobody.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] naming the key.
    // spec: [policy.strict]
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        let file: PolicyFile = toml::from_str(text).map_err(|error| PolicyError::Toml {
            text: one_line(&error.to_string()),
        })?;
        if file.version != 1 {
            return Err(PolicyError::Version {
                found: file.version,
            });
        }
        let policy = file.into_policy()?;
        policy.check()?;
        Ok(policy)
    }

    /// A policy file with every key explained; the authority is a placeholder.
    pub fn example() -> &'static str {
        EXAMPLE
    }
}

/// The file; what is absent has its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    version: u32,
    authority: PublicKey,
    min_survivors: Option<u32>,
    min_corrupt: Option<u32>,
    encodings: Option<BTreeSet<EncodingKind>>,
    min_clip: Option<f64>,
    max_clip: Option<f64>,
    #[serde(default)]
    privacy: PrivacyTable,
    rounds_per_day: Option<u32>,
    unlisted_tasks: Option<UnlistedTasks>,
    retry: Option<Retry>,
    reuse_update: Option<bool>,
    longest_attempt: Option<u64>,
    max_model_bytes: Option<u64>,
    max_sum_bytes: Option<u64>,
    max_open_tasks: Option<u32>,
    tasks: Option<Vec<TaskName>>,
}

impl PolicyFile {
    fn into_policy(self) -> Result<Policy, PolicyError> {
        let default = Policy::new(self.authority);
        let by_digest = |name: &TaskName| matches!(name, TaskName::Digest(_));
        let pinned = self.tasks.as_ref();
        let fixed = pinned.is_some_and(|tasks| tasks.iter().all(by_digest))
            || self.unlisted_tasks == Some(UnlistedTasks::Refused);
        Ok(Policy {
            authority: self.authority,
            min_survivors: self.min_survivors.unwrap_or(default.min_survivors),
            min_corrupt: self.min_corrupt,
            encodings: self.encodings.unwrap_or(default.encodings),
            min_clip: self.min_clip,
            max_clip: self.max_clip,
            privacy: self.privacy.into_floors(fixed)?,
            rounds_per_day: self.rounds_per_day,
            unlisted_tasks: self.unlisted_tasks.unwrap_or(default.unlisted_tasks),
            retry: self.retry.unwrap_or(default.retry),
            reuse_update: self.reuse_update.unwrap_or(default.reuse_update),
            longest_attempt: self
                .longest_attempt
                .map_or(default.longest_attempt, Duration::from_secs),
            max_model_bytes: self.max_model_bytes.unwrap_or(default.max_model_bytes),
            max_sum_bytes: self.max_sum_bytes.unwrap_or(default.max_sum_bytes),
            max_open_tasks: self.max_open_tasks.unwrap_or(default.max_open_tasks),
            tasks: self.tasks,
        })
    }
}

impl<'de> Deserialize<'de> for TaskName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut digest = [0; 32];
        if hex::decode_to_slice(&text, &mut digest).is_ok() {
            return Ok(Self::Digest(TaskDigest(digest)));
        }
        let name = text.parse::<Name>().map_err(serde::de::Error::custom)?;
        Ok(Self::Name(name))
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

const EXAMPLE: &str = r#"# Terms of this site. The member refuses every task that falls short of them, whatever the coordinator asks for.
# A key that is not known here is an error: nothing is switched off by a slip of the pen.
version = 1

# Key of the federation's authority, 64 hex digits. Only rosters that it signed are accepted. There is no default.
authority = "0000000000000000000000000000000000000000000000000000000000000000"

# Smallest number of members whose sum this site's update may be in. At least 2.
min_survivors = 3

# How many other members may work together with the coordinator: a task must withstand at least so many of the roster.
# Left out, it is the larger of 1 and a tenth of the roster.
# min_corrupt = 1

# Encodings that are joined.
encodings = ["float", "integer"]

# Bounds for the clip of float tasks, whichever norm it is of.
# min_clip = 0.01
# max_clip = 100.0

# Most rounds joined in any 24 hours.
# rounds_per_day = 100

# Tasks that the roster does not list (veilsum roster allow): "complete-graph" joins those in which everybody masks with
# everybody, "refuse" none, "any" all. In other tasks the roster's randomness, public by then, decides who masks with whom,
# and whoever may still choose the task may choose among many draws. A task pinned by its digest below counts as listed.
unlisted_tasks = "complete-graph"

# "until-signed": join further attempts of a round until this member has signed its survivors. "never": one attempt only.
retry = "until-signed"

# Whether the same update may go into several rounds, and the same question be answered again. Two sums with the same update in
# them differ by what the others changed, so leave this off unless the update is public.
reuse_update = false

# Seconds after which the secrets of an attempt are erased at the latest.
longest_attempt = 86400

# Largest model taken in, in bytes.
max_model_bytes = 1073741824

# Largest sum taken in, in bytes: 8 for each coordinate of the task. A task with a larger one is refused.
max_sum_bytes = 2147483648

# Most tasks that this member holds rounds of at once; each may need memory for a model and a few times that of its sum.
max_open_tasks = 4

# Join only these tasks, by name or by digest (64 hex digits). Without this line: every task within the terms above.
# tasks = ["digits"]

# Differential privacy. What is set here binds every task, so the rest of this table needs required = true.
[privacy]
# Refuse tasks without noise.
required = false

# The unit that must be protected: "example", one record of this site, or "member", all that this site contributes.
# "member" is the stricter: it refuses tasks that protect single examples. Several records of one person are not one example.
# Without this line: either.
# unit = "example"

# What the unit is compared with: "zero-out", nothing in its place, or "replace", anything in its place, which is the stricter.
# Without this line: either.
# adjacency = "replace"

# The clip that this site's own trainer keeps every example to, as the example enters the update. A task that protects examples is
# joined if its example clip is of this norm and not below it. Without this line such a task is joined only by `veilsum join --train`
# and `--stats`, which hold the task's clip against what they do. It needs no required = true.
# example_clip = { l2 = 1.0 }

# Most that one round, all rounds of one task, and all tasks together may cost, as epsilon at delta. A round that would cost more is
# refused before anything is sent. The total counts whatever this member's ledger holds, under whatever name a task came: rounds that
# protect members for members, and all rounds for examples, as soon as examples count. Bounds of rounds and of tasks without a
# total need tasks that the coordinator cannot invent: `tasks` with digests, or unlisted_tasks = "refuse".
# No total above about 38 (at delta 1e-6) can be told from tables of noise, and a larger one is refused.
# A new key with a new ledger has forgotten what was spent: take it off the total by hand, or carry the ledger over.
# epsilon_per_round = 1.0
# epsilon_per_task = 4.0
# epsilon_total = 8.0

# Delta at which these epsilons are taken; no epsilon without it. Far below one in the number of this site's records.
# delta = 1e-6
"#;

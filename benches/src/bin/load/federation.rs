//! Keys, a signed roster and a task, and the files that `veilsum serve` starts from.

use std::{fs, path::Path, sync::Arc};

use tempfile::TempDir;
use veilsum_proto::{
    identity::Identity, ids::Slot, parameters::Amount, roster::Roster, task::Task,
};

use crate::Failure;

/// A federation whose members all run in this process.
pub struct Federation {
    simulated: veilsum_sim::Federation,
    task: Task,
    folder: TempDir,
}

/// What the coordinator's configuration says beside the defaults.
pub struct Terms {
    /// Members that a round waits for.
    pub gather: u32,
    /// Memory for uploads that are not added up yet, in MiB.
    pub staging_mib: u64,
}

impl Federation {
    /// `members` members and a task that sums `dim` integers of 16 bits, a tenth corrupt and a tenth dropping out reckoned with.
    pub fn new(members: u32, dim: u64) -> Result<Self, Failure> {
        let simulated = veilsum_sim::Federation::new(members, SEED)?;
        let tenth = Amount::Rate("0.1".parse()?);
        let spec = veilsum_sim::Federation::integer_task(dim, BITS, tenth, tenth)?;
        let task = simulated.task(spec)?;
        Ok(Self {
            simulated,
            task,
            folder: tempfile::tempdir()?,
        })
    }

    /// Writes all that the coordinator reads; returns its configuration.
    pub fn write(&self, terms: &Terms) -> Result<std::path::PathBuf, Failure> {
        let folder = self.folder.path();
        let key = self.simulated.coordinator().to_file_text();
        fs::write(folder.join("coordinator.key"), key.as_bytes())?;
        owner_only(&folder.join("coordinator.key"))?;
        fs::write(folder.join("roster.toml"), self.roster().to_toml())?;
        fs::write(folder.join("task.toml"), self.task.to_toml())?;
        let config = folder.join("coordinator.toml");
        fs::write(&config, self.config(terms))?;
        Ok(config)
    }

    fn config(&self, terms: &Terms) -> String {
        let (authority, members) = (self.roster().authority(), self.roster().len());
        let Terms {
            gather,
            staging_mib,
        } = terms;
        format!(
            r#"listen = "127.0.0.1:0"
key = "coordinator.key"
roster = "roster.toml"
authority = "{authority}"
state = "state"
staging_budget = "{staging_mib} MiB"
linger = "600s"

[[tasks]]
task = "task.toml"
rounds = 1
results = "results"

[tasks.gather]
members = {gather}
wait = "3600s"

[tasks.deadlines]
advertise = "1800s"
share = "1800s"
accept = "1800s"
upload = "1800s"
confirm = "1800s"
reveal = "1800s"

[limits]
connections = {members}
"#
        )
    }

    /// The signed roster.
    pub fn roster(&self) -> &Arc<Roster> {
        self.simulated.roster()
    }

    /// The key of a member.
    pub fn member(&self, slot: Slot) -> Result<Arc<Identity>, Failure> {
        let member = self.simulated.member(slot);
        Ok(member.ok_or("no such member")?.clone())
    }

    /// A folder for members' ledgers.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

#[cfg(unix)]
fn owner_only(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn owner_only(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Bits of an input.
pub const BITS: u8 = 16;

/// Seed of all keys and inputs.
pub const SEED: u64 = 5;

//! Identities, a signed roster, a folder and threads: what a coordinator and its members need before they meet.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::{Builder, Handle, Runtime};
use veilsum_client::{FileLedger, FileLedgerError};
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::Slot;
use veilsum_proto::message::Deadlines;
use veilsum_proto::parameters::Amount;
use veilsum_proto::roster::Roster;
use veilsum_proto::task::TaskSpec;

use super::PATIENCE;
use super::plain::BITS;

/// A federation whose members all run in this process.
#[derive(Debug)]
pub struct Federation {
    simulated: veilsum_sim::Federation,
    folder: TempDir,
    crowd: Option<Runtime>,
}

impl Federation {
    /// `members` identities and their signed roster, all from `seed`.
    pub fn new(members: u32, seed: u64) -> Self {
        let crowd = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        Self {
            simulated: veilsum_sim::Federation::new(members, seed).unwrap(),
            folder: tempfile::tempdir().unwrap(),
            crowd: Some(crowd.unwrap()),
        }
    }

    /// The signed roster.
    pub fn roster(&self) -> &Arc<Roster> {
        self.simulated.roster()
    }

    /// All slots of the roster.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.roster().len()).map(Slot)
    }

    /// The key of a member.
    pub fn identity(&self, slot: Slot) -> Arc<Identity> {
        self.simulated.member(slot).unwrap().clone()
    }

    /// The coordinator's state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The folder of receipts and sums.
    pub fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    /// The ledger of a member, made when it is first asked for; waits while an earlier run of the member holds it.
    ///
    /// # Panics
    ///
    /// When it cannot be had.
    pub(super) fn ledger(&self, slot: Slot) -> FileLedger {
        let path = self.folder.path().join(format!("ledger-{slot}"));
        let due = Instant::now() + PATIENCE;
        loop {
            let ledger = match path.exists() {
                true => FileLedger::open(&path),
                false => FileLedger::create(&path, &self.simulated.member(slot).unwrap().public()),
            };
            match ledger {
                Err(FileLedgerError::Locked { .. }) if Instant::now() < due => {
                    thread::sleep(Duration::from_millis(5));
                }
                ledger => return ledger.unwrap(),
            }
        }
    }

    pub(super) fn coordinator(&self) -> Identity {
        Identity::from_secret_bytes(&self.simulated.coordinator().signing_key().to_bytes())
    }

    /// Threads of the members that stay.
    pub(super) fn crowd(&self) -> &Handle {
        self.crowd.as_ref().unwrap().handle()
    }
}

impl Drop for Federation {
    fn drop(&mut self) {
        if let Some(crowd) = self.crowd.take() {
            crowd.shutdown_background();
        }
    }
}

/// A task that sums integers, with `corrupt` members reckoned with and `missing` drop-outs borne, in one attempt.
pub fn integer_task(name: &str, coordinates: u64, corrupt: u32, missing: u32) -> TaskSpec {
    let (corrupt, missing) = (Amount::Count(corrupt), Amount::Count(missing));
    let mut spec =
        veilsum_sim::Federation::integer_task(coordinates, BITS, corrupt, missing).unwrap();
    spec.name = name.to_owned().try_into().unwrap();
    spec.max_attempts = 1;
    spec
}

/// The same time for every phase.
pub fn deadlines(each: Duration) -> Deadlines {
    let ms = u32::try_from(each.as_millis()).unwrap();
    Deadlines {
        advertise_ms: ms,
        share_ms: ms,
        accept_ms: ms,
        upload_ms: ms,
        confirm_ms: ms,
        reveal_ms: ms,
    }
}

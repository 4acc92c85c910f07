//! What an operator decides: where to listen, what uploads may cost, which tasks run how often.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use veilsum_proto::{message::Deadlines, task::Task};
use veilsum_quic::Limits;

/// The service as a whole.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Folder of what must survive a restart, and of spilled uploads. Made if it is not there; one service at a time.
    pub state: PathBuf,
    /// Bytes of memory for uploads that are not whole or not yet added up; beyond it they spill to files.
    pub staging_budget: u64,
    /// Bytes of such files; beyond it uploads wait, unread.
    pub spill_budget: u64,
    /// Bounds of connections and streams.
    pub limits: Limits,
}

impl ServerConfig {
    /// Defaults for everything but the address and the folder: 1 GiB of memory and 64 GiB of files for uploads.
    pub fn new(listen: SocketAddr, state: PathBuf) -> Self {
        Self {
            listen,
            state,
            staging_budget: 1 << 30,
            spill_budget: 64 << 30,
            limits: Limits::default(),
        }
    }
}

/// One task and how its rounds are run.
#[derive(Clone, Debug)]
pub struct TaskConfig {
    /// What is aggregated.
    pub task: Task,
    /// Rounds to run, aborted ones included; until stopped when absent.
    pub rounds: Option<u64>,
    /// Time each phase is open.
    pub deadlines: Deadlines,
    /// When a round opens.
    pub gather: Gather,
    /// Folder for receipts and packed sums, made if it is not there; none are written when absent.
    pub results: Option<PathBuf>,
    /// Pause after a round before the next one gathers.
    pub pause_between_rounds: Duration,
}

impl TaskConfig {
    /// Rounds until stopped, with default deadlines, no result files and no pause.
    pub fn new(task: Task) -> Self {
        Self {
            task,
            rounds: None,
            deadlines: Deadlines::default(),
            gather: Gather::default(),
            results: None,
            pause_between_rounds: Duration::ZERO,
        }
    }
}

/// For whom a round waits before it opens: for `members`, or for all, or for `wait` and then for the task's floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Opens once so many of the round's population are connected; the task's floor when absent. More than there are
    /// means all.
    pub members: Option<u32>,
    /// After this time the task's floor is enough.
    pub wait: Duration,
}

impl Default for Gather {
    fn default() -> Self {
        Self {
            members: None,
            wait: Duration::from_secs(60),
        }
    }
}

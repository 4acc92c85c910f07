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

    /// Limits whose windows are so narrow that what members may have under way unread, a stream each, stays within a part of the
    /// staging budget.
    // spec: [service.stage.windows]
    pub(crate) fn limits_for(&self, members: u32) -> Limits {
        let unread = self.staging_budget / UNREAD_PART;
        let window = unread.checked_div(members.into()).unwrap_or(unread);
        let window = u32::try_from(window).unwrap_or(u32::MAX);
        Limits {
            stream_window: self.limits.stream_window.min(window.max(LEAST_WINDOW)),
            ..self.limits.clone()
        }
    }
}

/// The part of the staging budget that may lie unread beside it.
const UNREAD_PART: u64 = 4;

/// A narrower window would hold a dozen packets at most, and have members wait for the network.
const LEAST_WINDOW: u32 = 16 << 10;

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

#[cfg(test)]
mod tests {
    use super::*;

    // spec: [service.stage.windows]
    #[test]
    fn a_stream_of_each_member_unread_is_a_quarter_of_the_budget() {
        let config = ServerConfig::new(([127, 0, 0, 1], 0).into(), PathBuf::new());
        let window = |members| config.limits_for(members).stream_window;
        assert_eq!(window(100), config.limits.stream_window);
        assert_eq!(u64::from(window(1000)), (1 << 28) / 1000);
        let sent = config.limits_for(1_000_000).send_window;
        assert_eq!(sent, config.limits.send_window, "models go out as before");
        assert_eq!(window(1_000_000), 16 << 10);
        let narrow = Limits {
            stream_window: 5000,
            ..Limits::default()
        };
        let config = ServerConfig {
            limits: narrow,
            ..config
        };
        assert_eq!(config.limits_for(1_000_000).stream_window, 5000);
    }
}

//! `veilsum serve` as a child, and the lines that it prints.

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

use crate::{Failure, memory::Taken};

/// A coordinator that runs; ended when dropped.
pub struct Coordinator {
    child: Child,
    events: mpsc::UnboundedReceiver<(Instant, Value)>,
    /// Where members connect.
    pub address: SocketAddr,
}

impl Coordinator {
    /// Starts it and waits until members can connect.
    pub async fn start(veilsum: &Path, config: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(veilsum)
            .args(["serve", "--json", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", veilsum.display()))?;
        let lines = child.stdout.take().ok_or("no output of the coordinator")?;
        let (sender, mut events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(lines).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(event) = serde_json::from_str::<Value>(&line)
                    && sender.send((Instant::now(), event)).is_err()
                {
                    return;
                }
            }
        });
        let (_, first) = events.recv().await.ok_or("coordinator does not start")?;
        let address = first["address"]
            .as_str()
            .ok_or("coordinator does not listen")?;
        Ok(Self {
            address: address.parse()?,
            child,
            events,
        })
    }

    /// The next event of one of some kinds, and when it came; others are passed over.
    pub async fn event(&mut self, kinds: &[&str]) -> Result<(Instant, Value), Failure> {
        loop {
            let next = timeout(PATIENCE, self.events.recv()).await?;
            let (at, event) = next.ok_or("coordinator has ended")?;
            if kinds.iter().any(|kind| event["event"] == **kind) {
                return Ok((at, event));
            }
        }
    }

    /// What it has taken so far.
    pub fn taken(&self) -> Result<Taken, Failure> {
        Taken::of(self.child.id().ok_or("coordinator has ended")?)
    }
}

/// No phase of any load takes longer.
const PATIENCE: Duration = Duration::from_secs(1800);

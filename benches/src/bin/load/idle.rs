//! Members that are connected and have nothing to do.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};
use veilsum_proto::{identity::Identity, ids::Slot};
use veilsum_quic::{ClientEndpoint, Connection, ControlReceiver, Limits};

use crate::{
    Failure, Figures,
    coordinator::Coordinator,
    federation::{Federation, Terms},
};

/// How many wait for how long.
#[derive(Args)]
pub struct Idle {
    /// Members that connect.
    #[arg(long, default_value_t = 10_000)]
    members: u32,
    /// Seconds that they then stay.
    #[arg(long, default_value_t = 60)]
    hold: u64,
    /// Handshakes that this process has under way at once.
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// Sockets that the members share.
    #[arg(long, default_value_t = 16)]
    sockets: usize,
}

impl Idle {
    /// Connects them all, waits, and says what the coordinator took.
    pub async fn run(self, veilsum: &Path) -> Result<Figures, Failure> {
        // one who never comes, so that no round opens
        let federation = Federation::new(self.members.saturating_add(1), 1000)?;
        let config = federation.write(&Terms {
            gather: self.members.saturating_add(1),
            staging_mib: 64,
        })?;
        let coordinator = Coordinator::start(veilsum, &config).await?;
        let empty = coordinator.taken()?;
        let start = Instant::now();
        let held = self.connect(&federation, coordinator.address).await?;
        let connecting = start.elapsed().as_secs_f64();
        let full = coordinator.taken()?;
        sleep(Duration::from_secs(self.hold)).await;
        let after = coordinator.taken()?;
        let lost = held.iter().filter(|held| held.0.close_reason().is_some());
        let lost = lost.count();
        let figures = json!({
            "members": held.len(),
            "lost": lost,
            "connect_s": connecting,
            "connections_per_s": f64::from(self.members) / connecting,
            "coordinator_cpu_ms_each": (full.cpu_s - empty.cpu_s) * 1e3 / f64::from(self.members),
            "rss_empty_mib": mib(empty.rss_kib),
            "rss_connected_mib": mib(full.rss_kib),
            "rss_idle_mib": mib(after.rss_kib),
            "rss_peak_mib": mib(after.peak_kib),
            "kib_a_member": (after.rss_kib.saturating_sub(empty.rss_kib)) as f64 / f64::from(self.members),
            "idle_cpu_share": (after.cpu_s - full.cpu_s) / self.hold.max(1) as f64,
        });
        drop(coordinator);
        match figures {
            serde_json::Value::Object(figures) => Ok(figures),
            _ => Err("no figures".into()),
        }
    }

    async fn connect(
        &self,
        federation: &Federation,
        address: SocketAddr,
    ) -> Result<Vec<(Connection, ControlReceiver)>, Failure> {
        let sockets: Result<Vec<_>, _> = (0..self.sockets.max(1))
            .map(|_| ClientEndpoint::new((Ipv4Addr::LOCALHOST, 0).into()))
            .collect();
        let sockets = sockets?;
        let turns = Arc::new(Semaphore::new(self.at_once));
        let coordinator = *federation.roster().coordinator().as_bytes();
        let mut members = JoinSet::new();
        for (slot, socket) in (0..self.members).zip(sockets.iter().cycle()) {
            let turn = turns.clone().acquire_owned().await?;
            let (socket, identity) = (socket.clone(), federation.member(Slot(slot))?);
            members.spawn(async move {
                let held = enter(&socket, address, &identity, coordinator).await;
                drop(turn);
                held
            });
        }
        let mut held = Vec::new();
        while let Some(member) = members.join_next().await {
            held.push(member??);
        }
        Ok(held)
    }
}

async fn enter(
    socket: &ClientEndpoint,
    address: SocketAddr,
    identity: &Identity,
    coordinator: [u8; 32],
) -> Result<(Connection, ControlReceiver), Failure> {
    let key = identity.signing_key();
    let limits = Limits::default();
    Ok(socket.connect(address, key, coordinator, limits).await?)
}

/// KiB as MiB.
pub fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

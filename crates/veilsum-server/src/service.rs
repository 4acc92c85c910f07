//! The service: the door, the sessions behind it, and a loop for each task.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use veilsum_proto::{
    identity::{Identity, PublicKey},
    message::Caps,
    roster::Roster,
};
use veilsum_quic::ServerEndpoint;

use crate::{
    blobs::Blobs,
    config::{ServerConfig, TaskConfig},
    directory::Directory,
    error::ServerError,
    event::Event,
    hook::TaskHook,
    round::{RoundLoop, interrupted_event},
    routes::Routes,
    session,
    shared::Shared,
    staging::{Staging, tidy},
    store::{Interrupted, Store},
    upload::InFlight,
};

/// A running coordinator. Dropping it breaks everything off as a crash would; [`Service::shutdown`] ends it in order.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    endpoint: Arc<ServerEndpoint>,
    shared: Arc<Shared>,
    sessions: Door,
    loops: JoinSet<()>,
    stop: watch::Sender<bool>,
    /// Tasks whose rounds are all run.
    done: watch::Sender<usize>,
    tasks: usize,
}

/// The task that lets members in, ended with the service.
#[derive(Debug)]
struct Door(JoinHandle<()>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Service {
    /// Takes the state folder over, ends by name the rounds that were open in it, opens the port and starts every task.
    /// `events` is called from many tasks at once and must not block. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ServerError`]: an identity that is not the roster's coordinator, tasks that do not fit the roster or the budgets,
    /// a state folder in use or unreadable, an address that cannot be bound.
    pub fn start(
        config: ServerConfig,
        identity: Identity,
        roster: Arc<Roster>,
        tasks: Vec<(TaskConfig, Box<dyn TaskHook>)>,
        events: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Result<Self, ServerError> {
        check_identity(&identity, &roster)?;
        let configs = tasks.iter().map(|(task, _)| task).collect::<Vec<_>>();
        let caps = check_tasks(&config, &roster, &configs)?;
        expect_full_disks()?;
        let (store, interrupted) = Store::open(&config.state)?;
        let staging = config.state.join(STAGING);
        let staging = Staging::open(staging, config.staging_budget, config.spill_budget)
            .map_err(ServerError::Staging)?;
        tokio::spawn(tidy(Arc::downgrade(&staging)));
        let signing_key = identity.signing_key().clone();
        let shared = Arc::new(Shared {
            identity,
            directory: Directory::new(),
            routes: Routes::default(),
            staging,
            in_flight: InFlight::default(),
            store,
            blobs: Blobs::default(),
            caps,
            events: Box::new(events),
            roster: roster.clone(),
        });
        let limits = config.limits_for(roster.len());
        // spec: [service.admission]
        let admission = move |key: &[u8; 32]| {
            PublicKey::parse(key).is_ok_and(|key| roster.slot_of(&key).is_some())
        };
        let endpoint =
            ServerEndpoint::bind(config.listen, &signing_key, Arc::new(admission), limits)?;
        let address = endpoint.local_addr().map_err(ServerError::System)?;
        let endpoint = Arc::new(endpoint);
        Ok(Self::run(address, endpoint, shared, tasks, &interrupted))
    }

    fn run(
        address: SocketAddr,
        endpoint: Arc<ServerEndpoint>,
        shared: Arc<Shared>,
        tasks: Vec<(TaskConfig, Box<dyn TaskHook>)>,
        interrupted: &[Interrupted],
    ) -> Self {
        shared.emit(&Event::Listening { address });
        for round in interrupted {
            shared.emit(&interrupted_event(round));
        }
        let (stop, done) = (watch::Sender::new(false), watch::Sender::new(0_usize));
        let count = tasks.len();
        let mut loops = JoinSet::new();
        // spec: [service.tasks.apart]
        for (config, hook) in tasks {
            let digest = config.task.digest();
            let mut rounds = RoundLoop::new(shared.clone(), config, hook, stop.subscribe());
            if let Some(round) = interrupted.iter().find(|round| round.task == digest) {
                rounds.interrupted(round);
            }
            let done = done.clone();
            loops.spawn(
                rounds.run(move || done.send_modify(|count| *count = count.saturating_add(1))),
            );
        }
        let sessions = Door(tokio::spawn(let_in(endpoint.clone(), shared.clone())));
        Self {
            address,
            endpoint,
            shared,
            sessions,
            loops,
            stop,
            done,
            tasks: count,
        }
    }

    /// The address members connect to, with the port in use.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits until every task has run its rounds. Members may still fetch results until [`Service::shutdown`].
    ///
    /// # Errors
    ///
    /// [`ServerError::Bug`] when a round loop has ended by itself.
    pub async fn finished(&mut self) -> Result<(), ServerError> {
        let mut done = self.done.subscribe();
        tokio::select! {
            biased;
            // the sender lives as long as this service
            _ = done.wait_for(|done| *done >= self.tasks) => Ok(()),
            Some(_) = self.loops.join_next() => Err(ServerError::Bug),
        }
    }

    /// Ends in order: open attempts abort by name, members are told, connections are closed.
    // spec: [service.shutdown]
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        while self.loops.join_next().await.is_some() {}
        let mut farewells = JoinSet::new();
        for peer in self.shared.directory.peers() {
            farewells.spawn(async move { peer.finish().await });
        }
        let all = async { while farewells.join_next().await.is_some() {} };
        // a member that is gone acknowledges nothing
        if timeout(FAREWELL, all).await.is_err() {
            tracing::debug!("some members did not acknowledge the last word");
        }
        self.endpoint.close().await;
        drop(self.sessions);
    }
}

/// Serves everybody who comes through the door.
async fn let_in(endpoint: Arc<ServerEndpoint>, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    while let Some((peer, frames)) = endpoint.accept().await {
        while sessions.try_join_next().is_some() {}
        sessions.spawn(session::run(shared.clone(), peer, frames));
    }
}

// spec: [service.identity]
fn check_identity(identity: &Identity, roster: &Roster) -> Result<(), ServerError> {
    let (found, wanted) = (identity.public(), roster.coordinator());
    if found == wanted {
        Ok(())
    } else {
        Err(ServerError::NotTheCoordinator { found, wanted })
    }
}

/// Derives what every task needs once, so that nothing impossible comes to light in a round.
// spec: [service.tasks]
fn check_tasks(
    config: &ServerConfig,
    roster: &Roster,
    tasks: &[&TaskConfig],
) -> Result<Caps, ServerError> {
    let mut seen = BTreeSet::new();
    let mut neighbours = None;
    for TaskConfig { task, .. } in tasks {
        let name = task.name().as_str().to_owned();
        if !seen.insert(name.clone()) {
            return Err(ServerError::SameTask { name });
        }
        // spec: [roster.tasks]
        if !roster.admits(&task.digest()) {
            let digest = task.digest();
            return Err(ServerError::TaskNotListed { name, digest });
        }
        let misfit = |source| ServerError::Task {
            name: name.clone(),
            source: Box::new(source),
        };
        let parameters = task.parameters(roster.len()).map_err(misfit)?;
        let plan = task.plan(roster.len()).map_err(misfit)?;
        let found = u64::try_from(plan.packed_bytes()).unwrap_or(u64::MAX);
        let wanted = config.staging_budget.max(config.spill_budget);
        if found > wanted {
            return Err(ServerError::Budget {
                name,
                found,
                wanted,
            });
        }
        neighbours = neighbours.max(Some(parameters.k));
    }
    let neighbours = neighbours.ok_or(ServerError::NoTask)?;
    Ok(Caps::new(roster.len(), neighbours))
}

/// A file that may not grow raises a signal whose default ends the process; with a handler, the write fails instead.
// spec: [service.stage.disk-full]
#[cfg(unix)]
fn expect_full_disks() -> Result<(), ServerError> {
    let kind = tokio::signal::unix::SignalKind::from_raw(libc::SIGXFSZ);
    // the handler outlives the listener
    let listener = tokio::signal::unix::signal(kind).map_err(ServerError::System)?;
    drop(listener);
    Ok(())
}

#[cfg(not(unix))]
fn expect_full_disks() -> Result<(), ServerError> {
    Ok(())
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

const STAGING: &str = "staging";

/// How long the last word to members may take.
const FAREWELL: Duration = Duration::from_secs(2);

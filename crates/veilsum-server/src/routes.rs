//! Which round loop a message is for. Not a check of the message: the machine it reaches does that.

use std::{
    collections::VecDeque,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{mpsc, oneshot};
use veilsum_proto::{
    fault::FaultKind,
    ids::{Attempt, Round, Sid, Sid2, Slot, TaskDigest},
    message::{Body, Message},
};

use crate::{directory::Ticket, staging::Staged, upload::HeaderReply};

/// What a session hands to a round loop.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A member has come, or come back, over the connection that the ticket names.
    Connected(Slot, Ticket),
    /// A control message.
    Message { from: Slot, message: Message },
    /// The header of an upload whose body waits.
    Header {
        from: Slot,
        message: Message,
        reply: oneshot::Sender<HeaderReply>,
    },
    /// A whole upload of the session.
    Update {
        from: Slot,
        sid2: Sid2,
        update: Staged,
    },
    /// An upload of the session could not be staged some time ago; it may go better now.
    Unstaged { from: Slot, sid2: Sid2 },
}

/// The way to one round loop.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    sender: mpsc::Sender<Incoming>,
    received: Arc<AtomicU64>,
}

impl Mailbox {
    /// Waits while the loop has enough to do: the member's next frame stays unread until then.
    pub(crate) async fn send(&self, incoming: Incoming) {
        // a loop that is gone is a service that is going
        let _ = self.sender.send(incoming).await;
    }

    /// Counts bytes that a member sent in the open round.
    pub(crate) fn count(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Where a message goes.
#[derive(Debug)]
pub(crate) enum Destination {
    /// To the loop whose attempt is open.
    Open(Mailbox),
    /// To nobody: its attempt is over, its sender could not know.
    // spec: [service.late]
    Over,
    /// To nobody: no attempt was ever like that, or members do not send such messages.
    Nowhere(FaultKind),
}

/// The ids of an attempt, as far as they are fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) round: Round,
    pub(crate) attempt: Attempt,
    pub(crate) sid: Option<Sid>,
    pub(crate) sid2: Option<Sid2>,
}

/// All round loops with their open attempts.
#[derive(Debug, Default)]
pub(crate) struct Routes(RwLock<Vec<Route>>);

#[derive(Debug)]
struct Route {
    task: TaskDigest,
    mailbox: Mailbox,
    open: Option<Keys>,
    over: VecDeque<Keys>,
}

impl Routes {
    /// Adds a task with a mailbox for `capacity` messages; returns its end and the counter of bytes.
    pub(crate) fn add(
        &self,
        task: TaskDigest,
        capacity: usize,
    ) -> (mpsc::Receiver<Incoming>, Arc<AtomicU64>) {
        let (sender, receiver) = mpsc::channel(capacity);
        let received = Arc::new(AtomicU64::new(0));
        let mailbox = Mailbox {
            sender,
            received: received.clone(),
        };
        self.write().push(Route {
            task,
            mailbox,
            open: None,
            over: VecDeque::new(),
        });
        (receiver, received)
    }

    /// The task's attempt is open under these keys.
    pub(crate) fn open(&self, task: &TaskDigest, keys: Keys) {
        if let Some(route) = self.write().iter_mut().find(|route| route.task == *task) {
            route.open = Some(keys);
        }
    }

    /// The task's attempt is over.
    pub(crate) fn close(&self, task: &TaskDigest) {
        let mut routes = self.write();
        let route = routes.iter_mut().find(|route| route.task == *task);
        if let Some((route, keys)) =
            route.and_then(|route| route.open.take().map(|keys| (route, keys)))
        {
            route.over.push_back(keys);
            if route.over.len() > REMEMBERED {
                route.over.pop_front();
            }
        }
    }

    /// Where a member's message goes.
    // spec: [service.route]
    pub(crate) fn find(&self, message: &Message) -> Destination {
        let Some(address) = Address::of(message) else {
            return Destination::Nowhere(FaultKind::WrongPhase {
                got: message.body.name(),
                phase: "any phase",
            });
        };
        let routes = self.read();
        let open = routes
            .iter()
            .find(|route| route.open.is_some_and(|keys| address.is_of(route, &keys)));
        if let Some(route) = open {
            return Destination::Open(route.mailbox.clone());
        }
        let is_over = |route: &Route| route.over.iter().any(|keys| address.is_of(route, keys));
        if routes.iter().any(is_over) {
            return Destination::Over;
        }
        Destination::Nowhere(FaultKind::OtherSession {
            got: message.body.name(),
            what: address.what(&routes),
        })
    }

    /// The ways to all loops.
    pub(crate) fn all(&self) -> Vec<Mailbox> {
        let routes = self.read();
        routes.iter().map(|route| route.mailbox.clone()).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Route>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Route>> {
        // whole between any two statements that can panic
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a message names its attempt.
enum Address {
    Advert(TaskDigest, Round, Attempt),
    First(Sid),
    Second(Sid2),
}

impl Address {
    fn of(message: &Message) -> Option<Self> {
        match &message.body {
            Body::Advert(advert) => Some(Self::Advert(advert.task, advert.round, advert.attempt)),
            Body::SealedShares(shares) => Some(Self::First(shares.sid)),
            Body::Accept(accept) => Some(Self::First(accept.sid)),
            Body::UploadHeader(header) => Some(Self::First(header.sid)),
            Body::Confirmation(confirmation) => Some(Self::Second(confirmation.sid2)),
            Body::Reveal(reveal) => Some(Self::Second(reveal.sid2)),
            Body::Shares(shares) => Some(Self::Second(shares.sid2)),
            Body::Open(_)
            | Body::Adverts(_)
            | Body::DeliveredShares(_)
            | Body::ShareSet(_)
            | Body::UploadStored(_)
            | Body::SurvivorSet(_)
            | Body::Certificate(_)
            | Body::ShareRequest(_)
            | Body::Receipt(_)
            | Body::AbortNotice(_)
            | Body::FaultNotice(_) => None,
        }
    }

    fn is_of(&self, route: &Route, keys: &Keys) -> bool {
        match self {
            Self::Advert(task, round, attempt) => {
                (*task, *round, *attempt) == (route.task, keys.round, keys.attempt)
            }
            Self::First(sid) => keys.sid == Some(*sid),
            Self::Second(sid2) => keys.sid2 == Some(*sid2),
        }
    }

    /// What differs, in words.
    fn what(&self, routes: &[Route]) -> &'static str {
        match self {
            Self::Advert(task, round, _) => match routes.iter().find(|route| route.task == *task) {
                None => "task",
                Some(Route {
                    open: Some(keys), ..
                }) if keys.round == *round => "attempt",
                Some(_) => "round",
            },
            Self::First(_) | Self::Second(_) => "session",
        }
    }
}

/// Attempts that are over and whose stragglers are no fault.
const REMEMBERED: usize = 16;

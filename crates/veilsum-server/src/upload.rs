//! One upload, from its stream to its round loop. Not the sum: that is the machine's, and it gets whole updates only.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout_at},
};
use veilsum_proto::{
    fault::FaultKind,
    ids::{Sid2, Slot, TaskDigest},
    message::{Body, Message},
};
use veilsum_quic::{IncomingUpload, PendingUpload, StreamCode, UploadBody, UploadError};

use crate::{
    routes::{Destination, Incoming, Mailbox},
    shared::{Complaint, Shared},
    staging::{Stage, StageError, Staged},
};

/// What a round loop says to an upload's header.
#[derive(Debug)]
pub(crate) enum HeaderReply {
    /// The body may come: so many bytes, by this time. Its sender was asked for it again so often.
    Expected {
        task: TaskDigest,
        sid2: Sid2,
        bytes: u64,
        deadline: Instant,
        asked_again: u32,
    },
    /// The update is there already; the frame says so once more.
    Stored(Bytes),
    /// Not this one.
    Refused(Complaint),
    /// The attempt is over.
    Over,
}

/// Uploads whose bytes are coming, one for each member and task.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    uploads: BTreeMap<(TaskDigest, Slot), (u64, mpsc::Sender<()>)>,
}

impl InFlight {
    /// Takes the place of an older upload of the same member, which ends: the member has begun anew.
    // spec: [service.stage.newest]
    fn begin(&self, key: (TaskDigest, Slot)) -> (Begun<'_>, mpsc::Receiver<()>) {
        // nothing is ever sent: the receiver wakes when the sender is dropped
        let (alive, ended) = mpsc::channel(1);
        let mut state = self.lock();
        let number = state.next;
        state.next = state.next.wrapping_add(1);
        state.uploads.insert(key, (number, alive));
        let begun = Begun {
            all: self,
            key,
            number,
        };
        (begun, ended)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // whole between any two statements that can panic
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An upload's entry, removed when dropped.
struct Begun<'a> {
    all: &'a InFlight,
    key: (TaskDigest, Slot),
    number: u64,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let mut state = self.all.lock();
        let own = state.uploads.get(&self.key);
        if own.is_some_and(|(number, _)| *number == self.number) {
            state.uploads.remove(&self.key);
        }
    }
}

/// Takes one upload of `slot`: header, room, bytes, and on to the round.
pub(crate) async fn take(shared: &Shared, slot: Slot, pending: PendingUpload) {
    let upload = match pending.header().await {
        Ok(upload) => upload,
        Err(error) => return complain(shared, slot, &error),
    };
    let message = match header(shared, &upload) {
        Ok(message) => message,
        Err(kind) => {
            upload.refuse(StreamCode::Malformed);
            return shared.blame(Complaint::of(slot, &kind));
        }
    };
    let mailbox = match shared.routes.find(&message) {
        Destination::Open(mailbox) => mailbox,
        Destination::Over => return upload.refuse(StreamCode::Abandoned),
        Destination::Nowhere(kind) => {
            upload.refuse(StreamCode::Refused);
            return shared.blame(Complaint::of(slot, &kind));
        }
    };
    mailbox.count(upload.header.len());
    let (reply, answer) = oneshot::channel();
    let incoming = Incoming::Header {
        from: slot,
        message,
        reply,
    };
    mailbox.send(incoming).await;
    match answer.await {
        Ok(HeaderReply::Expected {
            task,
            sid2,
            bytes,
            deadline,
            asked_again,
        }) => {
            let body = upload.accept(bytes, Some(deadline));
            let arrival = Arrival {
                shared,
                slot,
                task,
                sid2,
                bytes,
                deadline,
                asked_again,
                mailbox,
            };
            arrival.run(body).await;
        }
        Ok(HeaderReply::Stored(frame)) => {
            upload.refuse(StreamCode::Abandoned);
            shared.directory.send(slot, frame);
        }
        Ok(HeaderReply::Refused(complaint)) => {
            upload.refuse(StreamCode::Refused);
            shared.blame(complaint);
        }
        Ok(HeaderReply::Over) | Err(_) => upload.refuse(StreamCode::Abandoned),
    }
}

fn header(shared: &Shared, upload: &IncomingUpload) -> Result<Message, FaultKind> {
    let message = Message::decode(&upload.header, &shared.caps)?;
    match message.body {
        Body::UploadHeader(_) => Ok(message),
        _ => Err(FaultKind::WrongPhase {
            got: message.body.name(),
            phase: "the header of an upload",
        }),
    }
}

/// An upload whose header stands.
struct Arrival<'a> {
    shared: &'a Shared,
    slot: Slot,
    task: TaskDigest,
    sid2: Sid2,
    bytes: u64,
    deadline: Instant,
    asked_again: u32,
    mailbox: Mailbox,
}

/// Why the bytes of an upload are not on their way to the round.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    /// They did not come.
    #[error(transparent)]
    Sender(UploadError),
    /// They came, and could not be kept.
    #[error(transparent)]
    Staging(StageError),
}

/// Brings all bytes of an upload to where they wait until it is whole.
// spec: [service.stage.whole]
pub(crate) async fn receive(body: &mut UploadBody, mut stage: Stage) -> Result<Staged, Broken> {
    let mut pieces = vec![Bytes::new(); PIECES];
    while let Some(count) = body
        .read_chunks(&mut pieces)
        .await
        .map_err(Broken::Sender)?
    {
        let come = pieces.get_mut(..count).unwrap_or_default();
        stage.push(come).await.map_err(Broken::Staging)?;
    }
    Ok(stage.whole())
}

impl Arrival<'_> {
    async fn run(self, mut body: UploadBody) {
        let (begun, mut replaced) = self.shared.in_flight.begin((self.task, self.slot));
        let staged = tokio::select! {
            _ = replaced.recv() => return body.refuse(StreamCode::Abandoned),
            staged = self.stage(&mut body) => staged,
        };
        self.mailbox
            .count(usize::try_from(body.received()).unwrap_or(usize::MAX));
        match staged {
            Ok(update) => {
                let incoming = Incoming::Update {
                    from: self.slot,
                    sid2: self.sid2,
                    update,
                };
                self.mailbox.send(incoming).await;
            }
            Err(Broken::Sender(error)) => complain(self.shared, self.slot, &error),
            // spec: [service.stage.disk-full]
            Err(Broken::Staging(error)) => {
                body.refuse(StreamCode::Internal);
                tracing::warn!(slot = %self.slot, %error, "upload could not be staged");
                let complaint = Complaint::new(self.slot, error.kind(), error);
                self.shared.tell(complaint);
                // others need not wait for the pause that follows
                drop(begun);
                self.ask_again().await;
            }
        }
    }

    /// Lets the round ask for the bytes again after a pause that grows with each time, unless Upload is over by then.
    // spec: [service.stage.ask-again]
    async fn ask_again(self) {
        let Some(pause) = pause(self.asked_again) else {
            return;
        };
        if Instant::now().checked_add(pause) >= Some(self.deadline) {
            return;
        }
        sleep(pause).await;
        let incoming = Incoming::Unstaged {
            from: self.slot,
            sid2: self.sid2,
        };
        self.mailbox.send(incoming).await;
    }

    // spec: [service.stage.wait]
    async fn stage(&self, body: &mut UploadBody) -> Result<Staged, Broken> {
        let room = timeout_at(self.deadline.into(), self.shared.staging.stage(self.bytes)).await;
        let late = UploadError::Late {
            found: 0,
            wanted: self.bytes,
        };
        let stage = room
            .map_err(|_| Broken::Sender(late))?
            .map_err(Broken::Staging)?;
        receive(body, stage).await
    }
}

/// Blames the sender of an upload that is not whole; one that went away or gave up is no fault.
// spec: [service.fault.limit]
fn complain(shared: &Shared, slot: Slot, error: &UploadError) {
    let tell = |kind| shared.tell(Complaint::new(slot, kind, error));
    let kind = match error {
        UploadError::HeaderTooLarge { .. } => "too_long",
        UploadError::HeaderTruncated { .. } => "malformed",
        UploadError::TooShort { .. } | UploadError::TooLong { .. } => "wrong_length",
        UploadError::TooSlow { .. } => return tell("too_slow"),
        UploadError::Late { .. } => return tell("late"),
        UploadError::Abandoned { .. } | UploadError::Ended | UploadError::Closed(_) => {
            tracing::debug!(%slot, %error, "upload broken off");
            return;
        }
    };
    shared.blame(Complaint::new(slot, kind, error));
}

/// Pause before a member is asked again for an update that could not be staged; `None` when it was asked often enough.
fn pause(asked_again: u32) -> Option<Duration> {
    let factor = PAUSE_GROWTH.checked_pow(asked_again)?;
    (asked_again < MOST_ASKED_AGAIN).then(|| FIRST_PAUSE.saturating_mul(factor))
}

/// Times that a member is asked again for an update that could not be staged; the last pause is a minute and more.
pub(crate) const MOST_ASKED_AGAIN: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const PAUSE_GROWTH: u32 = 4;

/// Datagrams taken off a stream at once.
const PIECES: usize = 64;

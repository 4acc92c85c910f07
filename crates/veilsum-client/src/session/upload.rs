//! Upload: the contribution is masked once per session, and streamed until the coordinator has stored it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::AbortHandle;
use veilsum_proto::ids::Attempt;
use veilsum_proto::ledger::Ledger as _;
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::message::Body;
use veilsum_proto::refusal::Refusal;
use veilsum_proto::session::RoundContext;
use veilsum_quic::{Connection, StreamCode, WriteError};

use super::round::RoundKey;
use super::watcher::Watcher;
use super::{Happening, Session};
use crate::{ClientError, Event, FileLedger, RoundPrivacy};

/// The one masked update of a session. Dropping it ends its stream.
pub(super) struct Upload {
    header: Bytes,
    masked: Arc<MaskedUpdate>,
    running: Option<Running>,
    tries: u32,
}

/// The stream under way, and the line it is on.
struct Running {
    line: u64,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a stream ended.
pub(super) struct Streamed {
    key: RoundKey,
    attempt: Attempt,
    line: u64,
    outcome: Result<(), WriteError>,
}

impl Session {
    /// Masks the contribution and starts to send it, once the Share set stands and the contribution is made.
    // spec: [upload.keep]
    pub(super) async fn contribute(&mut self, key: RoundKey) -> Result<(), ClientError> {
        let Some((contribution, digest)) = self.take_contribution(key) else {
            return Ok(());
        };
        let config = self.config.clone();
        let masked = self.step(key, move |member, ledger, _| {
            let context = member.context().clone();
            let charged = was_charged(&context, ledger);
            let (header, masked) = member.upload(contribution, digest, ledger)?;
            let privacy = match charged {
                true => None,
                false => {
                    let floors = config.floors(&context.task).privacy;
                    RoundPrivacy::of(&context, ledger.state()?, &floors)
                }
            };
            Ok::<_, Refusal>((header, masked, privacy))
        });
        let (header, masked, charged) = match masked.await? {
            Some(Ok(made)) => made,
            Some(Err(refusal)) => {
                self.refuse(refusal)?;
                return self.break_promise(key).await;
            }
            None => return Ok(()),
        };
        if let Some(round) = self.rounds.get_mut(&key) {
            if let Body::UploadHeader(header) = &header.body {
                round.sid2 = Some(header.sid2);
            }
            round.upload = Some(Upload {
                header: header.encode().into(),
                masked: Arc::new(masked),
                running: None,
                tries: 0,
            });
            // spec: [event.charged]
            if let Some(privacy) = charged {
                let context = round.context.clone();
                self.watcher.tell(&Event::Charged {
                    task: context.task.name().to_string(),
                    round: context.round,
                    privacy,
                });
            }
        }
        self.stream(key);
        Ok(())
    }

    /// Streams the masked update over the line at hand, unless it is under way there: the same bytes every time.
    // spec: [reconnect.same-bytes]
    pub(super) fn stream(&mut self, key: RoundKey) {
        let (Some(line), Some(round)) = (&self.line, self.rounds.get_mut(&key)) else {
            return;
        };
        let context = round.context.clone();
        let Some(upload) = &mut round.upload else {
            return;
        };
        let id = line.id;
        if upload
            .running
            .as_ref()
            .is_some_and(|running| running.line == id)
        {
            return;
        }
        let stream = Stream {
            connection: line.connection.clone(),
            context: context.clone(),
            watcher: self.watcher.clone(),
            masked: upload.masked.clone(),
        };
        let (header, outbox) = (upload.header.clone(), self.outbox.clone());
        let task = self.tasks.spawn(async move {
            let streamed = Streamed {
                key,
                attempt: context.attempt,
                line: id,
                outcome: stream.run(header).await,
            };
            let _ = outbox.send(Happening::Streamed(streamed)).await; // the session may be over
        });
        upload.running = Some(Running { line: id, task });
    }

    /// The end of a stream. Whether the update is stored is said on the control stream; a stream that the coordinator stopped
    /// for its own or the network's sake is tried again.
    pub(super) fn streamed(&mut self, streamed: &Streamed) {
        let Some(round) = self.rounds.get_mut(&streamed.key) else {
            return;
        };
        let Some(upload) = &mut round.upload else {
            return;
        };
        let current = upload
            .running
            .as_ref()
            .is_some_and(|running| running.line == streamed.line);
        if round.context.attempt != streamed.attempt || !current {
            return;
        }
        upload.running = None;
        let Err(error) = &streamed.outcome else {
            return;
        };
        let again = match error {
            WriteError::Stopped(code) => match code {
                StreamCode::TooSlow | StreamCode::Internal | StreamCode::Abandoned => true,
                StreamCode::HeaderTooLarge
                | StreamCode::TooLong
                | StreamCode::TooShort
                | StreamCode::Refused
                | StreamCode::Malformed => false,
            },
            WriteError::Closed(_) => return, // the next line asks for it again
            WriteError::HeaderTooLarge { .. } | WriteError::Ended => false,
        };
        upload.tries = upload.tries.saturating_add(1);
        let again = again && upload.tries < MOST_TRIES;
        self.watcher.refused("upload_stopped", &stopped(error));
        if again {
            self.stream(streamed.key);
        }
    }
}

fn was_charged(context: &RoundContext, ledger: &FileLedger) -> bool {
    let state = ledger.state();
    state.is_ok_and(|state| state.charged(&context.task_digest, context.round).is_some())
}

/// What a streaming task works with.
struct Stream {
    connection: Connection,
    context: Arc<RoundContext>,
    watcher: Watcher,
    masked: Arc<MaskedUpdate>,
}

impl Stream {
    // spec: [upload.stream]
    async fn run(&self, header: Bytes) -> Result<(), WriteError> {
        self.watcher.sending(&self.context, "UploadHeader");
        let mut upload = self.connection.open_upload(header).await?;
        let blocks = self.masked.blocks();
        let total = bytes_of(blocks.len());
        let (piece, step) = (piece_of(total), total.div_ceil(MOST_REPORTS).max(1));
        let (mut sent, mut due) = (0_u64, 0_u64);
        for index in 0..blocks.block_count() {
            let mut block = self.block(index);
            while !block.is_empty() {
                if sent >= due {
                    self.progress(sent, total);
                    due = sent.saturating_add(step);
                }
                let bytes = block.split_to(piece.min(block.len()));
                sent = sent.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                upload.write_bytes(bytes).await?;
            }
        }
        self.progress(sent, total);
        upload.finish().await
    }

    /// The bytes of a block where they lie, if that is how they are sent; none past the end.
    fn block(&self, index: usize) -> Bytes {
        match self.masked.blocks().le_bytes_of_block(index) {
            Some(Cow::Borrowed(_)) => Bytes::from_owner(Block {
                masked: self.masked.clone(),
                index,
            }),
            Some(Cow::Owned(swapped)) => swapped.into(),
            None => Bytes::new(),
        }
    }

    fn progress(&self, sent: u64, total: u64) {
        self.watcher.tell(&Event::Uploading {
            task: self.context.task.name().to_string(),
            round: self.context.round,
            attempt: self.context.attempt,
            sent,
            total,
        });
    }
}

/// A block that is sent from where it lies, on processors whose limbs lie as they are sent.
struct Block {
    masked: Arc<MaskedUpdate>,
    index: usize,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        match self.masked.blocks().le_bytes_of_block(self.index) {
            Some(Cow::Borrowed(bytes)) => bytes,
            Some(Cow::Owned(_)) | None => &[],
        }
    }
}

/// Why a stream was stopped, in words. The code of a failure of the coordinator's own says nothing; its notice does.
fn stopped(error: &WriteError) -> String {
    match error {
        WriteError::Stopped(StreamCode::Internal) => {
            format!("{error}; the fault notice of the coordinator says why")
        }
        error => error.to_string(),
    }
}

fn bytes_of(limbs: usize) -> u64 {
    u64::try_from(limbs).unwrap_or(u64::MAX).saturating_mul(8)
}

/// Bytes written at once: a block, or a quarter of a vector that is shorter than four, so that every upload has a middle.
fn piece_of(total: u64) -> usize {
    let quarter = usize::try_from(total.div_ceil(4)).unwrap_or(usize::MAX);
    quarter.clamp(1, veilsum_math::BLOCK_BYTES)
}

/// Events of one upload at most, its end aside.
const MOST_REPORTS: u64 = 32;

/// Streams of one masked update that the coordinator may stop before it is given up.
const MOST_TRIES: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_stopped_by_a_failure_of_the_coordinator_points_to_its_notice() {
        let text = stopped(&WriteError::Stopped(StreamCode::Internal));
        assert!(
            text.ends_with("; the fault notice of the coordinator says why"),
            "{text}"
        );
        let slow = WriteError::Stopped(StreamCode::TooSlow);
        assert_eq!(stopped(&slow), slow.to_string());
    }
}

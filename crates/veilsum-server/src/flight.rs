//! Not a queue: how many bytes of frames are on their way to members, so that no more are made than can be sent.
//!
//! What is due to a member is in the machine, and a frame of it is made when there is room. A frame counts until its receiver has
//! acknowledged it or its connection is gone; one that takes longer than [`PATIENCE`] counts no more, so that members who take
//! their frames slowly, or not at all, hold up nobody for longer.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// The frames of one task.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    count: Arc<Count>,
    /// When each was sent, oldest first.
    frames: VecDeque<(Instant, Arc<Share>)>,
}

#[derive(Debug, Default)]
struct Count {
    bytes: AtomicUsize,
    landed: Notify,
}

/// The bytes of one frame, as long as they count.
#[derive(Debug)]
struct Share {
    bytes: AtomicUsize,
    count: Arc<Count>,
}

/// A frame that counts until the last copy of it is gone.
struct Counted {
    frame: Bytes,
    share: Arc<Share>,
}

impl Flight {
    /// Counts a frame that is about to be sent.
    pub(crate) fn launch(&mut self, frame: Bytes) -> Bytes {
        let share = Arc::new(Share {
            bytes: AtomicUsize::new(frame.len()),
            count: self.count.clone(),
        });
        self.count.bytes.fetch_add(frame.len(), Ordering::Relaxed);
        self.frames.push_back((Instant::now(), share.clone()));
        Bytes::from_owner(Counted { frame, share })
    }

    /// Bytes for which there is room.
    pub(crate) fn room(&mut self) -> usize {
        self.forget_old();
        let used = self.count.bytes.load(Ordering::Relaxed);
        ROOM.saturating_sub(used)
    }

    /// Bytes for which there is room; from `hurry` on as many as there are, so that nobody is waited for any longer.
    // spec: [service.flight]
    pub(crate) fn room_before(&mut self, hurry: Instant) -> usize {
        match Instant::now() < hurry {
            true => self.room(),
            false => usize::MAX,
        }
    }

    /// Waits until there is room. Cancel-safe.
    pub(crate) async fn wait_for_room(&mut self) {
        while self.room() == 0 {
            let Some((sent, _)) = self.frames.front() else {
                return;
            };
            tokio::select! {
                // a permit is kept, so that no frame is missed that lands in between
                () = self.count.landed.notified() => {}
                () = sleep_until(too_old(*sent)) => {}
            }
        }
    }

    fn forget_old(&mut self) {
        let now = Instant::now();
        while let Some((sent, share)) = self.frames.front()
            && (share.has_landed() || too_old(*sent) <= now)
        {
            share.give_back();
            self.frames.pop_front();
        }
    }
}

impl Share {
    /// Gives the bytes back, once.
    fn give_back(&self) {
        let bytes = self.bytes.swap(0, Ordering::Relaxed);
        self.count.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn has_landed(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) == 0
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.share.give_back();
        self.share.count.landed.notify_one();
    }
}

/// When a frame that was sent then counts no more.
fn too_old(sent: Instant) -> Instant {
    sent.checked_add(PATIENCE).unwrap_or(sent)
}

/// Bytes of a task's frames that may be on their way at once. Over a path of 100 ms these are 40 to 80 MB a second.
const ROOM: usize = 8 << 20;

/// Time in which a member that takes its frames at all has taken one.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Bytes {
        Bytes::from(vec![1; bytes])
    }

    #[tokio::test]
    async fn a_frame_counts_until_its_last_copy_is_gone() {
        let mut flight = Flight::default();
        let sent = flight.launch(frame(ROOM - 1));
        assert_eq!(flight.room(), 1);
        let (head, rest) = (sent.slice(..10), sent.slice(10..));
        drop((sent, head));
        assert_eq!(flight.room(), 1);
        drop(rest);
        assert_eq!(flight.room(), ROOM);
    }

    // spec: [service.slow]
    #[tokio::test]
    async fn frames_that_nobody_takes_make_room_after_a_while_and_only_once() {
        let mut flight = Flight::default();
        let stuck = flight.launch(frame(ROOM));
        assert_eq!(flight.room(), 0);
        flight.wait_for_room().await;
        assert_eq!(flight.room(), ROOM);
        let more = flight.launch(frame(100));
        drop(stuck);
        assert_eq!(flight.room(), ROOM - 100);
        drop(more);
        assert_eq!(flight.room(), ROOM);
    }

    // spec: [service.flight]
    #[tokio::test]
    async fn after_a_while_nobody_is_waited_for() {
        let mut flight = Flight::default();
        let stuck = flight.launch(frame(ROOM));
        let now = Instant::now();
        assert_eq!(flight.room_before(now + Duration::from_secs(60)), 0);
        assert_eq!(flight.room_before(now), usize::MAX);
        drop(stuck);
    }

    #[tokio::test]
    async fn whoever_waits_for_room_goes_on_when_a_frame_lands() {
        let mut flight = Flight::default();
        let (first, second) = (flight.launch(frame(ROOM)), flight.launch(frame(ROOM)));
        let landing = async { drop((first, second)) };
        tokio::join!(flight.wait_for_room(), landing);
        assert_eq!(flight.room(), ROOM);
    }
}

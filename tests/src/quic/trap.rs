//! Members that vanish right before a chosen act.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use veilsum_client::Event;
use veilsum_proto::ids::Round;
use veilsum_sim::Vanish;

/// Where a member vanishes, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The round.
    pub round: Round,
    /// The act that does not happen any more.
    pub point: Vanish,
    /// In what way.
    pub how: How,
}

/// How a member vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Its runtime goes down without a word to the coordinator; its ledger is free again.
    Crash,
    /// Its only thread stops for ever: the connection stays, nothing is answered.
    Hang,
}

/// The member's end of a trap.
pub(super) struct Spring {
    trap: Trap,
    sprung: Sender<()>,
    gone: Receiver<()>,
}

/// The end of whoever takes the runtime down.
pub(super) struct Undertaker {
    /// Says that the trap has sprung; closed when the member has ended before.
    pub(super) sprung: Receiver<()>,
    /// Dropped once the runtime is down.
    pub(super) gone: Sender<()>,
}

impl Trap {
    /// Vanishes in round 1.
    pub fn new(point: Vanish, how: How) -> Self {
        let round = Round(1);
        Self { round, point, how }
    }

    /// The same in another round.
    pub fn in_round(self, round: u64) -> Self {
        let round = Round(round);
        Self { round, ..self }
    }

    pub(super) fn set(self) -> (Spring, Undertaker) {
        let (sprung, springs) = channel();
        let (gone, goes) = channel();
        let spring = Spring {
            trap: self,
            sprung,
            gone: goes,
        };
        let undertaker = Undertaker {
            sprung: springs,
            gone,
        };
        (spring, undertaker)
    }

    /// Whether the event announces the act.
    fn is_before(&self, event: &Event) -> bool {
        match event {
            Event::Sending { round, message, .. } => {
                *round == self.round && Some(*message) == message_of(self.point)
            }
            Event::Uploading {
                round, sent, total, ..
            } => {
                let in_the_middle = *sent > 0 && sent < total;
                *round == self.round && self.point == Vanish::MidUpload && in_the_middle
            }
            _ => false,
        }
    }
}

impl Spring {
    pub(super) fn springs_at(&self, event: &Event) -> bool {
        self.trap.is_before(event)
    }

    /// Does not return: the act that was announced never happens.
    pub(super) fn spring(&self) -> ! {
        match self.trap.how {
            How::Hang => loop {
                thread::park();
            },
            How::Crash => {
                // whoever listens takes the runtime down under this thread, which then ends with it
                let _ = self.sprung.send(());
                let _ = self.gone.recv();
                std::panic::resume_unwind(Box::new("crashed"));
            }
        }
    }
}

fn message_of(point: Vanish) -> Option<&'static str> {
    match point {
        Vanish::Advertise => Some("Advert"),
        Vanish::Share => Some("SealedShares"),
        Vanish::Accept => Some("Accept"),
        Vanish::Upload => Some("UploadHeader"),
        Vanish::MidUpload => None,
        Vanish::Confirm => Some("Confirmation"),
        Vanish::Reveal => Some("Reveal"),
        Vanish::Recover => Some("Shares"),
    }
}

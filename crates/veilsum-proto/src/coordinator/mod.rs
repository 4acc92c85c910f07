//! The coordinator of one attempt at a round.
//!
//! Not for sockets, deadlines or files: the caller carries messages, decides when a phase is over, and stages masked
//! updates until they are whole. The machine is a function of what it received, in any order within a phase, so it can be
//! rebuilt from its inputs.
//!
//! ```text
//! Advertise -> Share -> Accept -> Upload -> Confirm -> Reveal [-> Recover] -> Finished
//!      \________\_________\_________\_________\__________\__________\-> Aborted
//! ```
//!
//! A message can blame one member ([`Fault`]); only the end of a phase, [`Coordinator::close`], can end the round
//! ([`Abort`]).

mod accept;
mod advertise;
mod confirm;
mod finish;
mod recover;
mod reveal;
mod share;
#[cfg(test)]
mod tests;
mod upload;

pub use accept::AcceptPhase;
pub use advertise::AdvertisePhase;
pub use confirm::ConfirmPhase;
pub use finish::{Finished, SumNoise};
pub use recover::RecoverPhase;
pub use reveal::RevealPhase;
pub use share::SharePhase;
pub use upload::UploadPhase;

use crate::abort::Abort;
use crate::bitmap::Bitmap;
use crate::fault::{Fault, FaultKind};
use crate::ids::{Hash, Sid, Sid2, Slot};
use crate::masked::MaskedLimbs;
use crate::message::{Advert, Body, Message, SealedShare, UploadStored};
use crate::session::RoundContext;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// What the coordinator waits for.
#[derive(Debug)]
pub enum Coordinator {
    /// Adverts.
    Advertise(Box<AdvertisePhase>),
    /// Sealed shares.
    Share(Box<SharePhase>),
    /// Accepts.
    Accept(Box<AcceptPhase>),
    /// Masked updates.
    Upload(Box<UploadPhase>),
    /// Signatures over the survivors.
    Confirm(Box<ConfirmPhase>),
    /// Self seeds and pair seeds.
    Reveal(Box<RevealPhase>),
    /// Shares of members that went silent.
    Recover(Box<RecoverPhase>),
    /// Nothing: the sum is there.
    Finished(Box<Finished>),
    /// Nothing: there is no sum.
    Aborted(Abort),
}

/// Name of a phase.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PhaseName {
    /// Adverts.
    Advertise,
    /// Sealed shares.
    Share,
    /// Accepts, the second trip of Share.
    Accept,
    /// Masked updates.
    Upload,
    /// Signatures.
    Confirm,
    /// Seeds.
    Reveal,
    /// Shares, the second trip of Reveal.
    Recover,
    /// The end, with a sum.
    Finished,
    /// The end, without.
    Aborted,
}

impl PhaseName {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Advertise => "advertise",
            Self::Share => "share",
            Self::Accept => "accept",
            Self::Upload => "upload",
            Self::Confirm => "confirm",
            Self::Reveal => "reveal",
            Self::Recover => "recover",
            Self::Finished => "finished",
            Self::Aborted => "aborted",
        }
    }

    /// The last phase that listens to a message of this type; none for what only a coordinator says. A reveal is heard in
    /// Recover too.
    pub fn last_for(body: &Body) -> Option<Self> {
        match body {
            Body::Advert(_) => Some(Self::Advertise),
            Body::SealedShares(_) => Some(Self::Share),
            Body::Accept(_) => Some(Self::Accept),
            Body::UploadHeader(_) => Some(Self::Upload),
            Body::Confirmation(_) => Some(Self::Confirm),
            Body::Reveal(_) | Body::Shares(_) => Some(Self::Recover),
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
}

impl fmt::Display for PhaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Coordinator {
    /// Opens an attempt.
    pub fn open(context: Arc<RoundContext>) -> Self {
        Self::Advertise(Box::new(AdvertisePhase::new(context)))
    }

    /// Takes one message of `from`, whom the channel has authenticated.
    ///
    /// # Errors
    ///
    /// [`Fault`] blaming `from`; nothing of a blamed message counts, except good shares beside a bad one, and the seeds of a
    /// reveal beside a chain value that does not stand.
    // spec: [message.fault]
    pub fn receive(&mut self, from: Slot, message: &Message) -> Result<(), Fault> {
        let outcome = match self {
            Self::Advertise(phase) => phase.receive(from, message),
            Self::Share(phase) => phase.receive(from, message),
            Self::Accept(phase) => phase.receive(from, message),
            Self::Upload(phase) => phase.receive(from, message),
            Self::Confirm(phase) => phase.receive(from, message),
            Self::Reveal(phase) => phase.receive(from, message),
            Self::Recover(phase) => phase.receive(from, message),
            Self::Finished(_) => Err(wrong(message, PhaseName::Finished)),
            Self::Aborted(_) => Err(wrong(message, PhaseName::Aborted)),
        };
        outcome.map_err(|kind| kind.of(from))
    }

    /// Takes the whole masked update that followed an accepted header. From here on it counts.
    ///
    /// # Errors
    ///
    /// [`Fault`] when none is due from `from`, or it has another length.
    pub fn receive_update<'a>(
        &mut self,
        from: Slot,
        update: impl Into<MaskedLimbs<'a>>,
    ) -> Result<UploadStored, Fault> {
        match self {
            Self::Upload(phase) => phase
                .receive_update(from, update.into())
                .map_err(|kind| kind.of(from)),
            _ => Err(FaultKind::WrongPhase {
                got: "masked update",
                phase: self.phase().text(),
            }
            .of(from)),
        }
    }

    /// What `slot` should have by now and may be sent again; `None` when nothing is due to it.
    pub fn message_for(&self, slot: Slot) -> Option<Message> {
        match self {
            Self::Advertise(phase) => phase.message_for(slot),
            Self::Share(phase) => phase.message_for(slot),
            Self::Accept(phase) => phase.message_for(slot),
            Self::Upload(phase) => phase.message_for(slot),
            Self::Confirm(phase) => phase.message_for(slot),
            Self::Reveal(phase) => phase.message_for(slot),
            Self::Recover(phase) => phase.message_for(slot),
            Self::Finished(_) | Self::Aborted(_) => None,
        }
    }

    /// Bytes of [`Coordinator::message_for`]. Of the large messages no value is made on the way, and what many members get
    /// alike is encoded once.
    pub fn encoded_for(&self, slot: Slot) -> Option<Vec<u8>> {
        match self {
            Self::Share(phase) => phase.encoded_for(slot),
            Self::Accept(phase) => phase.encoded_for(slot),
            Self::Reveal(phase) => phase.encoded_for(slot),
            Self::Advertise(_)
            | Self::Upload(_)
            | Self::Confirm(_)
            | Self::Recover(_)
            | Self::Finished(_)
            | Self::Aborted(_) => Some(self.message_for(slot)?.encode()),
        }
    }

    /// Members this phase still waits for.
    pub fn waits_for(&self) -> Vec<Slot> {
        match self {
            Self::Advertise(phase) => phase.waits_for(),
            Self::Share(phase) => phase.waits_for(),
            Self::Accept(phase) => phase.waits_for(),
            Self::Upload(phase) => phase.waits_for(),
            Self::Confirm(phase) => phase.waits_for(),
            Self::Reveal(phase) => phase.waits_for(),
            Self::Recover(phase) => phase.waits_for(),
            Self::Finished(_) | Self::Aborted(_) => Vec::new(),
        }
    }

    /// Ends the phase. Faults that only the whole phase shows are appended to `faults`.
    pub fn close(self, faults: &mut Vec<Fault>) -> Self {
        match self {
            Self::Advertise(phase) => phase.close(),
            Self::Share(phase) => phase.close(),
            Self::Accept(phase) => phase.close(faults),
            Self::Upload(phase) => phase.close(),
            Self::Confirm(phase) => phase.close(),
            Self::Reveal(phase) => phase.close(faults),
            Self::Recover(phase) => phase.close(faults),
            Self::Finished(_) | Self::Aborted(_) => self,
        }
    }

    /// Name of the phase.
    pub fn phase(&self) -> PhaseName {
        match self {
            Self::Advertise(_) => PhaseName::Advertise,
            Self::Share(_) => PhaseName::Share,
            Self::Accept(_) => PhaseName::Accept,
            Self::Upload(_) => PhaseName::Upload,
            Self::Confirm(_) => PhaseName::Confirm,
            Self::Reveal(_) => PhaseName::Reveal,
            Self::Recover(_) => PhaseName::Recover,
            Self::Finished(_) => PhaseName::Finished,
            Self::Aborted(_) => PhaseName::Aborted,
        }
    }

    /// First session, fixed from Share on; `None` before and after an abort.
    pub fn sid(&self) -> Option<&Sid> {
        match self {
            Self::Share(phase) => Some(&phase.session.sid),
            Self::Accept(phase) => Some(&phase.session.sid),
            Self::Finished(phase) => Some(phase.sum().survivors().sid()),
            _ => self.stage().map(|stage| &stage.session.sid),
        }
    }

    /// Second session, fixed from Upload on; `None` before and after an abort.
    pub fn sid2(&self) -> Option<&Sid2> {
        match self {
            Self::Finished(phase) => Some(phase.sum().survivors().sid2()),
            _ => self.stage().map(|stage| &stage.sid2),
        }
    }

    /// The Share set U2, from Upload to Recover.
    pub fn share_set(&self) -> Option<&Bitmap> {
        self.stage().map(|stage| &stage.shared)
    }

    fn stage(&self) -> Option<&ShareStage> {
        match self {
            Self::Upload(phase) => Some(&phase.stage),
            Self::Confirm(phase) => Some(&phase.stage),
            Self::Reveal(phase) => Some(&phase.stage),
            Self::Recover(phase) => Some(&phase.reveal.stage),
            Self::Advertise(_)
            | Self::Share(_)
            | Self::Accept(_)
            | Self::Finished(_)
            | Self::Aborted(_) => None,
        }
    }

    /// Bytes of messages and vectors that the machine holds, for accounting.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Advertise(phase) => phase.held_bytes(),
            Self::Share(phase) => phase.held_bytes(),
            Self::Accept(phase) => phase.held_bytes(),
            Self::Upload(phase) => phase.held_bytes(),
            Self::Confirm(phase) => phase.held_bytes(),
            Self::Reveal(phase) => phase.held_bytes(),
            Self::Recover(phase) => phase.held_bytes(),
            Self::Finished(phase) => phase.held_bytes(),
            Self::Aborted(_) => 0,
        }
    }
}

/// What stands once U1 is fixed.
#[derive(Debug)]
struct Session {
    context: Arc<RoundContext>,
    advertised: Bitmap,
    adverts: BTreeMap<Slot, Advert>,
    sid: Sid,
}

impl Session {
    fn held_bytes(&self) -> usize {
        self.adverts.len().saturating_mul(size_of::<Advert>())
    }
}

/// What stands once U2 is fixed.
#[derive(Debug)]
struct ShareStage {
    session: Session,
    shared: Bitmap,
    sid2: Sid2,
    /// What each dealer of U2 signed about its parts.
    dealt: BTreeMap<Slot, Dealt>,
    /// Cut edges, lower slot first.
    cuts: BTreeSet<(Slot, Slot)>,
}

impl ShareStage {
    /// A_u: the neighbours that `slot` really masked with.
    fn peers(&self, slot: Slot) -> Vec<Slot> {
        let mut peers = self.session.context.neighbours_in(slot, &self.shared);
        peers.retain(|peer| !self.cuts.contains(&edge(slot, *peer)));
        peers
    }

    fn held_bytes(&self) -> usize {
        let dealt = self.dealt.values().map(Dealt::held_bytes);
        self.session.held_bytes().saturating_add(dealt.sum())
    }
}

/// What one dealer signed about each of its parts. Receivers stand apart, so that a search reads nothing but them.
#[derive(Debug)]
struct Dealt {
    /// Ascending.
    receivers: Vec<Slot>,
    /// In the order of the receivers.
    parts: Vec<DealtPart>,
}

#[derive(Debug)]
struct DealtPart {
    root_digest: Hash,
    self_digest: Hash,
    pair_hash: Hash,
}

impl Dealt {
    fn of(parts: &[SealedShare]) -> Self {
        let digests = parts.iter().map(|part| DealtPart {
            root_digest: part.root_digest,
            self_digest: part.self_digest,
            pair_hash: part.pair_hash,
        });
        Self {
            receivers: parts.iter().map(|part| part.to).collect(),
            parts: digests.collect(),
        }
    }

    fn part(&self, to: Slot) -> Option<&DealtPart> {
        self.parts.get(self.receivers.binary_search(&to).ok()?)
    }

    fn held_bytes(&self) -> usize {
        let part = size_of::<Slot>().saturating_add(size_of::<DealtPart>());
        self.parts.len().saturating_mul(part)
    }
}

/// An edge, whichever end names it.
fn edge(one: Slot, other: Slot) -> (Slot, Slot) {
    (one.min(other), one.max(other))
}

fn wrong(message: &Message, phase: PhaseName) -> FaultKind {
    FaultKind::WrongPhase {
        got: message.body.name(),
        phase: phase.text(),
    }
}

/// Keeps a sender's first message of a phase; the same again is nothing new, another one is a fault.
// spec: [message.second]
fn keep_first<T: PartialEq>(
    kept: &mut BTreeMap<Slot, T>,
    from: Slot,
    value: T,
    name: &'static str,
) -> Result<(), FaultKind> {
    match kept.get(&from) {
        Some(first) if *first == value => Ok(()),
        Some(_) => Err(FaultKind::Second(name)),
        None => {
            kept.insert(from, value);
            Ok(())
        }
    }
}

/// Refuses a message that names another sender than the channel does.
// spec: [message.sender]
fn check_sender(from: Slot, named: Slot) -> Result<(), FaultKind> {
    if from == named {
        Ok(())
    } else {
        Err(FaultKind::OtherSlot { got: named })
    }
}

/// Refuses a message of another session.
fn check_session<T: PartialEq>(got: &'static str, found: &T, wanted: &T) -> Result<(), FaultKind> {
    if found == wanted {
        Ok(())
    } else {
        Err(FaultKind::OtherSession {
            got,
            what: "session",
        })
    }
}

/// Refuses a sender outside the set that a phase listens to.
fn check_expected(set: &Bitmap, from: Slot, phase: PhaseName) -> Result<(), FaultKind> {
    if set.contains(from) {
        Ok(())
    } else {
        Err(FaultKind::NotExpected {
            phase: phase.text(),
        })
    }
}

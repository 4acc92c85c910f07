//! Advertise: who takes part, with which fresh keys.

use crate::abort::Abort;
use crate::bitmap::Bitmap;
use crate::coordinator::{
    Coordinator, PhaseName, Session, SharePhase, check_sender, keep_first, wrong,
};
use crate::fault::FaultKind;
use crate::ids::Slot;
use crate::member::advertise::{AdvertError, advert_leaves, check_advert};
use crate::merkle;
use crate::message::{Advert, Body, Message};
use crate::session::RoundContext;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Waits for adverts.
#[derive(Debug)]
pub struct AdvertisePhase {
    context: Arc<RoundContext>,
    adverts: BTreeMap<Slot, Advert>,
}

impl AdvertisePhase {
    pub(super) fn new(context: Arc<RoundContext>) -> Self {
        Self {
            context,
            adverts: BTreeMap::new(),
        }
    }

    pub(super) fn receive(&mut self, from: Slot, message: &Message) -> Result<(), FaultKind> {
        let Body::Advert(advert) = &message.body else {
            return Err(wrong(message, PhaseName::Advertise));
        };
        if !self.context.graph.contains(from) {
            return Err(FaultKind::NotExpected {
                phase: PhaseName::Advertise.text(),
            });
        }
        check_sender(from, advert.slot)?;
        check_advert(&self.context, advert).map_err(|error| match error {
            AdvertError::Session(what) => FaultKind::OtherSession {
                got: "Advert",
                what,
            },
            AdvertError::Signature => FaultKind::Signature("Advert"),
            AdvertError::ChainEnd => FaultKind::ChainEnd {
                got: advert.chain_end.is_some(),
            },
        })?;
        keep_first(&mut self.adverts, from, advert.clone(), "Advert")
    }

    pub(super) fn message_for(&self, slot: Slot) -> Option<Message> {
        let due = self.context.graph.contains(slot) && !self.adverts.contains_key(&slot);
        due.then(|| Message::new(self.context.open()))
    }

    pub(super) fn waits_for(&self) -> Vec<Slot> {
        let all = self.context.graph.population().slots();
        all.filter(|slot| !self.adverts.contains_key(slot))
            .collect()
    }

    pub(super) fn close(self) -> Coordinator {
        let Self { context, adverts } = self;
        let advertised = Bitmap::of(context.slots(), adverts.keys().copied());
        if let Err(error) = context.check_advertised(&advertised) {
            return Coordinator::Aborted(Abort::Advertise(error));
        }
        let leaves = adverts.iter().map(|(slot, advert)| (*slot, advert.leaf()));
        let tree = merkle::Tree::new(advert_leaves(context.slots(), leaves));
        let sid = context.sid(&advertised, &tree.root());
        let session = Session {
            context,
            advertised,
            adverts,
            sid,
        };
        Coordinator::Share(Box::new(SharePhase::new(session, tree)))
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.adverts.len().saturating_mul(size_of::<Advert>())
    }
}

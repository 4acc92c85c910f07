//! Towards members: what a test says to them as their coordinator.

use super::Play;
use crate::noise::Seeds;
use veilsum_proto::ids::Slot;
use veilsum_proto::member::Reply;
use veilsum_proto::message::{
    Advert, Body, Certificate, Confirmation, Message, Reveal, ShareRequest, ShareSet, Shares,
    SignedSlot, SurvivorSet, UploadHeader, UploadStored,
};
use veilsum_proto::refusal::Refusal;

impl Play {
    /// Lets a member advertise.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn advertise(&mut self, slot: u32) -> Result<Advert, Refusal> {
        let player = self.players.get_mut(&Slot(slot)).unwrap();
        let machine = player.machine.as_mut().expect("the member has a machine");
        let before = player.rng.clone();
        let message = machine.advertise(&mut player.ledger, self.now, &mut player.rng)?;
        match message.body {
            Body::Advert(advert) => {
                player.seeds = Seeds::drawn(&self.context, Slot(slot), before);
                self.tap.advertised(&self.context, &advert);
                Ok(advert)
            }
            body => panic!("found {}, wanted Advert", body.name()),
        }
    }

    /// Says something to a member, as its coordinator.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn tell(&mut self, slot: u32, body: impl Into<Body>) -> Result<Reply, Refusal> {
        let slot = Slot(slot);
        let message = self.over_the_wire(Message::new(body));
        let player = self.players.get_mut(&slot).unwrap();
        let machine = player.machine.as_mut().expect("the member has a machine");
        let reply = machine.receive(&message, &mut player.ledger, self.now, &mut player.rng)?;
        if let (Body::ShareSet(set), Reply::Contribute) = (&message.body, &reply) {
            player.share_set = Some(set.clone());
        }
        if let Reply::Send(answer) = &reply {
            let answer = self.over_the_wire(answer.clone());
            self.overhear(slot, &message, &answer);
        }
        Ok(reply)
    }

    /// Notes what an answer gives away.
    fn overhear(&mut self, slot: Slot, asked: &Message, answer: &Message) {
        match (&asked.body, &answer.body) {
            (_, Body::Accept(accept)) => {
                self.players.get_mut(&slot).unwrap().accept = Some(accept.clone());
            }
            (Body::SurvivorSet(set), Body::Confirmation(confirmation)) => {
                self.tap.confirmed(&self.context, set, confirmation);
            }
            (_, Body::Reveal(reveal)) => self.tap.revealed(&self.context, reveal),
            (_, Body::Shares(shares)) => self.tap.shared(&self.context, shares),
            _ => {}
        }
    }

    /// Tells a member that its update is whole.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn store(&mut self, slot: u32) -> Result<Reply, Refusal> {
        let sid2 = self.players[&Slot(slot)]
            .header
            .as_ref()
            .expect("the member uploaded")
            .sid2;
        self.tell(
            slot,
            UploadStored {
                sid2,
                slot: Slot(slot),
            },
        )
    }

    /// Shows a member a Share set, lets it upload and acknowledges.
    ///
    /// # Errors
    ///
    /// Its first refusal.
    pub fn show_and_upload(&mut self, slot: u32, set: ShareSet) -> Result<UploadHeader, Refusal> {
        assert_eq!(self.tell(slot, set)?, Reply::Contribute);
        let (header, _) = self.upload(slot)?;
        self.store(slot)?;
        Ok(header)
    }

    /// Asks a member to sign.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn ask(&mut self, slot: u32, set: &SurvivorSet) -> Result<SignedSlot, Refusal> {
        match self.tell(slot, set.clone())? {
            Reply::Send(message) => match message.body {
                Body::Confirmation(Confirmation { signed, .. }) => Ok(signed),
                body => panic!("found {}, wanted Confirmation", body.name()),
            },
            reply => panic!("found {reply:?}, wanted a signature"),
        }
    }

    /// Shows a member a certificate.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn certify(
        &mut self,
        slot: u32,
        set: &SurvivorSet,
        signatures: Vec<SignedSlot>,
    ) -> Result<Reveal, Refusal> {
        let certificate = Certificate {
            set: set.clone(),
            signatures,
        };
        match self.tell(slot, certificate)? {
            Reply::Send(message) => match message.body {
                Body::Reveal(reveal) => Ok(reveal),
                body => panic!("found {}, wanted Reveal", body.name()),
            },
            reply => panic!("found {reply:?}, wanted a reveal"),
        }
    }

    /// Asks a member for shares.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn request(&mut self, slot: u32, request: &ShareRequest) -> Result<Shares, Refusal> {
        match self.tell(slot, request.clone())? {
            Reply::Send(message) => match message.body {
                Body::Shares(shares) => Ok(shares),
                body => panic!("found {}, wanted Shares", body.name()),
            },
            reply => panic!("found {reply:?}, wanted shares"),
        }
    }

    /// The signature of a corrupt member under whatever the coordinator likes.
    ///
    /// # Panics
    ///
    /// When the slot is honest: its key is not the coordinator's to use.
    pub fn forged_signature(&self, slot: u32, set: &SurvivorSet) -> SignedSlot {
        let slot = Slot(slot);
        assert!(self.tap.is_corrupt(slot), "slot {slot} is honest");
        SignedSlot {
            slot,
            signature: set.sign(&self.players[&slot].identity),
        }
    }
}

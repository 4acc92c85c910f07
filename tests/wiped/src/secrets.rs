//! Every secret of a round by its bytes, worked out from the draws of its members and the messages between them, by the labels of
//! `spec/crypto.md` and without the machines.

use crate::round::{Player, Round, Transcript};
use crate::script::{Again, Draw};
use crate::watch::{Kind, Known};
use hkdf::Hkdf;
use sha2::Sha256;
use veilsum_math::sharing::Secret;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Sid, Sid2, Slot};
use veilsum_proto::keys::{RootSeed, SealKey};
use veilsum_proto::label::Label;
use veilsum_proto::session::RoundContext;
use x25519_dalek::{PublicKey, StaticSecret};

/// Plays a round of so many members to its end and tells its secrets.
///
/// # Panics
///
/// The round does not come to its end, or draws what no round draws.
pub fn secrets_of(members: u32) -> Vec<Known> {
    let mut round = Round::new(members, true);
    round.run_to(PhaseName::Confirm);
    let (Some(sid), Some(sid2)) = (round.coordinator.sid(), round.coordinator.sid2()) else {
        panic!("the round has no sessions");
    };
    let Some(transcript) = round.transcript.take() else {
        panic!("the round was not recorded");
    };
    let mut secrets = Secrets {
        context: &round.context,
        transcript: &transcript,
        sid,
        sid2,
        known: Vec::new(),
    };
    for (slot, player) in &round.players {
        secrets.of_member(*slot, player);
    }
    let mut known = secrets.known;
    known.extend(transcript.contributions);
    known
}

struct Secrets<'a> {
    context: &'a RoundContext,
    transcript: &'a Transcript,
    sid: &'a Sid,
    sid2: &'a Sid2,
    known: Vec<Known>,
}

impl Secrets<'_> {
    fn of_member(&mut self, slot: Slot, player: &Player) {
        // Checklist 3 and 6: the order in which a member draws.
        let [seal, root, own, base, chain, polynomials @ ..] = player.draws() else {
            panic!("slot {slot} drew {} times", player.draws().len());
        };
        let (root, own) = (element(root), element(own));
        let RoundContext {
            task_digest,
            round,
            attempt,
            ..
        } = self.context;
        let parts: [&[u8]; 4] = [
            task_digest.as_bytes(),
            &round.0.to_be_bytes(),
            &attempt.0.to_be_bytes(),
            &slot.0.to_be_bytes(),
        ];
        self.add("seal key", bytes(seal));
        self.add("root seed", *root.expose_bytes());
        self.add(
            "mask key",
            derived(&root.expose_bytes(), Label::MaskKey, &parts),
        );
        self.add("self seed", *own.expose_bytes());
        let mask_parts: [&[u8]; 2] = [self.sid2.as_bytes(), &slot.0.to_be_bytes()];
        self.add(
            "self mask",
            derived(&own.expose_bytes(), Label::SelfMask, &mask_parts),
        );
        self.add("noise base", bytes(base));
        self.add("noise chain", bytes(chain));
        for coefficient in polynomials {
            self.add("polynomial", *element(coefficient).expose_bytes());
        }
        let root = RootSeed::from_secret(root, task_digest, *round, *attempt, slot);
        for other in self
            .transcript
            .adverts
            .keys()
            .filter(|other| **other != slot)
        {
            self.of_edge(slot, *other, seal, &root);
        }
    }

    /// What `own` has of its edge to `other`, and what `other` dealt to it.
    fn of_edge(&mut self, own: Slot, other: Slot, seal: &Draw, root: &RootSeed) {
        let advert = &self.transcript.adverts[&other];
        let secret = StaticSecret::from(bytes(seal));
        let agreed = secret.diffie_hellman(&PublicKey::from(advert.seal_key));
        self.add("agreed secret", agreed.to_bytes());
        for (from, to) in [(own, other), (other, own)] {
            let parts: [&[u8]; 3] = [
                self.sid.as_bytes(),
                &from.0.to_be_bytes(),
                &to.0.to_be_bytes(),
            ];
            self.add(
                "sealing key",
                derived(agreed.as_bytes(), Label::ShareSeal, &parts),
            );
        }
        let Ok(pair) = root.pair_seed(self.sid, own, other, &advert.mask_key) else {
            panic!("the key of slot {other} does not contribute");
        };
        let pair = *pair.to_revealed().expose();
        self.add("pair seed", pair);
        let (low, high) = (
            own.min(other).0.to_be_bytes(),
            own.max(other).0.to_be_bytes(),
        );
        let parts: [&[u8]; 3] = [self.sid2.as_bytes(), &low, &high];
        self.add("pair mask", derived(&pair, Label::PairMask, &parts));

        let seal = SealKey::random(&mut Again(seal));
        let Ok(opener) = seal.agree(self.sid, own, other, &advert.seal_key) else {
            panic!("the key of slot {other} does not contribute");
        };
        let parts = self.transcript.sealed[&other].parts.iter();
        let held = parts.into_iter().find(|part| part.to == own);
        let Some(Ok(held)) = held.map(|part| opener.open(part)) else {
            panic!("slot {own} cannot open the share of slot {other}");
        };
        self.add("share of a root seed", *held.root.expose_bytes());
        self.add("share of a self seed", *held.self_seed.expose_bytes());
    }

    fn add(&mut self, kind: Kind, bytes: [u8; 32]) {
        self.known.push(Known { kind, bytes });
    }
}

fn derived(secret: &[u8; 32], label: Label, parts: &[&[u8]]) -> [u8; 32] {
    let mut key = [0; 32];
    let done = Hkdf::<Sha256>::new(None, secret).expand(&label.prefix(parts), &mut key);
    assert!(done.is_ok(), "32 bytes are a length that HKDF gives");
    key
}

/// A draw of 64 bytes, reduced.
fn element(draw: &Draw) -> Secret {
    assert_eq!(draw.len(), 64);
    Secret::random(&mut Again(draw))
}

fn bytes(draw: &Draw) -> [u8; 32] {
    match draw.as_slice().try_into() {
        Ok(bytes) => bytes,
        Err(_) => panic!("found a draw of {} bytes, wanted 32", draw.len()),
    }
}

//! What the coordinator's machine takes, blames and computes, against members that are honest but for the line under test.

use super::*;
use crate::abort::Abort;
use crate::ids::Attempt;
use crate::keys::{RootSeed, SelfSeed};
use crate::member::Reply;
use crate::member::tests::{Attempted, House, MEMBERS, contribution, ready};
use crate::message::{Body, Confirmation, Reveal, SignedSlot, UploadHeader};
use crate::session::{SetError, survivors_digest};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use veilsum_math::sharing::{Lagrange, Point, Secret, split};

/// Up to Confirm, with the masked updates of `uploading`; the inputs are the slots.
fn confirm(house: &mut House, uploading: &[u32]) -> Attempted {
    let mut round = house.attempt(0);
    ready(house, &mut round);
    for slot in uploading {
        house.upload(&mut round, *slot).unwrap();
    }
    round.close();
    round
}

/// What slot `slot` answers to what is due to it.
fn answer(house: &mut House, round: &mut Attempted, slot: u32) -> Message {
    let due = round.due(slot);
    match house.give(round, slot, &due) {
        Ok(Reply::Send(message)) => message,
        other => panic!("slot {slot} answers {other:?}"),
    }
}

/// Takes a message of `slot`.
fn take(round: &mut Attempted, slot: u32, message: &Message) -> Result<(), FaultKind> {
    let coordinator = round.coordinator.as_mut().unwrap();
    let outcome = coordinator.receive(Slot(slot), message);
    outcome.map_err(|fault| {
        assert_eq!(fault.slot, Slot(slot), "only the sender is blamed");
        fault.kind
    })
}

fn finished(round: &Attempted) -> &Finished {
    match round.coordinator.as_ref().unwrap() {
        Coordinator::Finished(finished) => finished,
        other => panic!("{} instead of a sum", other.phase()),
    }
}

// spec: [finish.unmask] [receipt.signature] [recover.rebuild] [recover.targets]
#[test]
fn the_sum_is_exact_when_a_survivor_goes_silent() {
    let mut house = House::new();
    let mut round = confirm(&mut house, &[0, 1, 2, 3]);
    house.trip(&mut round);
    round.close();
    // Slot 3 says nothing any more: three holders rebuild its self seed.
    for slot in 0..3 {
        let reveal = answer(&mut house, &mut round, slot);
        take(&mut round, slot, &reveal).unwrap();
    }
    round.close();
    assert_eq!(
        round.coordinator.as_ref().unwrap().phase(),
        PhaseName::Recover
    );
    for slot in 0..3 {
        let shares = answer(&mut house, &mut round, slot);
        take(&mut round, slot, &shares).unwrap();
    }
    round.close();
    let finished = finished(&round);
    assert_eq!(finished.integers().values(), [1 + 2 + 3; 3]);
    let receipt = finished.receipt(&house.coordinator);
    let key = house.roster.coordinator();
    let signed = key.verify(
        crate::label::Label::SignReceipt,
        &[&receipt.content()],
        &receipt.signature,
    );
    assert_eq!(signed, Ok(()));
    assert_eq!(receipt.sum, finished.sum().digest());
}

// spec: [finish.unmask] [reveal.verify]
#[test]
fn the_sum_without_a_dropped_member_is_exact() {
    let mut house = House::new();
    let mut round = confirm(&mut house, &[1, 2, 3]);
    for _ in 0..2 {
        house.trip(&mut round);
        round.close();
    }
    assert_eq!(finished(&round).integers().values(), [1 + 2 + 3; 3]);
}

// spec: [recover.rebuild] [recover.verify]
#[test]
fn with_a_share_too_few_the_round_ends_and_names_what_is_missing() {
    let mut house = House::new();
    let mut round = confirm(&mut house, &[0, 1, 2, 3]);
    house.trip(&mut round);
    round.close();
    for slot in 0..3 {
        let reveal = answer(&mut house, &mut round, slot);
        take(&mut round, slot, &reveal).unwrap();
    }
    round.close();
    for slot in 0..2 {
        let shares = answer(&mut house, &mut round, slot);
        take(&mut round, slot, &shares).unwrap();
    }
    round.close();
    assert!(matches!(
        round.coordinator,
        Some(Coordinator::Aborted(Abort::MissingShares {
            slot: Slot(3),
            secret: "self",
            got: 2,
            want: 3,
        }))
    ));
}

// spec: [message.sender] [message.fault]
#[test]
fn a_message_in_the_name_of_another_slot_is_its_senders_fault() {
    let mut house = House::new();
    let mut round = confirm(&mut house, &[0, 1, 2]);
    let confirmation = answer(&mut house, &mut round, 0);
    assert_eq!(
        take(&mut round, 1, &confirmation),
        Err(FaultKind::OtherSlot { got: Slot(0) })
    );
    assert!(matches!(
        take(&mut round, 3, &confirmation),
        Err(FaultKind::NotExpected { .. })
    ));
    assert!(matches!(
        take(&mut round, 99, &confirmation),
        Err(FaultKind::NotExpected { .. })
    ));
    assert_eq!(take(&mut round, 0, &confirmation), Ok(()));
}

// spec: [message.second]
#[test]
fn the_same_message_again_is_nothing_new_and_another_one_is_a_fault() {
    let mut house = House::new();
    let mut round = house.attempt(0);
    let shares = answer(&mut house, &mut round, 0);
    for _ in 0..3 {
        assert_eq!(take(&mut round, 0, &shares), Ok(()));
    }
    let Body::SealedShares(mut other) = shares.body else {
        panic!("no sealed shares");
    };
    other.parts.pop();
    let root = crate::member::share::parts_root(
        &round.context,
        &other.sid,
        Slot(0),
        &Bitmap::of(MEMBERS, (0..MEMBERS).map(Slot)),
        &other.parts,
    );
    other.signature = crate::message::sign_shares(&house.identities[0], &other.sid, Slot(0), &root);
    assert_eq!(
        take(&mut round, 0, &Message::new(other)),
        Err(FaultKind::Second("SealedShares"))
    );
}

// spec: [message.fault]
#[test]
fn no_message_ends_a_round() {
    let mut house = House::new();
    let mut round = confirm(&mut house, &[0, 1, 2]);
    let sid2 = Sid2([7; 32]);
    let nonsense = [
        Message::new(Confirmation {
            sid2,
            signed: SignedSlot {
                slot: Slot(0),
                signature: crate::message::UNSIGNED,
            },
        }),
        Message::new(Reveal {
            sid2,
            slot: Slot(0),
            self_seed: crate::message::RevealedSeed::new(&[0xff; 32]),
            pair_seeds: Vec::new(),
            chain_value: None,
        }),
        round.due(1),
    ];
    for message in nonsense {
        assert!(take(&mut round, 0, &message).is_err());
    }
    assert_eq!(
        round.coordinator.as_ref().unwrap().phase(),
        PhaseName::Confirm
    );
}

// spec: [confirm.quorum]
#[test]
fn one_signature_below_the_quorum_ends_the_round_for_good() {
    let mut house = House::new();
    let mut round = confirm(&mut house, &[0, 1, 2, 3]);
    for slot in 0..2 {
        let confirmation = answer(&mut house, &mut round, slot);
        take(&mut round, slot, &confirmation).unwrap();
    }
    round.close();
    let Some(Coordinator::Aborted(abort)) = round.coordinator else {
        panic!("a certificate of two");
    };
    assert_eq!(abort, Abort::BelowQuorum { got: 2, want: 3 });
    assert!(!abort.may_retry());
}

// spec: [upload.signed-header] [upload.whole] [upload.once] [upload.fix]
#[test]
fn a_masked_update_counts_once_after_its_signed_header_and_not_after_the_phase() {
    let mut house = House::new();
    let mut round = house.attempt(0);
    ready(&mut house, &mut round);
    let (header, masked) = {
        let contribution = contribution(&round.context, 1);
        let ledger = &mut house.ledgers[1];
        let digest = crate::ids::UpdateDigest([1; 32]);
        round.members[1]
            .upload(contribution, digest, ledger)
            .unwrap()
    };
    let vector = |round: &mut Attempted| {
        let coordinator = round.coordinator.as_mut().unwrap();
        let outcome = coordinator.receive_update(Slot(1), &masked);
        outcome.map_err(|fault| fault.kind)
    };
    assert_eq!(vector(&mut round), Err(FaultKind::NoHeader));
    let Body::UploadHeader(good) = header.body.clone() else {
        panic!("no header");
    };
    let unsigned = UploadHeader {
        signature: crate::message::UNSIGNED,
        ..good.clone()
    };
    let long = UploadHeader {
        limbs: good.limbs + 1,
        ..good.clone()
    };
    assert_eq!(
        take(&mut round, 1, &Message::new(unsigned)),
        Err(FaultKind::Signature("UploadHeader"))
    );
    assert!(matches!(
        take(
            &mut round,
            1,
            &Message::new(long.signed(&house.identities[1]))
        ),
        Err(FaultKind::WrongLength { .. })
    ));
    take(&mut round, 1, &header).unwrap();
    assert!(vector(&mut round).is_ok());
    assert_eq!(vector(&mut round), Err(FaultKind::Second("masked update")));
    for slot in [2, 3] {
        house.upload(&mut round, slot).unwrap();
    }
    round.close();
    assert!(matches!(
        vector(&mut round),
        Err(FaultKind::WrongPhase { .. })
    ));
}

// spec: [confirm.noise]
#[test]
fn more_missing_slots_than_the_noise_reckons_with_are_refused() {
    let mut house = House::new();
    let round = house.attempt(0);
    let mut context = RoundContext::new(
        round.context.task.clone(),
        house.roster.clone(),
        round.context.round,
        Attempt(0),
        round.context.base_model,
        round.context.deadlines,
    )
    .unwrap();
    let all = Bitmap::of(MEMBERS, (0..4).map(Slot));
    let three = Bitmap::of(MEMBERS, (0..3).map(Slot));
    assert_eq!(context.check_survivors(&three, &all), Ok(()));
    context.parameters.tolerated = Some(0);
    assert_eq!(
        context.check_survivors(&three, &all),
        Err(SetError::TooManyMissing {
            missing: 1,
            tolerated: 0
        })
    );
    assert_eq!(context.check_survivors(&all, &all), Ok(()));
}

// spec: [share.threshold]
#[test]
fn secrets_are_shared_among_all_neighbours_with_the_threshold_of_the_parameters() {
    let mut house = House::new();
    let round = house.attempt(0);
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let (task, slot) = (round.context.task_digest, Slot(0));
    let root = RootSeed::random(&task, round.context.round, Attempt(0), slot, &mut rng);
    let points = round.context.graph.neighbours(slot);
    let points = points.iter().map(|slot| Point::of_slot(slot.0));
    let points = points.collect::<Vec<_>>();
    let threshold = round.context.parameters.t as usize;
    assert_eq!((points.len(), threshold), (3, 3));
    assert!(!points.contains(&Point::of_slot(0)), "no share of its own");
    let shares = split(root.secret(), threshold, &points, &mut rng).unwrap();
    let rebuilt = Lagrange::at_zero(&points)
        .unwrap()
        .combine(&shares.iter().collect::<Vec<_>>())
        .unwrap();
    let again = RootSeed::from_secret(rebuilt, &task, round.context.round, Attempt(0), slot);
    assert_eq!(again.mask_public(), root.mask_public());
}

// spec: [reveal.verify] [session.survivors]
#[test]
fn a_self_seed_other_than_the_committed_one_is_blamed_and_does_not_count() {
    let mut house = House::new();
    let mut round = confirm(&mut house, &[0, 1, 2, 3]);
    house.trip(&mut round);
    round.close();
    let reveal = answer(&mut house, &mut round, 0);
    let Body::Reveal(good) = &reveal.body else {
        panic!("no reveal");
    };
    let other = SelfSeed::from_secret(Secret::random(&mut ChaCha20Rng::seed_from_u64(8)));
    for seed in [*other.secret().expose_bytes(), [0xff; 32]] {
        let mut lie = good.clone();
        lie.self_seed = crate::message::RevealedSeed::new(&seed);
        assert_eq!(
            take(&mut round, 0, &Message::new(lie)),
            Err(FaultKind::SelfSeed)
        );
    }
    take(&mut round, 0, &reveal).unwrap();
    let set = Bitmap::of(MEMBERS, (0..4).map(Slot));
    let recorded = survivors_digest(&good.sid2, &set);
    let state = crate::ledger::Ledger::state(&house.ledgers[0]).unwrap();
    let context = &round.context;
    assert_eq!(
        state.certified(&context.task_digest, context.round),
        Some((good.sid2, recorded))
    );
}

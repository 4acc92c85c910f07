//! Bad input of members: each is one member's fault by name, only the sender pays, and the round goes on to the exact sum.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use veilsum_math::Blocks;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::fault::FaultKind;
use veilsum_proto::ids::{Attempt, Hash, RosterDigest, Round, Sid, Sid2, Slot, TaskDigest};
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::message::{
    Accept, Advert, Body, Caps, Confirmation, Cut, CutReason, Message, PairSeedReveal, Reveal,
    RevealedSeed, SealedShares, ShareAnswer, Shares, UploadHeader,
};
use veilsum_tests::{Dealing, Play, Setup, resigned};

/// Seven members, one of which may be corrupt and two absent; the liar is member 6.
const LIAR: u32 = 6;

fn play_to(phase: PhaseName) -> Play {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[LIAR]);
    play.run_to(phase);
    play
}

/// What the liar would honestly answer, as a value of its type.
macro_rules! honest {
    ($play:expr, $kind:ident) => {
        match $play.answer(LIAR) {
            Some(Body::$kind(body)) => body,
            other => panic!("found {:?}", other.map(|body| body.name())),
        }
    };
}

/// The rest of the round without the liar from here on: everybody else is in the exact sum.
fn goes_on_without(mut play: Play) {
    play.silent.insert(Slot(LIAR));
    play.assert_exact(0..LIAR);
}

/// The rest of the round with the liar's honest message after its lie.
fn goes_on_with(mut play: Play, honest: impl Into<Body>) {
    play.say(LIAR, honest).unwrap();
    play.assert_exact(0..=LIAR);
}

fn signed_by_liar(play: &Play, advert: Advert) -> Advert {
    advert.signed(&play.players[&Slot(LIAR)].identity)
}

// --- any phase

// spec: [wire.cap] [wire.leftover] [wire.version]
#[test]
fn bytes_that_are_no_message_are_the_senders_fault() {
    let play = play_to(PhaseName::Share);
    let caps = Caps::new(7, 6);
    for bytes in [
        &[][..],
        &[0, 1, 0, 1, 99],
        &[0, 2, 0, 1, 2],
        &[0, 1, 0, 9, 2],
    ] {
        let invalid = Message::decode(bytes, &caps).unwrap_err();
        let fault = FaultKind::from(invalid).of(Slot(LIAR));
        assert!(
            ["malformed", "version", "suite", "too_long"].contains(&fault.kind.name()),
            "{fault}"
        );
    }
    goes_on_without(play);
}

// spec: [message.fault]
#[test]
fn a_message_of_another_phase_is_a_fault_in_every_phase() {
    use PhaseName::*;
    let mut of_phase = Vec::new();
    let mut source = Play::new(&Setup::new(7, 1, 2), &[LIAR]);
    for phase in [Advertise, Share, Accept, Upload, Confirm, Reveal] {
        source.run_to(phase);
        let body = match phase {
            Upload => {
                let due = source.due(LIAR).unwrap();
                source.tell(LIAR, due).unwrap();
                Body::from(source.upload(LIAR).unwrap().0)
            }
            _ => source.answer(LIAR).unwrap(),
        };
        of_phase.push((phase, body));
        source = play_to(phase);
    }
    for (phase, own) in &of_phase {
        let mut play = play_to(*phase);
        for (_, body) in of_phase.iter().filter(|(other, _)| other != phase) {
            let wrong = FaultKind::WrongPhase {
                got: body.name(),
                phase: phase.text(),
            };
            assert_eq!(play.blamed(LIAR, body.clone()), wrong);
        }
        // What only the coordinator says belongs nowhere.
        let open = play.context.open();
        assert_eq!(play.blamed(LIAR, open).name(), "wrong_phase");
        assert_ne!(own.name(), "Open");
        goes_on_with_everybody(play);
    }
}

fn goes_on_with_everybody(mut play: Play) {
    play.assert_exact(0..=LIAR);
}

// spec: [message.fault]
#[test]
fn nothing_is_taken_after_the_end() {
    let mut play = play_to(PhaseName::Reveal);
    let reveal = honest!(play, Reveal);
    play.assert_exact(0..=LIAR);
    let wrong = |phase| FaultKind::WrongPhase {
        got: "Reveal",
        phase,
    };
    assert_eq!(play.blamed(LIAR, reveal.clone()), wrong("finished"));
    let mut play = Play::new(&Setup::new(7, 1, 2), &[]);
    play.close();
    assert_eq!(play.blamed(LIAR, reveal), wrong("aborted"));
}

// spec: [message.sender]
#[test]
fn a_message_in_somebody_elses_name_blames_who_sent_it() {
    let mut play = play_to(PhaseName::Advertise);
    let other = play.advertise(0).unwrap();
    assert_eq!(
        play.blamed(LIAR, other.clone()),
        FaultKind::OtherSlot { got: Slot(0) }
    );
    play.say(0, other).unwrap();
    for slot in 1..=LIAR {
        play.act(slot);
    }
    play.close();
    goes_on_with_everybody(play);
}

// spec: [message.sender]
#[test]
fn a_stranger_and_a_member_that_dropped_out_earlier_are_not_listened_to() {
    let mut play = play_to(PhaseName::Advertise);
    let advert = play.advertise(LIAR).unwrap();
    let not_expected = |phase| FaultKind::NotExpected { phase };
    assert_eq!(play.blamed(7, advert.clone()), not_expected("advertise"));
    assert_eq!(play.blamed(u32::MAX, advert), not_expected("advertise"));

    let mut play = Play::new(&Setup::new(7, 1, 2), &[LIAR]);
    let mut forger = play.forge(LIAR);
    play.run_to(PhaseName::Share);
    let parts = forger.parts(&play.due_adverts(LIAR), Dealing::Right);
    let sealed = forger.sealed(parts);
    let accept = forger.accept(Vec::new());
    play.act_all();
    play.close();
    // It did not share: its accept is nobody's.
    assert_eq!(play.blamed(LIAR, accept), not_expected("accept"));
    assert_eq!(play.blamed(LIAR, sealed).name(), "wrong_phase");
    play.run_to(PhaseName::Upload);
    let sid2 = {
        let due = play.due(0).unwrap();
        play.tell(0, due).unwrap();
        play.sid2()
    };
    let (contribution, _) = play.contribution(play.row(LIAR));
    let (header, update) = forger.upload(&sid2, &[], contribution);
    assert_eq!(play.blamed(LIAR, header), not_expected("upload"));
    assert_eq!(
        play.send_update(LIAR, &update).unwrap_err().kind,
        FaultKind::NoHeader
    );
    play.run_to(PhaseName::Reveal);
    assert_eq!(
        play.blamed(LIAR, forger.reveal(&sid2, &[])),
        not_expected("reveal")
    );
    goes_on_without(play);
}

// --- Advertise

// spec: [advert.session] [advert.signature]
#[test]
fn an_advert_for_another_task_roster_round_or_attempt_is_a_fault() {
    type Lie = fn(&mut Advert);
    let lies: [(&str, Lie); 4] = [
        ("task", |advert| advert.task = TaskDigest([1; 32])),
        ("roster", |advert| advert.roster = RosterDigest([1; 32])),
        ("round", |advert| advert.round = Round(2)),
        ("attempt", |advert| advert.attempt = Attempt(1)),
    ];
    let mut play = play_to(PhaseName::Advertise);
    let right = play.advertise(LIAR).unwrap();
    for (what, lie) in lies {
        let mut advert = right.clone();
        lie(&mut advert);
        let advert = signed_by_liar(&play, advert);
        assert_eq!(
            play.blamed(LIAR, advert),
            FaultKind::OtherSession {
                got: "Advert",
                what
            }
        );
    }
    play.players.get_mut(&Slot(LIAR)).unwrap().machine = None;
    play.act_all();
    play.close();
    goes_on_without(play);
}

// spec: [advert.signature]
#[test]
fn an_advert_without_a_valid_signature_is_a_fault() {
    let mut play = play_to(PhaseName::Advertise);
    let right = play.advertise(LIAR).unwrap();
    let mut flipped = right.clone();
    flipped.signature.0[0] ^= 1;
    let mut changed = right.clone();
    changed.mask_key[0] ^= 1;
    let other = right.clone().signed(&play.players[&Slot(0)].identity);
    for advert in [flipped, changed, other] {
        assert_eq!(play.blamed(LIAR, advert), FaultKind::Signature("Advert"));
    }
    let mut chained = right.clone();
    chained.chain_end = Some(Hash([1; 32]));
    let chained = signed_by_liar(&play, chained);
    assert_eq!(
        play.blamed(LIAR, chained),
        FaultKind::ChainEnd { got: true }
    );
    play.players.get_mut(&Slot(LIAR)).unwrap().machine = None;
    play.act_all();
    play.close();
    goes_on_without(play);
}

// spec: [message.second]
#[test]
fn a_second_advert_is_a_fault_and_the_first_again_is_nothing() {
    let mut play = play_to(PhaseName::Advertise);
    let mut forger = play.forge(LIAR);
    let first = forger.advert.clone();
    forger.advert.commitment.0[0] ^= 1;
    forger.sign_advert();
    assert_eq!(
        play.blamed(LIAR, forger.advert.clone()),
        FaultKind::Second("Advert")
    );
    play.say(LIAR, first).unwrap();
    play.act_all();
    play.close();
    goes_on_without(play);
}

fn low_order_keys() -> Vec<[u8; 32]> {
    let text = include_str!("../data/x25519-low-order.json");
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let keys = rows.iter().map(|row| {
        let mut key = [0; 32];
        hex::decode_to_slice(row["public"].as_str().unwrap(), &mut key).unwrap();
        key
    });
    keys.collect()
}

// spec: [key.contributory] [share.cut-key] [share.exclude]
#[test]
fn a_member_with_a_low_order_key_is_cut_by_all_and_excluded() {
    let keys = low_order_keys();
    assert!(keys.len() >= 12);
    for key in keys {
        for seal in [false, true] {
            let mut play = Play::new(&Setup::new(7, 1, 2), &[LIAR]);
            let mut forger = play.forge_silently(LIAR);
            if seal {
                forger.advert.seal_key = key;
            } else {
                forger.advert.mask_key = key;
            }
            forger.sign_advert();
            play.say(LIAR, forger.advert.clone()).unwrap();
            excluded_for_its_keys(play, forger);
        }
    }
}

// spec: [advert.key] [share.cut-key]
#[test]
fn a_member_with_a_copy_of_somebodys_key_is_cut_by_its_owner_only() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[LIAR]);
    let owner = play.advertise(0).unwrap();
    play.say(0, owner.clone()).unwrap();
    let mut forger = play.forge_silently(LIAR);
    forger.advert.mask_key = owner.mask_key;
    forger.sign_advert();
    play.say(LIAR, forger.advert.clone()).unwrap();
    for slot in 1..LIAR {
        play.act(slot);
    }
    play.close();
    play.run_to(PhaseName::Share);
    play.act_all();
    play.run_to(PhaseName::Accept);
    play.act_all();
    // It did not share, so only the key in its advert speaks against it.
    let cuts = |slot: u32| {
        play.players[&Slot(slot)]
            .accept
            .as_ref()
            .unwrap()
            .cuts
            .clone()
    };
    assert_eq!(
        cuts(0),
        [Cut {
            slot: Slot(LIAR),
            reason: CutReason::Key
        }]
    );
    assert_eq!(cuts(1), []);
    goes_on_without(play);
}

fn excluded_for_its_keys(mut play: Play, mut forger: veilsum_tests::Forger) {
    play.run_to(PhaseName::Share);
    let parts = forger.parts(&play.due_adverts(LIAR), Dealing::Right);
    play.say(LIAR, forger.sealed(parts)).unwrap();
    play.run_to(PhaseName::Accept);
    play.say(LIAR, forger.accept(Vec::new())).unwrap();
    play.run_to(PhaseName::Upload);
    let key = Cut {
        slot: Slot(LIAR),
        reason: CutReason::Key,
    };
    for slot in 0..LIAR {
        assert_eq!(
            play.players[&Slot(slot)].accept.as_ref().unwrap().cuts,
            [key]
        );
    }
    let too_many = FaultKind::TooManyCuts { got: 6, want: 1 };
    assert_eq!(play.faults, [too_many.of(Slot(LIAR))]);
    goes_on_without(play);
}

// --- Share

// spec: [share.relay] [share.parts]
#[test]
fn sealed_shares_with_a_bad_signature_session_or_receiver_are_a_fault() {
    let mut play = play_to(PhaseName::Share);
    let right = honest!(play, SealedShares);
    let mut flipped = right.clone();
    flipped.signature.0[5] ^= 1;
    assert_eq!(
        play.blamed(LIAR, flipped),
        FaultKind::Signature("SealedShares")
    );
    let mut changed = right.clone();
    changed.parts[2].ciphertext[0] ^= 1;
    assert_eq!(
        play.blamed(LIAR, changed),
        FaultKind::Signature("SealedShares")
    );
    let mut session = right.clone();
    session.sid = Sid([1; 32]);
    let other = FaultKind::OtherSession {
        got: "SealedShares",
        what: "session",
    };
    assert_eq!(play.blamed(LIAR, session), other);
    let mut order = right.clone();
    order.parts.swap(0, 1);
    assert_eq!(play.blamed(LIAR, order), FaultKind::Part(Slot(0)));
    for stranger in [LIAR, 7] {
        let mut to = right.clone();
        to.parts[5].to = Slot(stranger);
        assert_eq!(play.blamed(LIAR, to), FaultKind::Part(Slot(stranger)));
    }
    goes_on_with(play, right);
}

// spec: [share.relay] [message.second]
#[test]
fn second_sealed_shares_are_a_fault_and_the_first_again_are_nothing() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[LIAR]);
    let mut forger = play.forge(LIAR);
    play.run_to(PhaseName::Share);
    let parts = forger.parts(&play.due_adverts(LIAR), Dealing::Right);
    let first: SealedShares = forger.sealed(parts.clone());
    play.say(LIAR, first.clone()).unwrap();
    play.say(LIAR, first).unwrap();
    let second = forger.sealed(parts[1..].to_vec());
    assert_eq!(play.blamed(LIAR, second), FaultKind::Second("SealedShares"));
    goes_on_without(play);
}

// spec: [share.cut-pair] [share.cut-share] [share.exclude]
#[test]
fn a_dealer_of_shares_that_do_not_open_or_lack_is_cut_and_excluded_when_it_does_so_widely() {
    for wrong in 1..=6 {
        for lacking in [false, true] {
            let mut play = Play::new(&Setup::new(7, 1, 2), &[LIAR]);
            let mut forger = play.forge(LIAR);
            play.run_to(PhaseName::Share);
            let mut parts = forger.parts(&play.due_adverts(LIAR), Dealing::Right);
            if lacking {
                parts.drain(..wrong);
            } else {
                parts[..wrong]
                    .iter_mut()
                    .for_each(|part| part.ciphertext[70] ^= 1);
            }
            play.say(LIAR, forger.sealed(parts)).unwrap();
            play.run_to(PhaseName::Accept);
            play.say(LIAR, forger.accept(Vec::new())).unwrap();
            play.run_to(PhaseName::Upload);
            if wrong > 1 {
                let too_many = FaultKind::TooManyCuts {
                    got: wrong,
                    want: 1,
                };
                assert_eq!(play.faults, [too_many.of(Slot(LIAR))]);
                goes_on_without(play);
                continue;
            }
            // One cut edge: it stays, without that mask at either end.
            assert_eq!(play.faults, []);
            play.act_all();
            play.upload_as(&forger, &[1, 2, 3, 4, 5]);
            play.run_to(PhaseName::Reveal);
            let sid2 = play.sid2();
            play.say(LIAR, forger.reveal(&sid2, &[])).unwrap();
            goes_on_with_everybody(play);
        }
    }
}

// spec: [accept.signature] [accept.cuts]
#[test]
fn an_accept_with_a_bad_signature_session_or_cut_is_a_fault() {
    let mut play = play_to(PhaseName::Accept);
    let right = honest!(play, Accept);
    let identity = play.players[&Slot(LIAR)].identity.clone();
    let key = |slot| Cut {
        slot: Slot(slot),
        reason: CutReason::Key,
    };
    let flipped = Accept {
        cuts: vec![key(0)],
        ..right.clone()
    };
    assert_eq!(play.blamed(LIAR, flipped), FaultKind::Signature("Accept"));
    let session = Accept {
        sid: Sid([1; 32]),
        ..right.clone()
    }
    .signed(&identity);
    let other = FaultKind::OtherSession {
        got: "Accept",
        what: "session",
    };
    assert_eq!(play.blamed(LIAR, session), other);
    for (cuts, blamed) in [
        (vec![key(LIAR)], LIAR),
        (vec![key(7)], 7),
        (vec![key(2), key(1)], 1),
        (vec![key(2), key(2)], 2),
    ] {
        let accept = resigned(&right, cuts, &identity);
        assert_eq!(play.blamed(LIAR, accept), FaultKind::Cut(Slot(blamed)));
    }
    play.say(LIAR, right.clone()).unwrap();
    let second = resigned(&right, vec![key(0)], &identity);
    assert_eq!(play.blamed(LIAR, second), FaultKind::Second("Accept"));
    goes_on_with(play, right);
}

// --- Upload

fn honest_upload(play: &mut Play) -> (UploadHeader, MaskedUpdate) {
    let due = play.due(LIAR).unwrap();
    play.tell(LIAR, due).unwrap();
    play.upload(LIAR).unwrap()
}

// spec: [upload.header] [upload.whole] [upload.signed-header]
#[test]
fn a_header_of_another_length_session_or_signature_is_a_fault() {
    let mut play = play_to(PhaseName::Upload);
    let (right, update) = honest_upload(&mut play);
    let identity = play.players[&Slot(LIAR)].identity.clone();
    let want = right.limbs;
    for got in [0, want - 1, want + 1, u64::MAX] {
        let header = UploadHeader {
            limbs: got,
            ..right.clone()
        }
        .signed(&identity);
        assert_eq!(
            play.blamed(LIAR, header),
            FaultKind::WrongLength { got, want }
        );
    }
    let other = FaultKind::OtherSession {
        got: "UploadHeader",
        what: "session",
    };
    let header = UploadHeader {
        sid2: Sid2([1; 32]),
        ..right.clone()
    }
    .signed(&identity);
    assert_eq!(play.blamed(LIAR, header), other);
    let header = UploadHeader {
        sid: Sid([1; 32]),
        ..right.clone()
    }
    .signed(&identity);
    assert_eq!(play.blamed(LIAR, header), other);
    let header = right.clone().signed(&play.players[&Slot(0)].identity);
    assert_eq!(
        play.blamed(LIAR, header),
        FaultKind::Signature("UploadHeader")
    );
    assert_eq!(
        play.send_update(LIAR, &update).unwrap_err().kind,
        FaultKind::NoHeader
    );
    play.say(LIAR, right.clone()).unwrap();
    play.say(LIAR, right).unwrap();
    let stored = play.send_update(LIAR, &update).unwrap();
    play.tell(LIAR, stored).unwrap();
    goes_on_with_everybody(play);
}

// spec: [upload.whole] [upload.once] [wire.vector]
#[test]
fn a_vector_of_another_length_adds_nothing_and_the_right_one_counts_once() {
    let mut play = play_to(PhaseName::Upload);
    let (header, update) = honest_upload(&mut play);
    let limbs = update.limbs();
    play.say(LIAR, header).unwrap();
    for length in [0, limbs - 1, limbs + 1, 2 * limbs] {
        let wrong = MaskedUpdate::from_blocks(Blocks::zeroed(length));
        let fault = play.send_update(LIAR, &wrong).unwrap_err();
        let kind = FaultKind::WrongLength {
            got: length as u64,
            want: limbs as u64,
        };
        assert_eq!(fault, kind.of(Slot(LIAR)));
    }
    assert!(
        MaskedUpdate::from_le_bytes(&[0; 12]).is_err(),
        "half a limb is no vector"
    );
    let stored = play.send_update(LIAR, &update).unwrap();
    play.tell(LIAR, stored).unwrap();
    let again = play.send_update(LIAR, &update).unwrap_err();
    assert_eq!(again.kind, FaultKind::Second("masked update"));
    goes_on_with_everybody(play);
}

// spec: [upload.whole]
#[test]
fn a_header_without_its_vector_makes_no_survivor() {
    let mut play = play_to(PhaseName::Upload);
    let (header, _) = honest_upload(&mut play);
    play.say(LIAR, header).unwrap();
    goes_on_without(play);
}

// spec: [finish.range]
#[test]
fn a_vector_of_nonsense_spoils_the_sum_and_is_noticed() {
    let mut play = play_to(PhaseName::Upload);
    let (header, _) = honest_upload(&mut play);
    play.say(LIAR, header).unwrap();
    let bytes = (0..play.context.plan.limbs() * 8)
        .map(|index| (index * 37 + 11) as u8)
        .collect::<Vec<_>>();
    let stored = play
        .send_update(LIAR, &MaskedUpdate::from_le_bytes(&bytes).unwrap())
        .unwrap();
    play.tell(LIAR, stored).unwrap();
    play.finish();
    assert_eq!(
        play.abort().map(|abort| abort.kind()),
        Some("sum_out_of_range")
    );
    play.assert_known(&[&[0, 1, 2, 3, 4, 5]]);
}

// --- Confirm

// spec: [confirm.electorate]
#[test]
fn a_confirmation_with_a_bad_signature_session_or_signer_is_a_fault() {
    let mut play = play_to(PhaseName::Confirm);
    let right = honest!(play, Confirmation);
    let mut flipped = right.clone();
    flipped.signed.signature.0[0] ^= 1;
    assert_eq!(
        play.blamed(LIAR, flipped),
        FaultKind::Signature("Confirmation")
    );
    let session = Confirmation {
        sid2: Sid2([1; 32]),
        ..right.clone()
    };
    let other = FaultKind::OtherSession {
        got: "Confirmation",
        what: "session",
    };
    assert_eq!(play.blamed(LIAR, session), other);
    let mut name = right.clone();
    name.signed.slot = Slot(0);
    assert_eq!(
        play.blamed(LIAR, name),
        FaultKind::OtherSlot { got: Slot(0) }
    );
    // Signed, but for other survivors.
    let all = play.all_but(&[]);
    let fewer = play.survivor_set(&all, &play.all_but(&[0]));
    let signed = play.forged_signature(LIAR, &fewer);
    let other = Confirmation {
        sid2: right.sid2,
        signed,
    };
    assert_eq!(
        play.blamed(LIAR, other),
        FaultKind::Signature("Confirmation")
    );
    play.say(LIAR, right.clone()).unwrap();
    play.say(LIAR, right.clone()).unwrap();
    goes_on_with(play, right);
}

// spec: [confirm.electorate]
#[test]
fn a_survivor_outside_the_committee_does_not_confirm() {
    let mut play = Play::new(&Setup::new(201, 2, 4), &[200]);
    let outside = (0..201)
        .find(|slot| !play.context.graph.is_elector(Slot(*slot)))
        .unwrap();
    play.run_to(PhaseName::Confirm);
    assert_eq!(play.due(outside), None);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    let signature = set.sign(&play.players[&Slot(outside)].identity);
    let signed = veilsum_proto::message::SignedSlot {
        slot: Slot(outside),
        signature,
    };
    let confirmation = Confirmation {
        sid2: set.sid2,
        signed,
    };
    assert_eq!(
        play.blamed(outside, confirmation),
        FaultKind::NotExpected { phase: "confirm" }
    );
}

// --- Reveal

/// Member 5 dropped before Upload, so that pair seeds are owed; Reveal begins.
fn revealing() -> Play {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[LIAR]);
    play.run_to(PhaseName::Upload);
    play.silent.insert(Slot(5));
    play.run_to(PhaseName::Reveal);
    play
}

/// The order of the scalar field: a second encoding of a scalar is the scalar plus this.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn plus_order(bytes: &[u8; 32]) -> RevealedSeed {
    let (mut sum, mut carry) = ([0; 32], 0);
    for (place, (one, other)) in sum.iter_mut().zip(bytes.iter().zip(ORDER)) {
        let total = u16::from(*one) + u16::from(other) + carry;
        (*place, carry) = (total as u8, total >> 8);
    }
    RevealedSeed::new(&sum)
}

// spec: [reveal.verify]
#[test]
fn a_wrong_reveal_is_a_fault_and_counts_for_nothing() {
    let mut play = revealing();
    let right = honest!(play, Reveal);
    let lies = [
        (
            Reveal {
                self_seed: RevealedSeed::new(&[1; 32]),
                ..right.clone()
            },
            FaultKind::SelfSeed,
        ),
        (
            Reveal {
                self_seed: RevealedSeed::new(&[0xff; 32]),
                ..right.clone()
            },
            FaultKind::SelfSeed,
        ),
        (
            Reveal {
                self_seed: plus_order(right.self_seed.expose()),
                ..right.clone()
            },
            FaultKind::SelfSeed,
        ),
        (
            with_pair_seeds(&right, &[(5, [1; 32])]),
            FaultKind::PairSeed(Slot(5)),
        ),
        (
            Reveal {
                pair_seeds: Vec::new(),
                ..right.clone()
            },
            FaultKind::MissingPairSeed(Slot(5)),
        ),
        (
            with_pair_seeds(&right, &[(4, *right.pair_seeds[0].seed.expose())]),
            FaultKind::MissingPairSeed(Slot(5)),
        ),
        (
            with_pair_seeds(
                &right,
                &[(5, *right.pair_seeds[0].seed.expose()), (6, [1; 32])],
            ),
            FaultKind::NotAsked(Slot(6)),
        ),
        (
            Reveal {
                sid2: Sid2([1; 32]),
                ..right.clone()
            },
            FaultKind::OtherSession {
                got: "Reveal",
                what: "session",
            },
        ),
        (
            Reveal {
                slot: Slot(0),
                ..right.clone()
            },
            FaultKind::OtherSlot { got: Slot(0) },
        ),
    ];
    for (lie, kind) in lies {
        assert_eq!(play.blamed(LIAR, lie), kind);
    }
    // The liar stays silent after its lies: its self seed comes back from shares, and its update stays in.
    play.silent.insert(Slot(LIAR));
    play.assert_exact([0, 1, 2, 3, 4, 6]);
}

fn with_pair_seeds(reveal: &Reveal, seeds: &[(u32, [u8; 32])]) -> Reveal {
    let seeds = seeds.iter().map(|(slot, seed)| PairSeedReveal {
        slot: Slot(*slot),
        seed: RevealedSeed::new(seed),
    });
    Reveal {
        pair_seeds: seeds.collect(),
        ..reveal.clone()
    }
}

// spec: [reveal.verify] [message.second]
#[test]
fn a_second_reveal_is_a_fault_and_the_first_again_is_nothing() {
    let mut play = revealing();
    let right = honest!(play, Reveal);
    play.say(LIAR, right.clone()).unwrap();
    play.say(LIAR, right.clone()).unwrap();
    let second = Reveal {
        self_seed: RevealedSeed::new(&[1; 32]),
        ..right
    };
    assert_eq!(play.blamed(LIAR, second), FaultKind::Second("Reveal"));
    play.assert_exact([0, 1, 2, 3, 4, 6]);
}

// --- Recover

/// Member 4 uploaded and went silent, member 5 dropped before: shares of self seed 4 and of root seed 5 are asked for.
fn recovering() -> Play {
    let mut play = revealing();
    play.silent.insert(Slot(4));
    play.run_to(PhaseName::Recover);
    play
}

// spec: [recover.verify]
#[test]
fn a_wrong_share_is_a_fault_and_good_ones_beside_it_count() {
    let mut play = recovering();
    let right = honest!(play, Shares);
    assert!(matches!(
        right.answers[..],
        [
            ShareAnswer::SelfSeed(Slot(4), _),
            ShareAnswer::RootSeed(Slot(5), _)
        ]
    ));
    let wrong = RevealedSeed::new(&[2; 32]);
    let lie = Shares {
        answers: vec![
            ShareAnswer::SelfSeed(Slot(4), wrong),
            right.answers[1].clone(),
        ],
        ..right
    };
    assert_eq!(play.blamed(LIAR, lie), FaultKind::Share(Slot(4)));
    // t = 5 shares of root seed 5 are needed, and only 0 to 3 and the liar hold some: its good one counted.
    assert_eq!(play.context.parameters.t, 5);
    play.silent.insert(Slot(LIAR));
    play.finish();
    let missing = "reveal: 4 good shares of the self seed of slot 4 arrived, 5 are needed";
    assert_eq!(play.abort().unwrap().to_string(), missing);
    // The liar holds a fifth share, so the two of them have what a finished round would have told, and nothing beside it.
    play.assert_known(&[&[0, 1, 2, 3, 4]]);
}

// spec: [recover.verify]
#[test]
fn shares_of_another_session_kind_encoding_or_dealer_are_a_fault() {
    let mut play = recovering();
    let right = honest!(play, Shares);
    let [
        ShareAnswer::SelfSeed(_, own),
        ShareAnswer::RootSeed(_, root),
    ] = &right.answers[..]
    else {
        panic!("found {:?}", right.answers)
    };
    let of = |answer| Shares {
        answers: vec![answer],
        ..right.clone()
    };
    let lies = [
        (
            of(ShareAnswer::RootSeed(Slot(4), own.clone())),
            FaultKind::Share(Slot(4)),
        ),
        (
            of(ShareAnswer::SelfSeed(Slot(5), root.clone())),
            FaultKind::Share(Slot(5)),
        ),
        (
            of(ShareAnswer::SelfSeed(Slot(4), plus_order(own.expose()))),
            FaultKind::Share(Slot(4)),
        ),
        (
            of(ShareAnswer::SelfSeed(Slot(LIAR), own.clone())),
            FaultKind::NotAsked(Slot(LIAR)),
        ),
        (
            of(ShareAnswer::SelfSeed(Slot(99), own.clone())),
            FaultKind::NotAsked(Slot(99)),
        ),
        (
            Shares {
                sid2: Sid2([1; 32]),
                ..right.clone()
            },
            FaultKind::OtherSession {
                got: "Shares",
                what: "session",
            },
        ),
        (
            Shares {
                slot: Slot(0),
                ..right.clone()
            },
            FaultKind::OtherSlot { got: Slot(0) },
        ),
    ];
    for (lie, kind) in lies {
        assert_eq!(play.blamed(LIAR, lie), kind);
    }
    assert_eq!(
        play.blamed(
            4,
            Shares {
                slot: Slot(4),
                answers: vec![ShareAnswer::SelfSeed(Slot(5), own.clone())],
                ..right.clone()
            }
        )
        .name(),
        "share"
    );
    play.say(LIAR, right).unwrap();
    play.assert_exact([0, 1, 2, 3, 4, 6]);
}

// spec: [recover.targets]
#[test]
fn a_reveal_that_comes_late_spares_its_shares() {
    let mut play = recovering();
    play.silent.remove(&Slot(4));
    play.silent.extend([Slot(0), Slot(1), Slot(2)]);
    // Four members alone could not rebuild anything: the late reveal makes it needless.
    play.act(4);
    play.assert_exact([0, 1, 2, 3, 4, 6]);
}

// --- R16

// spec: [recover.advertised] [recover.rebuild]
#[test]
fn a_dealer_of_points_on_no_polynomial_is_named_when_it_vanishes() {
    for late in [false, true] {
        let mut play = Play::new(&Setup::new(7, 1, 2), &[LIAR]);
        let mut forger = play.forge(LIAR);
        play.run_to(PhaseName::Share);
        let parts = forger.parts(&play.due_adverts(LIAR), Dealing::Inconsistent);
        play.say(LIAR, forger.sealed(parts)).unwrap();
        play.run_to(PhaseName::Accept);
        play.say(LIAR, forger.accept(Vec::new())).unwrap();
        play.run_to(PhaseName::Upload);
        assert_eq!(play.faults, [], "every digest matches: nobody can tell");
        play.act_all();
        if late {
            // Its self seed is wanted.
            play.upload_as(&forger, &[0, 1, 2, 3, 4, 5]);
        } else {
            // It drops, and member 0, which masked with it, goes silent later: its root seed is wanted.
            play.run_to(PhaseName::Reveal);
            play.silent.insert(Slot(0));
        }
        play.finish();
        assert_eq!(
            play.faults,
            [FaultKind::InconsistentDealer.of(Slot(LIAR))],
            "late {late}"
        );
        assert_eq!(
            play.abort().map(|abort| abort.kind()),
            Some("inconsistent_dealer")
        );
        play.tap.assert_safe();
        // The next round goes on without it.
        play.faults.clear();
        let _ = play.reopen(2, 0);
        play.players.get_mut(&Slot(LIAR)).unwrap().machine = None;
        for player in play.players.values_mut() {
            player.floors.reuse_update = true;
        }
        assert!(play.reopen(2, 0).is_empty());
        goes_on_without(play);
    }
}

// spec: [reveal.verify]
#[test]
fn an_inconsistent_dealer_that_stays_spoils_nothing() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[LIAR]);
    let mut forger = play.forge(LIAR);
    play.run_to(PhaseName::Share);
    let parts = forger.parts(&play.due_adverts(LIAR), Dealing::Inconsistent);
    play.say(LIAR, forger.sealed(parts)).unwrap();
    play.run_to(PhaseName::Accept);
    play.say(LIAR, forger.accept(Vec::new())).unwrap();
    play.run_to(PhaseName::Upload);
    play.silent.insert(Slot(5));
    play.act_all();
    play.upload_as(&forger, &[0, 1, 2, 3, 4, 5]);
    play.run_to(PhaseName::Reveal);
    let sid2 = play.sid2();
    play.say(LIAR, forger.reveal(&sid2, &[Slot(5)])).unwrap();
    play.assert_exact([0, 1, 2, 3, 4, 6]);
}

/// Two corrupt members agree on a pair seed hash that is wrong; one drops, the other goes silent. Rebuilding shows it.
// spec: [recover.verify] [finish.unmask]
#[test]
fn a_silent_survivor_that_signed_a_wrong_pair_seed_hash_is_named_and_the_sum_is_exact() {
    let mut play = Play::new(&Setup::new(9, 2, 3), &[7, 8]);
    let mut dropping = play.forge(7);
    let mut silent = play.forge(8);
    play.run_to(PhaseName::Share);
    let parts = dropping.parts(&play.due_adverts(7), Dealing::Right);
    play.say(7, dropping.sealed(parts)).unwrap();
    let mut parts = silent.parts(&play.due_adverts(8), Dealing::Right);
    parts[7].pair_hash.0[0] ^= 1;
    assert_eq!(parts[7].to, Slot(7));
    play.say(8, silent.sealed(parts)).unwrap();
    play.run_to(PhaseName::Accept);
    for forger in [&dropping, &silent] {
        play.say(forger.slot.0, forger.accept(Vec::new())).unwrap();
    }
    play.run_to(PhaseName::Upload);
    play.act_all();
    play.upload_as(&silent, &[0, 1, 2, 3, 4, 5, 6, 7]);
    play.assert_exact([0, 1, 2, 3, 4, 5, 6, 8]);
    assert_eq!(play.faults, [FaultKind::PairSeed(Slot(7)).of(Slot(8))]);
}

// --- order

// spec: [message.second] [finish.unmask]
#[test]
fn the_order_of_arrival_within_a_phase_and_repeats_change_nothing() {
    let run = |reversed: bool| {
        let mut play = Play::new(&Setup::new(7, 1, 2), &[]);
        while !matches!(
            play.coordinator.phase(),
            PhaseName::Finished | PhaseName::Aborted
        ) {
            let mut slots = play.acting();
            if reversed {
                slots.reverse();
            }
            if play.coordinator.phase() == PhaseName::Upload {
                slots.into_iter().for_each(|slot| play.act(slot));
            } else {
                let bodies = slots
                    .into_iter()
                    .filter_map(|slot| Some((slot, play.answer(slot)?)))
                    .collect::<Vec<_>>();
                for (slot, body) in bodies {
                    for _ in 0..1 + u32::from(reversed) {
                        play.say(slot, body.clone()).unwrap();
                    }
                }
            }
            play.close();
        }
        play.assert_exact(0..7);
        let veilsum_proto::coordinator::Coordinator::Finished(finished) = &play.coordinator else {
            unreachable!()
        };
        finished.sum().digest()
    };
    assert_eq!(run(false), run(true));
}

//! Bytes that are no message: every type, at every length, with every list and version wrong.

use proptest::prelude::*;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Attempt, Round, Slot, TaskDigest};
use veilsum_proto::keys::{RootSeed, SelfSeed};
use veilsum_proto::message::{Body, Caps, InvalidMessage, Message};
use veilsum_tests::{Play, Setup, samples};

/// Caps of the round that the samples come from, with room for what was filled in by hand.
fn caps() -> Caps {
    Caps::of_roster(5)
}

/// Of all types, with their bytes.
fn encoded() -> Vec<(Message, Vec<u8>)> {
    let all = samples();
    all.into_iter()
        .map(|message| (message.clone(), message.encode()))
        .collect()
}

// spec: [wire.canonical] [wire.types]
#[test]
fn every_message_reads_back_from_its_bytes() {
    for (kind, (message, bytes)) in (1u8..).zip(encoded()) {
        assert_eq!(bytes[4], kind, "{}", message.body.name());
        assert_eq!(
            Message::decode(&bytes, &caps()).as_ref(),
            Ok(&message),
            "{}",
            message.body.name()
        );
    }
}

// spec: [wire.leftover]
#[test]
fn every_prefix_of_every_message_is_refused() {
    for (message, bytes) in encoded() {
        for length in 0..bytes.len() {
            let outcome = Message::decode(&bytes[..length], &caps());
            assert!(
                matches!(outcome, Err(InvalidMessage::Malformed { .. })),
                "{} cut to {length} of {} bytes: {outcome:?}",
                message.body.name(),
                bytes.len()
            );
        }
    }
}

// spec: [wire.leftover]
#[test]
fn every_message_with_bytes_left_over_is_refused() {
    for (message, bytes) in encoded() {
        for extra in [&[0][..], &[0xff], &[0; 7]] {
            let long = [&bytes, extra].concat();
            let outcome = Message::decode(&long, &caps());
            let refused = matches!(
                outcome,
                Err(InvalidMessage::Malformed { .. } | InvalidMessage::TooLong { .. })
            );
            assert!(
                refused,
                "{} and {} bytes: {outcome:?}",
                message.body.name(),
                extra.len()
            );
        }
    }
}

/// Offsets at which a list or byte string of the message has its length, found by reading the bytes of known fields.
fn list_offsets(kind: u8) -> Vec<usize> {
    // Header of 5 bytes; then fixed fields as in `spec/wire.md`.
    let (hash, slot, sid) = (32, 4, 32);
    match kind {
        1 => vec![5],                                             // Open: task
        3 => vec![5 + hash + 8 + 4, 5 + hash + 8 + 4 + 2 + hash], // Adverts: U1; own proof
        4 | 6 => vec![5 + sid + slot], // SealedShares: parts; Accept: cuts
        5 | 7 => vec![5 + sid],        // DeliveredShares: shares; ShareSet: U2
        10 | 12 => vec![5 + sid + sid], // SurvivorSet, Certificate: S
        13 => vec![5 + sid + slot + 32], // Reveal: pair seeds
        14 => vec![5 + sid],           // ShareRequest: wanted
        15 => vec![5 + sid + slot],    // Shares: answers
        16 => vec![5 + hash + 8 + 4 + sid + sid], // Receipt: S
        17 => vec![5 + hash + 8 + 4],  // AbortNotice: reason
        18 => vec![5],                 // FaultNotice: kind
        _ => Vec::new(),
    }
}

// spec: [wire.leftover] [wire.lengths]
#[test]
fn a_length_of_2_to_the_30_minus_1_without_a_body_is_refused_in_every_message_with_a_list() {
    let mut lists = 0;
    for (message, bytes) in encoded() {
        for offset in list_offsets(bytes[4]) {
            let huge = [&bytes[..offset], &[0xbf, 0xff, 0xff, 0xff]].concat();
            let outcome = Message::decode(&huge, &caps());
            assert!(
                matches!(outcome, Err(InvalidMessage::Malformed { .. })),
                "{} at {offset}: {outcome:?}",
                message.body.name()
            );
            lists += 1;
        }
    }
    assert_eq!(lists, 15);
}

// spec: [wire.canonical] [wire.lengths]
#[test]
fn lengths_written_in_more_bytes_than_needed_are_refused_in_every_message_with_a_list() {
    for (message, bytes) in encoded() {
        for offset in list_offsets(bytes[4]) {
            let short = match bytes[offset] >> 6 {
                0 => vec![0x40, bytes[offset]],
                1 => vec![0x80, 0, bytes[offset] & 0x3f, bytes[offset + 1]],
                _ => panic!("samples are short"),
            };
            let width = 1 << (bytes[offset] >> 6);
            let long = [&bytes[..offset], &short, &bytes[offset + width..]].concat();
            let outcome = Message::decode(&long, &Caps::of_roster(1000));
            let kind = bytes[4];
            assert_eq!(
                outcome,
                Err(InvalidMessage::NotCanonical { kind }),
                "{} at {offset}",
                message.body.name()
            );
        }
    }
}

// spec: [wire.version]
#[test]
fn another_version_or_suite_is_refused_by_name_in_every_message() {
    for (_, bytes) in encoded() {
        for (at, got) in [(0, 0x0101), (1, 0), (1, 2)] {
            let mut other = bytes.clone();
            other[at] = if at == 0 { 1 } else { got as u8 };
            assert_eq!(
                Message::decode(&other, &caps()),
                Err(InvalidMessage::Version { got, want: 1 })
            );
        }
        for (at, got) in [(2, 0x0101), (3, 0), (3, 2)] {
            let mut other = bytes.clone();
            other[at] = if at == 2 { 1 } else { got as u8 };
            assert_eq!(
                Message::decode(&other, &caps()),
                Err(InvalidMessage::Suite { got, want: 1 })
            );
        }
    }
}

// spec: [wire.cap]
#[test]
fn a_message_over_its_cap_is_refused_before_it_is_read() {
    for (message, bytes) in encoded() {
        let kind = bytes[4];
        let want = caps().bytes_of(kind);
        assert!(
            bytes.len() <= want,
            "{} of {} bytes, the cap is {want}",
            message.body.name(),
            bytes.len()
        );
        let got = want + 1;
        let mut long = bytes;
        long.resize(got, 0);
        assert_eq!(
            Message::decode(&long, &caps()),
            Err(InvalidMessage::TooLong { kind, got, want })
        );
    }
}

// spec: [wire.cap] [wire.types]
#[test]
fn types_that_do_not_exist_are_refused() {
    for kind in (19..=255).chain([0]) {
        for length in [5, 6, 200] {
            let mut bytes = vec![0, 1, 0, 1, kind];
            bytes.resize(length, 0);
            let outcome = Message::decode(&bytes, &caps());
            assert!(
                matches!(
                    outcome,
                    Err(InvalidMessage::TooLong { want: 0, .. } | InvalidMessage::Malformed { .. })
                ),
                "{outcome:?}"
            );
        }
    }
}

// spec: [wire.cap]
#[test]
fn every_message_of_a_large_round_fits_its_cap() {
    let mut play = Play::new(&Setup::new(201, 2, 4), &[]);
    // Every message passes its cap on the way in a play; the largest are those of Share.
    play.run_to(PhaseName::Confirm);
    assert!(
        play.log
            .iter()
            .any(|message| matches!(message.body, Body::Adverts(_)))
    );
    let caps = Caps::new(201, play.context.parameters.k);
    for message in &play.log {
        let bytes = message.encode();
        assert!(
            bytes.len() <= caps.bytes_of(bytes[4]),
            "{}",
            message.body.name()
        );
    }
}

/// Names of messages and types that carry what was secret until the certificate, never its bytes.
// spec: [wire.debug]
#[test]
fn debug_of_what_carries_secrets_shows_none() {
    let bytes = [0xa7u8; 32];
    let seed = veilsum_proto::message::RevealedSeed::new(&bytes);
    assert_eq!(format!("{seed:?}"), "RevealedSeed(..)");
    let (mut revealed, mut texts) = (Vec::new(), Vec::new());
    for message in samples() {
        match &message.body {
            Body::Reveal(reveal) => {
                revealed.push(*reveal.self_seed.expose());
                revealed.extend(reveal.pair_seeds.iter().map(|pair| *pair.seed.expose()));
            }
            Body::Shares(shares) => {
                revealed.extend(shares.answers.iter().map(|answer| match answer {
                    veilsum_proto::message::ShareAnswer::SelfSeed(_, share)
                    | veilsum_proto::message::ShareAnswer::RootSeed(_, share) => *share.expose(),
                }))
            }
            _ => {}
        }
        texts.push(format!("{message:?} {message:#?}"));
    }
    assert!(revealed.len() >= 4);
    let mut play = Play::new(&Setup::new(5, 0, 2), &[]);
    for phase in [
        PhaseName::Share,
        PhaseName::Accept,
        PhaseName::Upload,
        PhaseName::Confirm,
        PhaseName::Reveal,
    ] {
        play.run_to(phase);
        texts.push(format!(
            "{:?} {:?}",
            play.coordinator,
            play.players[&Slot(0)].machine
        ));
    }
    play.silent.insert(Slot(1));
    play.run_to(PhaseName::Recover);
    play.act_all();
    texts.push(format!("{:?}", play.coordinator));
    revealed.extend(play.log.iter().filter_map(|message| match &message.body {
        Body::Reveal(reveal) => Some(*reveal.self_seed.expose()),
        _ => None,
    }));
    for secret in &revealed {
        let numbers = secret.map(|byte| byte.to_string()).join(", ");
        let hexes = hex::encode(secret);
        for text in &texts {
            assert!(
                !text.contains(&numbers[..20]) && !text.contains(&hexes[..12]),
                "{text}"
            );
        }
    }
}

/// Secrets have no `Debug` at all, or one without content.
#[test]
fn rebuilt_secrets_do_not_print() {
    use veilsum_math::sharing::Secret;
    let mut one = [0; 32];
    one[0] = 0xa7;
    let secret = Secret::from_canonical_bytes(&one).unwrap();
    assert_eq!(format!("{secret:?}"), "Secret(..)");
    let seed = SelfSeed::from_secret(secret);
    assert_eq!(seed.secret().expose_bytes()[0], 0xa7);
    let root = RootSeed::from_secret(
        Secret::from_canonical_bytes(&one).unwrap(),
        &TaskDigest([0; 32]),
        Round(1),
        Attempt(0),
        Slot(0),
    );
    assert_ne!(root.mask_public(), one);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    // spec: [wire.leftover] [wire.canonical]
    #[test]
    fn random_bytes_are_refused_or_read_to_what_encodes_to_them(
        kind in 0u8..22, body in proptest::collection::vec(any::<u8>(), 0..300)
    ) {
        let bytes = [&[0, 1, 0, 1, kind], &body[..]].concat();
        if let Ok(message) = Message::decode(&bytes, &caps()) {
            prop_assert_eq!(message.encode(), bytes);
        }
        let _ = Message::decode(&body, &caps());
    }
}

// spec: [wire.leftover] [wire.canonical]
#[test]
fn messages_with_any_byte_changed_are_refused_or_read_to_what_encodes_to_them() {
    let mut read = 0;
    for (_, bytes) in encoded() {
        for at in 0..bytes.len() {
            for flip in [1, 0x40, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                if let Ok(message) = Message::decode(&changed, &caps()) {
                    assert_eq!(message.encode(), changed);
                    read += 1;
                }
            }
        }
    }
    assert!(read > 0);
}

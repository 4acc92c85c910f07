//! Every message against its example in `spec/wire.md`, and against what a liar makes of it.

use super::*;
use crate::bitmap::Bitmap;
use crate::ids::{Attempt, Hash, ModelDigest, RosterDigest, Round, Sid, Sid2, Slot, TaskDigest};
use crate::parameters::Parameters;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Of a roster of four slots.
fn caps() -> Caps {
    Caps::new(4, 3)
}

/// The blocks ```` ```hex Name ```` of the page.
fn page() -> BTreeMap<String, Vec<u8>> {
    let page = include_str!("../../../../spec/wire.md");
    let blocks = page.split("```hex ").skip(1);
    let blocks = blocks.map(|block| {
        let (name, rest) = block.split_once('\n').unwrap();
        let (digits, _) = rest.split_once("```").unwrap();
        let digits = digits.split_whitespace().collect::<String>();
        (name.to_owned(), hex::decode(digits).unwrap())
    });
    blocks.collect()
}

fn examples() -> Vec<Message> {
    vec![
        Message::new(open()),
        Message::new(advert(1, 0x60)),
        Message::new(Adverts {
            task: TASK,
            round: Round(7),
            attempt: Attempt(1),
            advertised: set(&[0, 1, 3]),
            root: hash(0x70),
            own_proof: vec![hash(0x71), hash(0x72)],
            neighbours: vec![ProvenAdvert {
                advert: advert(0, 0x60),
                proof: vec![hash(0x73), hash(0x74)],
            }],
        }),
        Message::new(SealedShares {
            sid: SID,
            slot: Slot(1),
            parts: vec![sealed(0, 0x80), sealed(3, 0x84)],
            signature: signature(0x88),
        }),
        Message::new(DeliveredShares {
            sid: SID,
            shares: vec![
                DeliveredShare {
                    from: Slot(0),
                    part: Some(sealed(1, 0x80)),
                    proof: vec![hash(0x90)],
                    signature: signature(0x91),
                },
                DeliveredShare {
                    from: Slot(3),
                    part: None,
                    proof: vec![hash(0x92)],
                    signature: signature(0x93),
                },
            ],
        }),
        Message::new(Accept {
            sid: SID,
            slot: Slot(1),
            cuts: vec![cut(0, CutReason::PairSeed), cut(3, CutReason::Key)],
            signature: signature(0x94),
        }),
        Message::new(ShareSet {
            sid: SID,
            shared: set(&[0, 1, 3]),
            accepts: vec![Accept {
                sid: SID,
                slot: Slot(3),
                cuts: vec![cut(1, CutReason::Share)],
                signature: signature(0x95),
            }],
        }),
        Message::new(header()),
        Message::new(UploadStored {
            sid2: SID2,
            slot: Slot(1),
        }),
        Message::new(survivors()),
        Message::new(Confirmation {
            sid2: SID2,
            signed: signed(1, 0xa2),
        }),
        Message::new(Certificate {
            set: survivors(),
            signatures: vec![signed(0, 0xa3), signed(1, 0xa4)],
        }),
        Message::new(Reveal {
            sid2: SID2,
            slot: Slot(1),
            self_seed: RevealedSeed::new(&[0xb1; 32]),
            pair_seeds: vec![PairSeedReveal {
                slot: Slot(3),
                seed: RevealedSeed::new(&[0xb2; 32]),
            }],
            chain_value: None,
        }),
        Message::new(ShareRequest {
            sid2: SID2,
            wanted: vec![
                ShareWanted::SelfSeed(header()),
                ShareWanted::RootSeed(Slot(3)),
            ],
        }),
        Message::new(Shares {
            sid2: SID2,
            slot: Slot(0),
            answers: vec![
                ShareAnswer::SelfSeed(Slot(1), RevealedSeed::new(&[0xb3; 32])),
                ShareAnswer::RootSeed(Slot(3), RevealedSeed::new(&[0xb4; 32])),
            ],
        }),
        Message::new(Receipt {
            task: TASK,
            round: Round(7),
            attempt: Attempt(1),
            sid: SID,
            sid2: SID2,
            survivors: set(&[0, 1]),
            sum: hash(0xc1),
            signature: signature(0xc2),
        }),
        Message::new(AbortNotice {
            task: TASK,
            round: Round(7),
            attempt: Attempt(1),
            reason: b"below_quorum".to_vec(),
            text: b"confirm: 2 signatures arrived, the quorum is 3".to_vec(),
        }),
        Message::new(FaultNotice {
            kind: b"signature".to_vec(),
            text: b"signature on Advert does not verify".to_vec(),
        }),
    ]
}

// spec: [wire.types]
#[test]
fn every_message_is_written_as_its_example_and_read_back() {
    let page = page();
    let examples = examples();
    assert_eq!(page.len(), examples.len());
    for (kind, message) in (1u8..).zip(&examples) {
        let (name, bytes) = (message.body.name(), message.encode());
        assert_eq!(hex::encode(&bytes), hex::encode(&page[name]), "{name}");
        assert_eq!(bytes[4], kind, "{name}");
        assert_eq!(Message::decode(&bytes, &caps()).as_ref(), Ok(message));
    }
}

// spec: [wire.leftover] [wire.lengths]
#[test]
fn a_message_cut_short_or_with_one_byte_more_is_refused() {
    for message in examples() {
        let mut bytes = message.encode();
        for length in 0..bytes.len() {
            assert!(Message::decode(&bytes[..length], &caps()).is_err());
        }
        bytes.push(0);
        assert!(Message::decode(&bytes, &caps()).is_err(), "{message:?}");
    }
}

// spec: [wire.lengths]
#[test]
fn a_length_of_2_to_the_30_less_1_without_a_body_is_refused_wherever_it_stands() {
    for message in examples() {
        let bytes = message.encode();
        // At the last four bytes it would be the value of a field of fixed length.
        for place in (5..=bytes.len()).filter(|place| place + 4 != bytes.len()) {
            let mut lying = bytes[..place].to_vec();
            lying.extend([0xbf, 0xff, 0xff, 0xff]);
            let refused = Message::decode(&lying, &caps());
            assert!(refused.is_err(), "{} at {place}", message.body.name());
        }
    }
}

// spec: [wire.canonical]
#[test]
fn a_length_in_more_bytes_than_it_needs_is_refused() {
    let message = Message::new(survivors());
    let mut bytes = message.encode();
    let length = 5 + 64;
    assert_eq!(bytes[length], 1);
    for long in [&[0x40, 1][..], &[0x80, 0, 0, 1]] {
        let mut padded = bytes.clone();
        padded.splice(length..=length, long.iter().copied());
        assert_eq!(
            Message::decode(&padded, &caps()),
            Err(InvalidMessage::NotCanonical { kind: 10 })
        );
    }
    bytes[length] = 2;
    assert!(Message::decode(&bytes, &caps()).is_err());
}

// spec: [wire.version]
#[test]
fn another_version_or_suite_is_refused_by_name() {
    let bytes = Message::new(survivors()).encode();
    let with = |place: usize, value| {
        let mut bytes = bytes.clone();
        bytes[place] = value;
        Message::decode(&bytes, &caps())
    };
    assert_eq!(with(1, 2), Err(InvalidMessage::Version { got: 2, want: 1 }));
    assert_eq!(
        with(0, 1),
        Err(InvalidMessage::Version { got: 257, want: 1 })
    );
    assert_eq!(with(3, 0), Err(InvalidMessage::Suite { got: 0, want: 1 }));
    assert!(matches!(
        Message::decode(&bytes[..4], &caps()),
        Err(InvalidMessage::Malformed { kind: 0, .. })
    ));
}

// spec: [wire.types] [wire.cap]
#[test]
fn types_kinds_reasons_and_options_without_a_meaning_are_refused() {
    for kind in [0, 19, 255] {
        let mut bytes = Message::new(survivors()).encode();
        bytes[4] = kind;
        assert!(Message::decode(&bytes, &caps()).is_err(), "type {kind}");
    }
    let change = |message: Message, from_end: usize, value| {
        let mut bytes = message.encode();
        let place = bytes.len() - from_end;
        bytes[place] = value;
        Message::decode(&bytes, &caps())
    };
    let [advert, accept, request] = [1, 5, 13].map(|index| examples().swap_remove(index));
    assert!(change(advert, 65, 2).is_err(), "option byte 2");
    for reason in [0, 2, 5] {
        assert!(change(accept.clone(), 65, reason).is_err(), "{reason}");
    }
    for kind in [0, 3] {
        assert!(change(request.clone(), 5, kind).is_err(), "kind {kind}");
    }
}

// spec: [wire.cap]
#[test]
fn a_message_longer_than_its_round_allows_is_refused_before_it_is_read() {
    for kind in 1..=18 {
        let want = caps().bytes_of(kind);
        let mut bytes = vec![0xff; want + 1];
        bytes[..5].copy_from_slice(&[0, 1, 0, 1, kind]);
        assert_eq!(
            Message::decode(&bytes, &caps()),
            Err(InvalidMessage::TooLong {
                kind,
                got: want + 1,
                want
            })
        );
    }
}

// spec: [wire.cap]
#[test]
fn the_longest_messages_of_a_round_fit_their_caps() {
    for (slots, neighbours, depth) in [(4, 3, 2), (201, 54, 8), (1000, 66, 10), (1 << 20, 200, 20)]
    {
        let caps = Caps::new(slots, neighbours);
        let bitmap = Bitmap::empty(slots);
        let proof = vec![hash(1); depth];
        let all = 0..neighbours;
        let mut longest = advert(0, 1);
        longest.chain_end = Some(hash(9));
        let accept = Accept {
            sid: SID,
            slot: Slot(1),
            cuts: all.clone().map(|slot| cut(slot, CutReason::Key)).collect(),
            signature: UNSIGNED,
        };
        let delivered = DeliveredShare {
            from: Slot(0),
            part: Some(sealed(1, 1)),
            proof: proof.clone(),
            signature: UNSIGNED,
        };
        let proven = ProvenAdvert {
            advert: longest.clone(),
            proof: proof.clone(),
        };
        let messages = [
            Message::new(longest),
            Message::new(Adverts {
                task: TASK,
                round: Round(7),
                attempt: Attempt(1),
                advertised: bitmap.clone(),
                root: hash(0),
                own_proof: proof,
                neighbours: all.clone().map(|_| proven.clone()).collect(),
            }),
            Message::new(SealedShares {
                sid: SID,
                slot: Slot(0),
                parts: all.clone().map(|to| sealed(to, 1)).collect(),
                signature: UNSIGNED,
            }),
            Message::new(DeliveredShares {
                sid: SID,
                shares: all.clone().map(|_| delivered.clone()).collect(),
            }),
            Message::new(accept.clone()),
            Message::new(ShareSet {
                sid: SID,
                shared: bitmap.clone(),
                accepts: all.clone().map(|_| accept.clone()).collect(),
            }),
            Message::new(ShareRequest {
                sid2: SID2,
                wanted: all.map(|_| ShareWanted::SelfSeed(header())).collect(),
            }),
            Message::new(Certificate {
                set: SurvivorSet {
                    sid: SID,
                    sid2: SID2,
                    survivors: bitmap,
                },
                signatures: (0..slots.min(2000)).map(|slot| signed(slot, 1)).collect(),
            }),
        ];
        for message in messages {
            let bytes = message.encode();
            assert!(
                bytes.len() <= caps.bytes_of(bytes[4]),
                "{} of {slots} slots",
                message.body.name()
            );
        }
    }
}

// spec: [wire.debug] [accept.no-secret]
#[test]
fn seeds_and_shares_do_not_show() {
    for message in examples() {
        let text = format!("{message:?}");
        for byte in 0xb1..=0xb4u8 {
            assert!(!text.contains(&hex::encode([byte; 4])), "{text}");
            assert!(!text.contains(&format!("{byte}, {byte}")), "{text}");
        }
    }
    assert_eq!(
        format!("{:?}", RevealedSeed::new(&[1; 32])),
        "RevealedSeed(..)"
    );
}

// spec: [wire.vector]
#[test]
fn a_vector_is_little_endian_limbs_and_a_part_of_one_is_refused() {
    use crate::masked::MaskedUpdate;
    let mut bytes = [0; 16];
    bytes[0] = 1;
    bytes[15] = 2;
    let update = MaskedUpdate::from_le_bytes(&bytes).unwrap();
    assert_eq!(update.blocks().limbs(), [1, 2 << 56]);
    assert!(MaskedUpdate::from_le_bytes(&bytes[..15]).is_err());
}

proptest! {
    // spec: [wire.canonical]
    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(
        index in 0usize..18,
        place in any::<proptest::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = examples().swap_remove(index).encode();
        let place = place.index(bytes.len());
        bytes[place] = value;
        if let Ok(message) = Message::decode(&bytes, &caps()) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    // spec: [wire.lengths]
    #[test]
    fn any_bytes_are_a_message_or_an_error(kind in 0u8..20, rest in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = vec![0, 1, 0, 1, kind];
        bytes.extend(rest);
        if let Ok(message) = Message::decode(&bytes, &caps()) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}

const TASK: TaskDigest = TaskDigest([0x11; 32]);
const ROSTER: RosterDigest = RosterDigest([0x22; 32]);
const SID: Sid = Sid([0x33; 32]);
const SID2: Sid2 = Sid2([0x44; 32]);

fn hash(byte: u8) -> Hash {
    Hash([byte; 32])
}

fn signature(byte: u8) -> Signature {
    Signature([byte; 64])
}

fn set(slots: &[u32]) -> Bitmap {
    Bitmap::of(4, slots.iter().map(|slot| Slot(*slot)))
}

fn open() -> Open {
    Open {
        task: vec![1, 2, 3],
        roster: ROSTER,
        round: Round(7),
        attempt: Attempt(1),
        base_model: ModelDigest([0x55; 32]),
        parameters: Parameters {
            n: 4,
            c: 1,
            d: 1,
            k: 3,
            t: 3,
            h: None,
            m: 4,
            c_m: 1,
            q: 3,
            f: 3,
            tolerated: None,
        },
        deadlines: Deadlines::default(),
    }
}

fn advert(slot: u32, byte: u8) -> Advert {
    Advert {
        task: TASK,
        roster: ROSTER,
        round: Round(7),
        attempt: Attempt(1),
        slot: Slot(slot),
        seal_key: [byte; 32],
        mask_key: [byte + 1; 32],
        commitment: hash(byte + 2),
        chain_end: None,
        signature: signature(byte + 3),
    }
}

fn sealed(to: u32, byte: u8) -> SealedShare {
    SealedShare {
        to: Slot(to),
        ciphertext: [byte; 80],
        root_digest: hash(byte + 1),
        self_digest: hash(byte + 2),
        pair_hash: hash(byte + 3),
    }
}

fn cut(slot: u32, reason: CutReason) -> Cut {
    Cut {
        slot: Slot(slot),
        reason,
    }
}

fn header() -> UploadHeader {
    UploadHeader {
        sid: SID,
        sid2: SID2,
        slot: Slot(1),
        limbs: 5000,
        signature: signature(0xa1),
    }
}

fn survivors() -> SurvivorSet {
    SurvivorSet {
        sid: SID,
        sid2: SID2,
        survivors: set(&[0, 1]),
    }
}

fn signed(slot: u32, byte: u8) -> SignedSlot {
    SignedSlot {
        slot: Slot(slot),
        signature: signature(byte),
    }
}

use super::*;
use crate::identity::Identity;
use crate::ids::{Round, Slot, TaskDigest};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

const AUTHORITY: u8 = 0xa0;
const COORDINATOR: u8 = 0xc0;

fn identity(byte: u8) -> Identity {
    Identity::from_secret_bytes(&[byte; 32])
}

fn key(byte: u8) -> PublicKey {
    identity(byte).public()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Members m0, m1, ... with keys of 1, 2, ...
fn draft(members: u8) -> RosterDraft {
    let mut draft = RosterDraft::new(name("clinics"), key(AUTHORITY), key(COORDINATOR));
    for index in 0..members {
        draft
            .add(name(&format!("m{index}")), key(index + 1))
            .unwrap();
    }
    draft
}

fn signed(draft: RosterDraft, seed: u64) -> Result<Roster, RosterError> {
    draft.sign(&identity(AUTHORITY), &mut ChaCha20Rng::seed_from_u64(seed))
}

fn read(text: &str) -> Result<Roster, RosterError> {
    Roster::from_toml(text, &key(AUTHORITY))
}

#[test]
fn a_signed_roster_comes_back_from_its_text() {
    let roster = signed(draft(3), 1).unwrap();
    assert_eq!(read(&roster.to_toml()), Ok(roster));
}

#[test]
fn a_draft_comes_back_from_its_text() {
    assert_eq!(RosterDraft::from_toml(&draft(3).to_toml()), Ok(draft(3)));
    assert_eq!(RosterDraft::from_toml(&draft(0).to_toml()), Ok(draft(0)));
    assert!(draft(0).is_empty() && !draft(1).is_empty());
}

#[test]
fn the_text_starts_by_saying_what_it_is() {
    assert!(
        signed(draft(3), 1)
            .unwrap()
            .to_toml()
            .starts_with("# Roster of a Veilsum federation")
    );
    assert!(draft(3).to_toml().contains("not signed"));
}

#[test]
fn members_are_found_by_slot_key_and_name() {
    let roster = signed(draft(3), 1).unwrap();
    assert_eq!(roster.len(), 3);
    assert_eq!(roster.key_of(Slot(2)), Some(&key(3)));
    assert_eq!(roster.slot_of(&key(3)), Some(Slot(2)));
    assert_eq!(roster.named("m2").map(|member| member.slot), Some(Slot(2)));
    assert_eq!(roster.member(Slot(3)), None);
    assert_eq!(roster.slot_of(&key(COORDINATOR)), None);
}

// spec: [roster.canonical]
#[test]
fn the_encoding_is_the_one_of_the_spec() {
    let roster = signed(draft(2), 1).unwrap();
    let mut want = vec![0, 1, 7];
    want.extend_from_slice(b"clinics");
    want.extend_from_slice(key(AUTHORITY).as_bytes());
    want.extend_from_slice(key(COORDINATOR).as_bytes());
    want.extend_from_slice(&1000_u64.to_be_bytes());
    want.push(0); // any task
    want.extend_from_slice(&[0x40, 2 * (4 + 3 + 32)]);
    for (slot, name) in [(0, b"m0"), (1, b"m1")] {
        want.extend_from_slice(&[0, 0, 0, slot, 2]);
        want.extend_from_slice(name);
        want.extend_from_slice(key(slot + 1).as_bytes());
    }
    want.extend_from_slice(roster.randomness());
    assert_eq!(roster.encode().unwrap(), want);
}

// spec: [roster.digest]
#[test]
fn the_digest_of_a_small_roster_is_fixed() {
    // The values come from a few lines of another language with another library for Ed25519.
    let randomness = [0x11; 32];
    let listing = |tasks: &[u8]| {
        let mut draft = draft(3);
        for byte in tasks {
            draft.allow_task(TaskDigest([*byte; 32])).unwrap();
        }
        draft
    };
    for (draft, wanted, wanted_signature) in [
        (listing(&[]), GOLDEN_DIGEST, GOLDEN_SIGNATURE),
        (
            listing(&[3, 2]),
            GOLDEN_WITH_TASKS,
            GOLDEN_SIGNATURE_WITH_TASKS,
        ),
    ] {
        let digest = digest(&draft, &randomness).unwrap();
        let signature = identity(AUTHORITY).sign(Label::SignRoster, &[digest.as_bytes()]);
        assert_eq!(digest.to_string(), wanted);
        assert_eq!(signature.to_string(), wanted_signature);
        let roster = Roster::verified(draft, randomness, signature).unwrap();
        assert_eq!(roster.digest(), digest);
    }
}

// spec: [roster.tasks]
#[test]
fn a_roster_that_lists_tasks_admits_no_other() {
    let (listed, other) = (TaskDigest([7; 32]), TaskDigest([8; 32]));
    let any = signed(draft(3), 1).unwrap();
    assert!(any.admits(&listed) && !any.lists(&listed));
    let mut draft = any.into_draft();
    draft.allow_task(listed).unwrap();
    assert_eq!(
        draft.allow_task(listed),
        Err(RosterError::DuplicateTask { task: listed })
    );
    assert_eq!(
        draft.disallow_task(&other),
        Err(RosterError::NoSuchTask { task: other })
    );
    let roster = signed(draft, 1).unwrap();
    assert!(roster.admits(&listed) && roster.lists(&listed));
    assert!(!roster.admits(&other) && !roster.lists(&other));
    assert_eq!(read(&roster.to_toml()), Ok(roster.clone()));
    let mut draft = roster.into_draft();
    draft.disallow_task(&listed).unwrap();
    assert!(signed(draft, 1).unwrap().admits(&other));
}

// spec: [roster.tasks]
#[test]
fn a_list_of_tasks_is_ascending_and_of_1_to_256() {
    let mut full = draft(1);
    for number in 0..MAX_TASKS {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        full.allow_task(TaskDigest(digest)).unwrap();
    }
    assert_eq!(
        full.allow_task(TaskDigest([9; 32])),
        Err(RosterError::TooManyTasks)
    );
    assert_eq!(RosterDraft::from_toml(&full.to_toml()), Ok(full));

    let (low, high) = (TaskDigest([1; 32]), TaskDigest([2; 32]));
    let with = |list: &str| {
        let text = draft(1).to_toml();
        RosterDraft::from_toml(
            &text.replace("last_round", &format!("tasks = [{list}]\nlast_round")),
        )
    };
    assert_eq!(with(""), Err(RosterError::NoTasks));
    assert_eq!(
        with(&format!("\"{high}\", \"{low}\"")),
        Err(RosterError::TaskOrder {
            found: low,
            before: high
        })
    );
    assert_eq!(
        with(&format!("\"{low}\", \"{low}\"")),
        Err(RosterError::DuplicateTask { task: low })
    );
    assert!(with(&format!("\"{low}\", \"{high}\"")).is_ok());
}

// spec: [roster.tasks] [roster.signature]
#[test]
fn a_task_that_was_added_after_signing_is_found_out() {
    let text = signed(draft(3), 1).unwrap().to_toml();
    let task = TaskDigest([5; 32]);
    let changed = text.replace("last_round", &format!("tasks = [\"{task}\"]\nlast_round"));
    assert!(matches!(read(&changed), Err(RosterError::Signature { .. })));
}

// spec: [roster.randomness]
#[test]
fn every_signing_draws_anew() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let first = draft(3).sign(&identity(AUTHORITY), &mut rng).unwrap();
    let second = first
        .clone()
        .into_draft()
        .sign(&identity(AUTHORITY), &mut rng)
        .unwrap();
    assert_ne!(first.randomness(), second.randomness());
    assert_ne!(first.digest(), second.digest());
    assert_eq!(first.members(), second.members());
}

// spec: [roster.randomness]
#[test]
fn a_draft_has_neither_randomness_nor_signature() {
    let roster = signed(draft(3), 1).unwrap();
    let text = RosterDraft::from_toml(&roster.to_toml()).unwrap().to_toml();
    assert!(!text.contains("\nrandomness") && !text.contains("\nsignature"));
    assert_eq!(
        read(&text),
        Err(RosterError::Unsigned {
            missing: "randomness"
        })
    );
}

// spec: [roster.signature]
#[test]
fn a_roster_without_signature_is_refused() {
    let text: String = signed(draft(3), 1)
        .unwrap()
        .to_toml()
        .lines()
        .filter(|line| !line.starts_with("signature"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(
        read(&text),
        Err(RosterError::Unsigned {
            missing: "signature"
        })
    );
}

// spec: [roster.signature]
#[test]
fn a_change_of_any_field_is_refused() {
    let roster = signed(draft(3), 1).unwrap();
    let text = roster.to_toml();
    let flipped = |hex: &str| {
        let first = if hex.starts_with('0') { "1" } else { "0" };
        format!("{first}{}", &hex[1..])
    };
    let randomness = hex::encode(roster.randomness());
    let signature = roster.signature().to_string();
    for (from, to) in [
        ("\"clinics\"", "\"clinic\""),
        (
            &key(COORDINATOR).to_string(),
            &key(COORDINATOR + 1).to_string(),
        ),
        ("last_round = 1000", "last_round = 1001"),
        (&randomness, &flipped(&randomness)),
        (&signature, &flipped(&signature)),
        ("\"m1\"", "\"m9\""),
        (&key(2).to_string(), &key(9).to_string()),
    ] {
        assert!(text.contains(from), "{from}");
        let authority = key(AUTHORITY);
        let found = read(&text.replace(from, to));
        assert_eq!(found, Err(RosterError::Signature { authority }), "{from}");
    }
    let mut more = text.clone();
    more.push_str(&format!(
        "[[members]]\nslot = 3\nname = \"m3\"\nkey = \"{}\"\n",
        key(4)
    ));
    assert!(matches!(read(&more), Err(RosterError::Signature { .. })));
    let fewer = &text[..text.rfind("[[members]]").unwrap()];
    assert!(matches!(read(fewer), Err(RosterError::Signature { .. })));
}

// spec: [roster.signature]
#[test]
fn a_roster_signed_by_somebody_else_is_refused() {
    let text = signed(draft(3), 1).unwrap().to_toml();
    let (found, wanted) = (key(AUTHORITY), key(0xee));
    assert_eq!(
        Roster::from_toml(&text, &wanted),
        Err(RosterError::UnacceptedAuthority { found, wanted })
    );
    // an impostor that puts the accepted key on top of an own signature
    let mut impostor = RosterDraft::new(name("clinics"), key(0xee), key(COORDINATOR));
    impostor.add(name("m0"), key(1)).unwrap();
    let impostor = impostor
        .sign(&identity(0xee), &mut ChaCha20Rng::seed_from_u64(1))
        .unwrap()
        .to_toml()
        .replace(&key(0xee).to_string(), &key(AUTHORITY).to_string());
    assert!(matches!(
        read(&impostor),
        Err(RosterError::Signature { .. })
    ));
}

// spec: [roster.parties]
#[test]
fn only_its_authority_signs_a_roster() {
    let found = draft(3).sign(&identity(1), &mut ChaCha20Rng::seed_from_u64(1));
    assert_eq!(
        found,
        Err(RosterError::NotTheAuthority {
            found: key(1),
            wanted: key(AUTHORITY)
        })
    );
}

// spec: [roster.parties]
#[test]
fn authority_coordinator_and_members_are_different_parties() {
    let mut same = draft(2);
    same.set_coordinator(key(AUTHORITY));
    assert_eq!(
        signed(same, 1),
        Err(RosterError::AuthorityIsCoordinator {
            key: key(AUTHORITY)
        })
    );
    let mut member = draft(2);
    member.add(name("boss"), key(AUTHORITY)).unwrap();
    assert_eq!(
        signed(member, 1),
        Err(RosterError::AuthorityIsMember { slot: Slot(2) })
    );
    let mut member = draft(2);
    member.add(name("server"), key(COORDINATOR)).unwrap();
    assert_eq!(
        signed(member, 1),
        Err(RosterError::CoordinatorIsMember { slot: Slot(2) })
    );
}

// spec: [roster.parties]
#[test]
fn what_the_authority_signed_in_error_is_refused_all_the_same() {
    // A signature by other software over a roster whose coordinator is the authority.
    let mut bad = draft(2);
    bad.set_coordinator(key(AUTHORITY));
    let digest = digest(&bad, &[7; 32]).unwrap();
    let signature = identity(AUTHORITY).sign(Label::SignRoster, &[digest.as_bytes()]);
    let found = Roster::verified(bad, [7; 32], signature);
    assert_eq!(
        found,
        Err(RosterError::AuthorityIsCoordinator {
            key: key(AUTHORITY)
        })
    );
}

// spec: [roster.parties]
#[test]
fn a_roster_without_members_is_not_signed() {
    assert_eq!(signed(draft(0), 1), Err(RosterError::Empty));
}

// spec: [roster.unique]
#[test]
fn names_and_keys_are_unique() {
    let mut two = draft(2);
    let (first, slot) = (Slot(1), Slot(2));
    assert_eq!(
        two.add(name("m1"), key(9)),
        Err(RosterError::DuplicateName {
            name: name("m1"),
            first,
            slot
        })
    );
    assert_eq!(
        two.add(name("m9"), key(2)),
        Err(RosterError::DuplicateKey {
            key: key(2),
            first,
            slot
        })
    );
    assert_eq!(two, draft(2), "a refused edit changes nothing");
    let twice = two.to_toml().replace("\"m1\"", "\"m0\"");
    assert!(matches!(
        RosterDraft::from_toml(&twice),
        Err(RosterError::DuplicateName { .. })
    ));
    let twice = two
        .to_toml()
        .replace(&key(2).to_string(), &key(1).to_string());
    assert!(matches!(
        RosterDraft::from_toml(&twice),
        Err(RosterError::DuplicateKey { .. })
    ));
}

// spec: [roster.slots]
#[test]
fn slots_start_at_zero_and_leave_no_gap() {
    for (from, to) in [
        ("slot = 0", "slot = 1"),
        ("slot = 1", "slot = 2"),
        ("slot = 2", "slot = 1"),
    ] {
        let text = draft(3).to_toml().replace(from, to);
        let found = RosterDraft::from_toml(&text);
        assert!(
            matches!(found, Err(RosterError::SlotOrder { .. })),
            "{from} to {to}"
        );
        let text = signed(draft(3), 1).unwrap().to_toml().replace(from, to);
        assert!(matches!(read(&text), Err(RosterError::SlotOrder { .. })));
    }
}

// spec: [roster.slots]
#[test]
fn removing_a_member_moves_those_behind_it_up() {
    let mut draft = draft(4);
    assert_eq!(draft.remove("m1").unwrap().key, key(2));
    let left: Vec<_> = draft
        .members()
        .iter()
        .map(|m| (m.slot.0, m.name.as_str()))
        .collect();
    assert_eq!(left, [(0, "m0"), (1, "m2"), (2, "m3")]);
    assert_eq!(draft.slot_of(&key(3)), Some(Slot(1)));
    assert_eq!(draft.slot_of(&key(2)), None);
    assert_eq!(
        draft.remove("m1"),
        Err(RosterError::NoSuchMember { name: "m1".into() })
    );
    assert_eq!(draft.add(name("m1"), key(2)), Ok(Slot(3)));
}

// spec: [roster.last-round]
#[test]
fn the_last_round_has_a_range() {
    for (round, good) in [
        (0, false),
        (1, true),
        (1 << 32, true),
        ((1 << 32) + 1, false),
    ] {
        let found = draft(1).set_last_round(Round(round));
        assert_eq!(found.is_ok(), good, "{round}");
        let text = draft(1).to_toml().replace("= 1000", &format!("= {round}"));
        assert_eq!(RosterDraft::from_toml(&text).is_ok(), good, "{round}");
    }
}

// spec: [roster.text]
#[test]
fn text_that_is_no_roster_says_what_was_found_and_where() {
    let text = draft(2).to_toml();
    for (from, to, says) in [
        ("federation =", "federatoin =", "unknown field `federatoin`"),
        ("slot = 1", "slot = 1\nrole = 3", "unknown field `role`"),
        ("last_round = 1000", "", "missing field `last_round`"),
        ("last_round = 1000", "last_round = -1", "-1"),
        (
            "\"clinics\"",
            "\"cli nics\"",
            "line 5: name has the character ' '",
        ),
        ("\"clinics\"", "\"\"", "name has 0 characters"),
        ("version = 1", "version = 1\nversion = 1", "duplicate key"),
        (
            "version = 1",
            "version = 2",
            "roster file has version 2, wanted 1",
        ),
        (
            &key(1).to_string(),
            "00",
            "public key is not 64 hex digits (found 2",
        ),
        (&key(1).to_string(), &"0".repeat(64), "point of small order"),
        ("[[members]]", "[[members]", "line 10"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = RosterDraft::from_toml(&text.replacen(from, to, 1))
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
        assert_eq!(error.lines().count(), 1, "{error:?}");
    }
}

// spec: [roster.text]
#[test]
fn a_signature_of_another_length_is_refused() {
    let roster = signed(draft(2), 1).unwrap();
    let error = read(
        &roster
            .to_toml()
            .replace(&roster.signature().to_string(), "ab"),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("found 2 characters, wanted 128 hex digits"),
        "{error}"
    );
}

// spec: [roster.size]
#[test]
fn a_roster_is_full_at_its_limit() {
    // Members are stand-ins that skip the curve: only the count matters.
    let mut members = members::Members::default();
    for index in 0..MAX_MEMBERS {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&index.to_be_bytes());
        members
            .push(name(&format!("m{index}")), PublicKey::stand_in(bytes))
            .unwrap();
    }
    assert_eq!(
        members.push(name("more"), key(1)),
        Err(RosterError::TooMany)
    );
    assert_eq!(
        members.slot_of(&PublicKey::stand_in([0; 32])),
        Some(Slot(0))
    );
}

proptest! {
    #[test]
    fn reading_never_panics(text in "\\PC{0,200}") {
        prop_assert!(read(&text).is_err());
        let _ = RosterDraft::from_toml(&text);
    }

    #[test]
    fn a_damaged_byte_never_yields_another_roster(position in 0_usize..1200, byte in 0x20_u8..0x7f) {
        let roster = signed(draft(3), 1).unwrap();
        let mut text = roster.to_toml().into_bytes();
        let position = position % text.len();
        text[position] = byte;
        if let Ok(read) = read(str::from_utf8(&text).unwrap()) {
            prop_assert_eq!(read, roster, "only comments, spaces and the case of hex digits may differ");
        }
    }
}

const GOLDEN_DIGEST: &str = "6a4c4bc08557c87f3b483f2051dba8d086ec6a85e17bce433324bbfaa5585280";
const GOLDEN_SIGNATURE: &str = "aece2e3761750003068ebc63d6c26b5aae339d0b48590c255f5c8aa0d85f1734\
    0218351afb3a4682566810d18a1d1600f512637cd7f706401a7d2874452f240e";
const GOLDEN_WITH_TASKS: &str = "440e6e5a5673294e6d24fdff3c9c1084bd24b2f6be728426058fc712cb6f2bf2";
const GOLDEN_SIGNATURE_WITH_TASKS: &str = "9a7b40f67eadbd667ae9bd33855a26f703e2365c235ce597d3add6d9f6851dfe\
     344398c80c038c10acf889b2138e744ca956668fa5630a2730b274c2242f1805";

//! R6, R7, R8: nothing of a round is the coordinator's choice, one vector per session, one input per sum, a ledger that holds.

use std::sync::Arc;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Attempt, Round, Slot};
use veilsum_proto::ledger::{Entry, Ledger, LedgerError, LedgerRefusal, LedgerState, MemoryLedger};
use veilsum_proto::member::{Floors, Member, PrivacyFloors, Reply};
use veilsum_proto::message::{Body, Message, Open};
use veilsum_proto::parameters::{Amount, GraphChoice};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::roster::{Roster, RosterDraft, RosterError};
use veilsum_proto::task::TaskError;
use veilsum_sim::{Federation, identity};
use veilsum_tests::{Play, Setup};

fn open(play: &Play) -> Open {
    match play.due(0) {
        Some(Body::Open(open)) => open,
        due => panic!("found {:?}", due.map(|body| body.name())),
    }
}

fn invited(play: &Play, open: &Open, floors: Floors) -> Result<Member, Refusal> {
    let identity = play.players[&Slot(0)].identity.clone();
    let roster = play.federation.roster().clone();
    Member::invited(open, roster, identity, floors, &MemoryLedger::default())
}

// --- R6

// spec: [open.parameters]
#[test]
fn parameters_other_than_the_derived_ones_are_refused() {
    let play = Play::new(&Setup::new(7, 1, 2), &[]);
    let right = open(&play);
    assert!(invited(&play, &right, Floors::default()).is_ok());
    type Lie = fn(&mut veilsum_proto::parameters::Parameters);
    let lies: [(&str, Lie); 11] = [
        ("n", |p| p.n -= 1),
        ("c", |p| p.c = 0),
        ("d", |p| p.d += 1),
        ("k", |p| p.k = 4),
        ("t", |p| p.t = 2),
        ("h", |p| p.h = Some(1)),
        ("m", |p| p.m = 3),
        ("c_m", |p| p.c_m = 0),
        ("q", |p| p.q -= 1),
        ("f", |p| p.f = 2),
        ("tolerated", |p| p.tolerated = Some(2)),
    ];
    for (name, lie) in lies {
        let mut open = right.clone();
        lie(&mut open.parameters);
        assert_eq!(
            invited(&play, &open, Floors::default()).err(),
            Some(Refusal::Parameters),
            "{name}"
        );
    }
    play.assert_known(&[]);
}

// spec: [open.roster]
#[test]
fn another_roster_is_refused_be_it_for_one_key_or_for_its_randomness() {
    let play = Play::new(&Setup::new(7, 1, 2), &[]);
    let want = play.federation.roster().digest();
    // Signed once more by the authority: same members, fresh randomness.
    let draft = Roster::clone(play.federation.roster()).into_draft();
    let authority = identity(1, "authority", 0);
    let signed = draft.sign(&authority, &mut rand_chacha_from(5)).unwrap();
    assert_ne!(signed.randomness(), play.federation.roster().randomness());
    for got in [
        signed.digest(),
        Federation::new(7, 2).unwrap().roster().digest(),
    ] {
        let mut open = open(&play);
        open.roster = got;
        assert_eq!(
            invited(&play, &open, Floors::default()).err(),
            Some(Refusal::Roster { got, want })
        );
    }
    play.assert_known(&[]);
}

// spec: [roster.signature] [roster.randomness]
#[test]
fn a_coordinator_cannot_sign_a_roster_with_randomness_of_its_own() {
    let play = Play::new(&Setup::new(7, 1, 2), &[]);
    let roster = play.federation.roster();
    let draft = Roster::clone(roster).into_draft();
    let own = draft
        .sign(play.federation.coordinator(), &mut rand_chacha_from(5))
        .unwrap_err();
    assert!(matches!(own, RosterError::NotTheAuthority { .. }), "{own}");
    // Randomness exchanged in the signed file.
    let text = roster.to_toml();
    let (old, new) = (hex::encode(roster.randomness()), hex::encode([5; 32]));
    assert!(text.contains(&old));
    let forged = Roster::from_toml(&text.replace(&old, &new), &roster.authority());
    assert!(
        matches!(forged, Err(RosterError::Signature { .. })),
        "{forged:?}"
    );
    assert!(Roster::from_toml(&text, &roster.authority()).is_ok());
    // A roster of another authority, which the coordinator may be itself.
    let other = RosterDraft::new(
        roster.federation().clone(),
        play.federation.coordinator().public(),
        identity(1, "other", 0).public(),
    );
    let mut other = other;
    for member in roster.members() {
        other.add(member.name.clone(), member.key).unwrap();
    }
    let other = other
        .sign(play.federation.coordinator(), &mut rand_chacha_from(5))
        .unwrap();
    let refused = Roster::from_toml(&other.to_toml(), &roster.authority()).unwrap_err();
    assert!(
        matches!(refused, RosterError::UnacceptedAuthority { .. }),
        "{refused}"
    );
}

fn rand_chacha_from(seed: u64) -> rand_chacha::ChaCha20Rng {
    use rand_chacha::rand_core::SeedableRng as _;
    rand_chacha::ChaCha20Rng::seed_from_u64(seed)
}

// spec: [open.round] [open.attempt]
#[test]
fn rounds_beyond_the_rosters_last_and_attempts_beyond_the_tasks_limit_are_refused() {
    let play = Play::new(&Setup::new(7, 1, 2), &[]);
    let last = play.federation.roster().last_round();
    let mut late = open(&play);
    late.round = Round(last.0 + 1);
    let got = late.round;
    assert_eq!(
        invited(&play, &late, Floors::default()).err(),
        Some(Refusal::LastRound { got, last })
    );
    late.round = Round(0);
    assert_eq!(
        invited(&play, &late, Floors::default()).err(),
        Some(Refusal::RoundZero)
    );
    late.round = last;
    assert!(invited(&play, &late, Floors::default()).is_ok());
    late.attempt = Attempt(3);
    assert_eq!(
        invited(&play, &late, Floors::default()).err(),
        Some(Refusal::LastAttempt {
            got: Attempt(3),
            max: 3
        })
    );
}

// spec: [join.policy]
#[test]
fn a_task_below_the_sites_floors_is_refused() {
    let play = Play::new(&Setup::new(7, 1, 2), &[]);
    let open = open(&play);
    let refused = |floors: Floors| match invited(&play, &open, floors) {
        Err(Refusal::Policy { what, got, want }) => (what, got, want),
        other => panic!("found {other:?}"),
    };
    let floors = Floors {
        survivors: 6,
        ..Floors::default()
    };
    assert_eq!(
        refused(floors),
        ("floor of the task", "5".into(), "at least 6".into())
    );
    let floors = Floors {
        corrupt: 2,
        ..Floors::default()
    };
    assert_eq!(
        refused(floors),
        ("corrupt members tolerated", "1".into(), "at least 2".into())
    );
    let floors = Floors {
        privacy: PrivacyFloors {
            required: true,
            ..PrivacyFloors::default()
        },
        ..Floors::default()
    };
    assert_eq!(refused(floors).0, "differential privacy");
    play.assert_known(&[]);
}

// spec: [open.parameters] [open.slot]
#[test]
fn a_key_without_a_slot_takes_no_part() {
    let play = Play::new(&Setup::new(7, 1, 2), &[]);
    let stranger = Arc::new(Identity::from_secret_bytes(&[9; 32]));
    let roster = play.federation.roster().clone();
    let outcome = Member::invited(
        &open(&play),
        roster,
        stranger,
        Floors::default(),
        &MemoryLedger::default(),
    );
    assert_eq!(outcome.err(), Some(Refusal::NotInRound("the roster")));
    play.assert_known(&[]);
}

// spec: [open.parameters]
#[test]
fn a_task_that_its_roster_cannot_carry_is_refused_at_the_invitation() {
    let play = Play::new(&Setup::new(7, 1, 2), &[]);
    let large = Play::new(&Setup::new(12, 3, 4), &[]);
    let mut open = open(&play);
    open.task = large.context.task.encode().to_vec();
    let refused = invited(&play, &open, Floors::default()).unwrap_err();
    assert!(
        matches!(refused, Refusal::Task(TaskError::Parameters(_))),
        "{refused}"
    );
    open.task.push(0);
    let refused = invited(&play, &open, Floors::default()).unwrap_err();
    assert!(
        matches!(refused, Refusal::Task(TaskError::LeftOver { found: 1 })),
        "{refused}"
    );
}

// spec: [graph.slots] [graph.ring]
#[test]
fn the_ring_follows_from_roster_and_round_alone() {
    let setup = Setup::new(201, 2, 4);
    let mut play = Play::new(&setup, &[]);
    let order = |play: &Play| play.context.graph.ring_order().unwrap().to_vec();
    let (ring, committee) = (order(&play), play.context.graph.electorate().to_vec());
    play.reopen(1, 1);
    assert_eq!(
        (order(&play), play.context.graph.electorate().to_vec()),
        (ring.clone(), committee),
        "another attempt"
    );
    let mut spec = setup.spec();
    spec.corrupt = Amount::Count(3);
    spec.graph = GraphChoice::Auto;
    play.reopen(2, 0);
    assert_ne!(order(&play), ring, "another round");
}

// --- R7

// spec: [upload.duplicate]
#[test]
fn one_vector_leaves_a_member_per_session() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.run_to(PhaseName::Upload);
    let set = play.share_set(&play.all_but(&[]));
    assert_eq!(play.tell(0, set.clone()), Ok(Reply::Contribute));
    let (header, first) = play.upload(0).unwrap();
    let mut row = play.row(0);
    row[0] ^= 1;
    for row in [play.row(0), row] {
        assert_eq!(
            play.upload_row(0, row).err(),
            Some(Refusal::WrongPhase {
                got: "upload",
                phase: "uploading"
            })
        );
    }
    // What is resent are the first bytes: the Share set again asks for nothing new.
    assert_eq!(play.tell(0, set), Ok(Reply::Nothing));
    assert_eq!(first.limbs(), play.context.plan.limbs());
    play.assert_known(&[]);
    play.say(0, header).unwrap();
    let stored = play.send_update(0, &first).unwrap();
    play.tell(0, stored).unwrap();
    play.assert_exact(0..5);
}

// spec: [upload.record]
#[test]
fn a_contribution_of_another_length_is_not_masked() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.run_to(PhaseName::Upload);
    let set = play.share_set(&play.all_but(&[]));
    play.tell(0, set).unwrap();
    let mut long = Setup::new(5, 1, 1);
    long.coordinates = 400;
    let other = Play::new(&long, &[]);
    let (contribution, digest) = other.contribution(other.row(0));
    let (got, want) = (contribution.limbs(), play.context.plan.limbs());
    let player = play.players.get_mut(&Slot(0)).unwrap();
    let outcome = player
        .machine
        .as_mut()
        .unwrap()
        .upload(contribution, digest, &mut player.ledger);
    assert_eq!(outcome.err(), Some(Refusal::WrongLength { got, want }));
    play.upload(0).unwrap();
}

/// Attempt 0 ends after `phase`, before anybody signed.
fn broken_off(phase: PhaseName) -> Play {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[4]);
    play.run_to(phase);
    play.act_all();
    play
}

// spec: [upload.reuse]
#[test]
fn a_retry_carries_the_same_update_or_none() {
    let mut play = broken_off(PhaseName::Upload);
    assert!(play.reopen(1, 1).is_empty());
    play.run_to(PhaseName::Upload);
    let set = play.share_set(&play.all_but(&[]));
    play.tell(0, set).unwrap();
    let mut row = play.row(0);
    row[0] ^= 1;
    assert_eq!(
        play.upload_row(0, row).err(),
        Some(LedgerRefusal::OtherUpdate { round: Round(1) }.into())
    );
    // Twice the same input, each time under masks of its own.
    play.upload(0).unwrap();
    play.assert_known(&[]);
}

// spec: [advertise.fresh] [attempt.retry]
#[test]
fn a_retry_before_signing_has_fresh_secrets_and_an_exact_sum() {
    let mut play = broken_off(PhaseName::Share);
    let Body::Adverts(old) = play
        .log
        .iter()
        .rev()
        .find(|message| matches!(message.body, Body::Adverts(_)))
        .unwrap()
        .body
        .clone()
    else {
        unreachable!()
    };
    assert!(play.reopen(1, 1).is_empty());
    play.run_to(PhaseName::Share);
    let new = play.due_adverts(4);
    for (old, new) in old.neighbours.iter().zip(&new.neighbours) {
        assert_eq!(old.advert.slot, new.advert.slot);
        assert_ne!(old.advert.seal_key, new.advert.seal_key);
        assert_ne!(old.advert.mask_key, new.advert.mask_key);
        assert_ne!(old.advert.commitment, new.advert.commitment);
    }
    play.assert_exact(0..5);
}

// spec: [attempt.retry] [upload.reuse]
#[test]
fn after_uploads_without_signatures_the_next_attempt_gives_the_one_sum() {
    let mut play = broken_off(PhaseName::Upload);
    assert!(play.reopen(1, 1).is_empty());
    play.assert_exact(0..5);
}

// spec: [join.closed]
#[test]
fn who_signed_or_saw_a_certificate_joins_no_further_attempt() {
    let mut play = Play::new(&Setup::new(6, 1, 2), &[5]);
    play.run_to(PhaseName::Confirm);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    let mut signed = (0..4)
        .map(|slot| play.ask(slot, &set).unwrap())
        .collect::<Vec<_>>();
    signed.push(play.forged_signature(5, &set));
    // Member 4 was not asked to sign; the certificate binds it all the same.
    play.certify(4, &set, signed).unwrap();
    let refusals = play.reopen(1, 1);
    for slot in 0..5 {
        assert_eq!(
            refusals.get(&Slot(slot)),
            Some(&LedgerRefusal::RoundClosed { round: Round(1) }.into()),
            "slot {slot}"
        );
    }
    assert!(
        play.reopen(2, 0).is_empty(),
        "another round is another update"
    );
    play.assert_known(&[]);
}

// spec: [upload.reuse]
#[test]
fn an_update_goes_into_one_round_unless_the_site_says_otherwise() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.assert_exact(0..5);
    let task = play.context.task_digest;
    play.players.get_mut(&Slot(1)).unwrap().floors.reuse_update = true;
    assert!(play.reopen(2, 0).is_empty());
    play.run_to(PhaseName::Upload);
    let set = play.share_set(&play.all_but(&[]));
    for slot in 0..2 {
        play.tell(slot, set.clone()).unwrap();
    }
    let used = LedgerRefusal::UpdateUsed {
        task,
        round: Round(1),
    };
    assert_eq!(
        used.to_string(),
        format!("update already used in round 1 of task {task}")
    );
    assert_eq!(play.upload(0).err(), Some(used.into()));
    play.upload(1).unwrap();
    let mut row = play.row(0);
    row[3] ^= 1;
    play.upload_row(0, row).unwrap();
    play.assert_known(&[&[0, 1, 2, 3, 4]]);
}

// spec: [join.ledger]
#[test]
fn earlier_rounds_equal_attempts_and_retries_against_policy_are_refused() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.players.get_mut(&Slot(1)).unwrap().floors.retry = false;
    play.reopen(7, 1);
    for slot in 0..3 {
        play.advertise(slot).unwrap();
    }
    let refusals = play.reopen(6, 0);
    let old = LedgerRefusal::OldRound {
        got: Round(6),
        had: Round(7),
    };
    assert_eq!(refusals.get(&Slot(0)), Some(&old.into()));
    for attempt in [0, 1] {
        let refusals = play.reopen(7, attempt);
        let old = LedgerRefusal::OldAttempt {
            round: Round(7),
            got: Attempt(attempt),
            had: Attempt(1),
        };
        assert_eq!(refusals.get(&Slot(0)), Some(&old.into()));
    }
    let refusals = play.reopen(7, 2);
    let never = LedgerRefusal::NoRetry {
        round: Round(7),
        got: Attempt(2),
    };
    assert_eq!(
        refusals.into_iter().collect::<Vec<_>>(),
        [(Slot(1), never.into())]
    );
}

// spec: [join.ledger]
#[test]
fn a_round_is_joined_under_one_roster_only() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.advertise(0).unwrap();
    let had = play.federation.roster().digest();
    let draft = Roster::clone(play.federation.roster()).into_draft();
    let roster = Arc::new(
        draft
            .sign(&identity(1, "authority", 0), &mut rand_chacha_from(5))
            .unwrap(),
    );
    let got = roster.digest();
    let mut open = play.context.open();
    (open.roster, open.attempt) = (got, Attempt(1));
    let player = &play.players[&Slot(0)];
    let outcome = Member::invited(
        &open,
        roster,
        player.identity.clone(),
        Floors::default(),
        &player.ledger,
    );
    assert_eq!(
        outcome.err(),
        Some(
            LedgerRefusal::OtherRoster {
                round: Round(1),
                had,
                got
            }
            .into()
        )
    );
}

// --- R8

// spec: [join.ledger] [advertise.fresh]
#[test]
fn a_member_restarted_in_an_attempt_has_vanished_from_it() {
    for phase in [
        PhaseName::Share,
        PhaseName::Accept,
        PhaseName::Upload,
        PhaseName::Confirm,
    ] {
        let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
        play.run_to(phase);
        // Memory is gone, the ledger is not.
        let old = LedgerRefusal::OldAttempt {
            round: Round(1),
            got: Attempt(0),
            had: Attempt(0),
        };
        assert_eq!(play.invite(0), Err(old.into()), "{phase}");
        play.players.get_mut(&Slot(0)).unwrap().machine = None;
        play.assert_exact(if phase == PhaseName::Confirm {
            0..5
        } else {
            1..5
        });
    }
}

// spec: [confirm.once] [confirm.record]
#[test]
fn a_member_that_lost_its_memory_after_signing_does_not_sign_again() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[4]);
    // A machine of attempt 1 exists before attempt 0 is signed, as in a process that runs twice on one ledger.
    play.run_to(PhaseName::Confirm);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    assert!(play.reopen(1, 1).is_empty());
    play.run_to(PhaseName::Confirm);
    let again = play.survivor_set(&all, &all);
    assert_ne!(set.sid2, again.sid2);
    // The other process signs attempt 0.
    let survivors = veilsum_proto::session::survivors_digest(&set.sid2, &set.survivors);
    let (task, round) = (play.context.task_digest, play.context.round);
    let entry = Entry::Signed {
        task,
        round,
        sid2: set.sid2,
        survivors,
    };
    play.players
        .get_mut(&Slot(0))
        .unwrap()
        .ledger
        .record(entry)
        .unwrap();
    assert_eq!(
        play.ask(0, &again),
        Err(LedgerRefusal::SignedBefore { round }.into())
    );
    // And a certificate of this attempt by the others is not answered either.
    let mut signed = (1..4)
        .map(|slot| play.ask(slot, &again).unwrap())
        .collect::<Vec<_>>();
    signed.push(play.forged_signature(4, &again));
    assert_eq!(
        play.certify(0, &again, signed),
        Err(Refusal::OtherSurvivors)
    );
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

// spec: [attempt.superseded]
#[test]
fn a_machine_of_an_earlier_attempt_does_nothing_more_once_a_later_one_advertised() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[4]);
    play.run_to(PhaseName::Confirm);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    let mut signed = (1..4)
        .map(|slot| play.ask(slot, &set).unwrap())
        .collect::<Vec<_>>();
    signed.push(play.forged_signature(4, &set));
    // Somebody kept the machine of attempt 0 and started one of attempt 1 beside it.
    let old = play.players.get_mut(&Slot(0)).unwrap().machine.take();
    play.reopen(1, 1);
    play.advertise(0).unwrap();
    play.players.get_mut(&Slot(0)).unwrap().machine = old;
    let superseded = LedgerRefusal::Superseded {
        round: Round(1),
        got: Attempt(0),
        had: Attempt(1),
    };
    assert_eq!(play.ask(0, &set), Err(superseded.clone().into()));
    assert_eq!(play.certify(0, &set, signed), Err(superseded.into()));
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

/// A ledger on a full disk: it reads, it does not write.
struct FullDisk(LedgerState);

impl Ledger for FullDisk {
    fn state(&self) -> Result<&LedgerState, LedgerError> {
        Ok(&self.0)
    }

    fn record(&mut self, _: Entry) -> Result<(), LedgerError> {
        Err(LedgerError("no space left".into()))
    }
}

/// A ledger that is gone.
struct Lost;

impl Ledger for Lost {
    fn state(&self) -> Result<&LedgerState, LedgerError> {
        Err(LedgerError("missing".into()))
    }

    fn record(&mut self, _: Entry) -> Result<(), LedgerError> {
        Err(LedgerError("missing".into()))
    }
}

// spec: [join.ledger] [upload.record] [confirm.record] [reveal.record] [advertise.record] [ledger.durable]
#[test]
fn nothing_leaves_a_member_whose_ledger_cannot_be_written() {
    let full = Refusal::Ledger(LedgerError("no space left".into()));
    let missing = Refusal::Ledger(LedgerError("missing".into()));

    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    let player = play.players.get_mut(&Slot(0)).unwrap();
    let outcome = Member::invited_in(
        play.context.clone(),
        player.identity.clone(),
        Floors::default(),
        &Lost,
    );
    assert_eq!(outcome.err(), Some(missing));
    let machine = player.machine.as_mut().unwrap();
    let mut disk = FullDisk(LedgerState::default());
    assert_eq!(
        machine.advertise(&mut disk, play.now, &mut player.rng),
        Err(full.clone())
    );

    play.run_to(PhaseName::Upload);
    let set = play.share_set(&play.all_but(&[]));
    play.tell(0, set).unwrap();
    let (contribution, digest) = play.contribution(play.row(0));
    let player = play.players.get_mut(&Slot(0)).unwrap();
    let mut disk = FullDisk(player.ledger.state().unwrap().clone());
    let machine = player.machine.as_mut().unwrap();
    assert_eq!(
        machine.upload(contribution, digest, &mut disk).err(),
        Some(full.clone())
    );

    play.run_to(PhaseName::Confirm);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    let (now, signed) = (
        play.now,
        (1..5).map(|slot| play.ask(slot, &set).unwrap()).collect(),
    );
    let player = play.players.get_mut(&Slot(0)).unwrap();
    let machine = player.machine.as_mut().unwrap();
    let certificate = veilsum_proto::message::Certificate {
        set: set.clone(),
        signatures: signed,
    };
    for message in [Message::new(set), Message::new(certificate)] {
        let mut disk = FullDisk(player.ledger.state().unwrap().clone());
        assert_eq!(
            machine.receive(&message, &mut disk, now, &mut player.rng),
            Err(full.clone())
        );
    }
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

// spec: [join.ledger] [upload.record] [confirm.record] [reveal.record] [advertise.record]
#[test]
fn each_act_is_in_the_ledger_in_order() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.assert_exact(0..5);
    let acts = play.players[&Slot(0)]
        .ledger
        .entries()
        .iter()
        .map(|entry| match entry {
            Entry::Advert { .. } => "advert",
            Entry::Charged { .. } => "charged",
            Entry::Update { .. } => "update",
            Entry::Signed { .. } => "signed",
            Entry::Certified { .. } => "certified",
            Entry::Closed { .. } => "closed",
        });
    assert_eq!(acts.collect::<Vec<_>>(), ["advert", "update", "signed"]);
}

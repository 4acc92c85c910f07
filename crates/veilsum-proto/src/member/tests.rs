//! Four members and a coordinator, by hand, up to the line that each test is about.

mod floors;
mod sessions;

use super::*;
use crate::coordinator::Coordinator;
use crate::ids::{Attempt, ModelDigest, Round};
use crate::ledger::{LedgerError, LedgerRefusal, LedgerState, MemoryLedger};
use crate::message::{Deadlines, ShareAnswer, ShareRequest, ShareWanted, Shares};
use crate::parameters::{Amount, ElectorateChoice, GraphChoice};
use crate::roster::{Name, RosterDraft};
use crate::task::TaskSpec;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use veilsum_encode::{
    Dtype, Encoding, Manifest, Tensor, TensorData, TensorSpec, Update, Weight, contribute,
};

pub(crate) const MEMBERS: u32 = 4;
const NOW: Now = Duration::ZERO;

/// Four members with their ledgers.
pub(crate) struct House {
    pub(crate) roster: Arc<Roster>,
    pub(crate) coordinator: Identity,
    pub(crate) identities: Vec<Arc<Identity>>,
    pub(crate) ledgers: Vec<MemoryLedger>,
    rng: ChaCha20Rng,
}

/// Members of one attempt, with its coordinator.
pub(crate) struct Attempted {
    pub(crate) context: Arc<RoundContext>,
    pub(crate) members: Vec<Member>,
    pub(crate) coordinator: Option<Coordinator>,
}

impl House {
    pub(crate) fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let name = |text: String| Name::try_from(text).unwrap();
        let authority = Identity::generate(&mut rng);
        let coordinator = Identity::generate(&mut rng);
        let mut draft = RosterDraft::new(
            name("house".into()),
            authority.public(),
            coordinator.public(),
        );
        let identities = (0..MEMBERS).map(|index| {
            let identity = Arc::new(Identity::generate(&mut rng));
            draft
                .add(name(format!("m{index}")), identity.public())
                .unwrap();
            identity
        });
        let identities = identities.collect();
        Self {
            roster: Arc::new(draft.sign(&authority, &mut rng).unwrap()),
            coordinator,
            identities,
            ledgers: (0..MEMBERS).map(|_| MemoryLedger::default()).collect(),
            rng,
        }
    }

    pub(crate) fn attempt(&mut self, attempt: u32) -> Attempted {
        let context = RoundContext::new(
            Task::new(task()).unwrap(),
            self.roster.clone(),
            Round(7),
            Attempt(attempt),
            ModelDigest([0; 32]),
            Deadlines::default(),
        );
        let context = Arc::new(context.unwrap());
        let mut coordinator = Coordinator::open(context.clone());
        let mut members = Vec::new();
        for (identity, ledger) in self.identities.iter().zip(&mut self.ledgers) {
            let mut member = Member::invited(
                &context.open(),
                self.roster.clone(),
                identity.clone(),
                Floors::default(),
                ledger,
            )
            .unwrap();
            let advert = member.advertise(ledger, NOW, &mut self.rng).unwrap();
            coordinator.receive(member.slot(), &advert).unwrap();
            members.push(member);
        }
        Attempted {
            context,
            members,
            coordinator: Some(coordinator.close(&mut Vec::new())),
        }
    }

    /// One trip: every member gets what is due to it, and the coordinator gets the answers.
    pub(crate) fn trip(&mut self, attempt: &mut Attempted) -> Vec<Reply> {
        let coordinator = attempt.coordinator.as_mut().unwrap();
        let mut replies = Vec::new();
        for (member, ledger) in attempt.members.iter_mut().zip(&mut self.ledgers) {
            let Some(message) = coordinator.message_for(member.slot()) else {
                continue;
            };
            let reply = member
                .receive(&message, ledger, NOW, &mut self.rng)
                .unwrap();
            if let Reply::Send(message) = &reply {
                coordinator.receive(member.slot(), message).unwrap();
            }
            replies.push(reply);
        }
        replies
    }

    pub(crate) fn upload(&mut self, attempt: &mut Attempted, slot: u32) -> Result<(), Refusal> {
        let contribution = contribution(&attempt.context, i64::from(slot));
        let (ledger, member) = self.of(attempt, slot);
        let (header, masked) =
            member.upload(contribution, UpdateDigest([slot as u8; 32]), ledger)?;
        let coordinator = attempt.coordinator.as_mut().unwrap();
        coordinator.receive(Slot(slot), &header).unwrap();
        let stored = coordinator.receive_update(Slot(slot), &masked).unwrap();
        self.give(attempt, slot, &Message::new(stored)).unwrap();
        Ok(())
    }

    pub(crate) fn give(
        &mut self,
        attempt: &mut Attempted,
        slot: u32,
        message: &Message,
    ) -> Result<Reply, Refusal> {
        let member = &mut attempt.members[slot as usize];
        member.receive(
            message,
            &mut self.ledgers[slot as usize],
            NOW,
            &mut self.rng,
        )
    }

    fn of<'a>(
        &'a mut self,
        attempt: &'a mut Attempted,
        slot: u32,
    ) -> (&'a mut MemoryLedger, &'a mut Member) {
        (
            &mut self.ledgers[slot as usize],
            &mut attempt.members[slot as usize],
        )
    }
}

impl Attempted {
    pub(crate) fn close(&mut self) {
        let coordinator = self.coordinator.take().unwrap();
        self.coordinator = Some(coordinator.close(&mut Vec::new()));
    }

    pub(crate) fn due(&self, slot: u32) -> Message {
        let coordinator = self.coordinator.as_ref().unwrap();
        coordinator.message_for(Slot(slot)).unwrap()
    }
}

/// Sums three integers; one corrupt member, one drop-out.
fn task() -> TaskSpec {
    let tensor = TensorSpec {
        name: "x".into(),
        shape: vec![3],
        dtype: Dtype::I64,
    };
    TaskSpec {
        name: Name::try_from("sum".to_owned()).unwrap(),
        manifest: Manifest::new(vec![tensor]).unwrap(),
        encoding: Encoding::Integer { min: 0, max: 100 },
        corrupt: Amount::Count(1),
        dropout: Amount::Count(1),
        floor: None,
        graph: GraphChoice::Auto,
        electorate: ElectorateChoice::Auto,
        cohort: None,
        max_attempts: 3,
        noise: None,
    }
}

pub(crate) fn contribution(context: &RoundContext, value: i64) -> Contribution {
    let tensor = Tensor {
        shape: vec![3],
        data: TensorData::I64(vec![value; 3]),
    };
    let tensors = [("x".to_owned(), tensor)].into_iter().collect();
    let update = Update::new(context.task.manifest(), tensors).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let weight = Weight::new(1).unwrap();
    let seed = context.rotation_seed();
    contribute(update, &context.plan, weight, &seed, &mut rng)
        .unwrap()
        .0
}

/// Shares and accepts: the Share set stands, all are ready.
pub(crate) fn ready(house: &mut House, attempt: &mut Attempted) {
    for _ in 0..2 {
        house.trip(attempt);
        attempt.close();
    }
    let replies = house.trip(attempt);
    assert_eq!(replies.len(), 4);
    assert!(replies.iter().all(|reply| *reply == Reply::Contribute));
}

fn is_superseded<T: fmt::Debug>(outcome: Result<T, Refusal>) -> bool {
    matches!(
        outcome,
        Err(Refusal::Forbidden(LedgerRefusal::Superseded {
            got: Attempt(0),
            had: Attempt(1),
            ..
        }))
    )
}

// spec: [attempt.superseded]
#[test]
fn an_earlier_attempt_uploads_nothing_once_a_later_one_was_advertised_in() {
    let mut house = House::new();
    let mut first = house.attempt(0);
    ready(&mut house, &mut first);
    house.attempt(1);
    assert!(is_superseded(house.upload(&mut first, 2)));
}

// spec: [attempt.superseded]
#[test]
fn an_earlier_attempt_signs_and_reveals_nothing_once_a_later_one_was_advertised_in() {
    let mut house = House::new();
    let mut first = house.attempt(0);
    ready(&mut house, &mut first);
    for slot in 0..MEMBERS {
        house.upload(&mut first, slot).unwrap();
    }
    first.close();
    let survivors = first.due(3);
    for slot in 0..3 {
        let due = first.due(slot);
        let Ok(Reply::Send(confirmation)) = house.give(&mut first, slot, &due) else {
            panic!("slot {slot} did not sign");
        };
        let coordinator = first.coordinator.as_mut().unwrap();
        coordinator.receive(Slot(slot), &confirmation).unwrap();
    }
    first.close();
    let certificate = first.due(3);

    // Slot 3 has signed nothing, so it may join the next attempt; from then on the first is over for it.
    let context = first.context.clone();
    house.ledgers[3]
        .record(Entry::Advert {
            task: context.task_digest,
            roster: context.roster.digest(),
            round: context.round,
            attempt: Attempt(1),
        })
        .unwrap();
    assert!(is_superseded(house.give(&mut first, 3, &survivors)));
    assert!(is_superseded(house.give(&mut first, 3, &certificate)));
}

// spec: [reveal.shares] [reveal.wipe-opposite] [reveal.self-of-survivor] [reveal.root-of-dropped] [reveal.header]
#[test]
fn a_holder_gives_the_one_share_that_the_certificate_allows() {
    let mut house = House::new();
    let mut round = house.attempt(0);
    ready(&mut house, &mut round);
    for slot in 0..3 {
        house.upload(&mut round, slot).unwrap();
    }
    round.close();
    let header = {
        let (sid, sid2) = match round.due(1).body {
            Body::SurvivorSet(set) => (set.sid, set.sid2),
            other => panic!("{} is due", other.name()),
        };
        let limbs = round.context.plan.limbs() as u64;
        let header = crate::message::UploadHeader {
            sid,
            sid2,
            slot: Slot(1),
            limbs,
            signature: crate::message::UNSIGNED,
        };
        header.signed(&house.identities[1])
    };
    house.trip(&mut round);
    round.close();
    let certificate = round.due(0);
    house.give(&mut round, 0, &certificate).unwrap();

    // signed as it should be, but for another session or another Share set
    let elsewhere = [
        (crate::ids::Sid([9; 32]), header.sid2),
        (header.sid, crate::ids::Sid2([9; 32])),
    ];
    let elsewhere = elsewhere.map(|(sid, sid2)| {
        let other = crate::message::UploadHeader {
            sid,
            sid2,
            ..header.clone()
        };
        other.signed(&house.identities[1])
    });
    let mut ask = |wanted| {
        let request = Message::new(ShareRequest {
            sid2: header.sid2,
            wanted: vec![wanted],
        });
        house.give(&mut round, 0, &request)
    };
    let Ok(Reply::Send(Message {
        body: Body::Shares(Shares { answers, .. }),
        ..
    })) = ask(ShareWanted::SelfSeed(header.clone()))
    else {
        panic!("no share of a survivor's self seed");
    };
    assert!(matches!(answers[..], [ShareAnswer::SelfSeed(Slot(1), _)]));
    let Ok(Reply::Send(Message {
        body: Body::Shares(Shares { answers, .. }),
        ..
    })) = ask(ShareWanted::RootSeed(Slot(3)))
    else {
        panic!("no share of a dropped member's root seed");
    };
    assert!(matches!(answers[..], [ShareAnswer::RootSeed(Slot(3), _)]));
    let mut forged = header.clone();
    forged.slot = Slot(3);
    for opposite in [
        ShareWanted::RootSeed(Slot(1)),
        ShareWanted::SelfSeed(forged),
    ] {
        assert!(matches!(ask(opposite), Err(Refusal::ShareRequest { .. })));
    }
    for other in elsewhere {
        let outcome = ask(ShareWanted::SelfSeed(other));
        assert!(matches!(outcome, Err(Refusal::ShareRequest { .. })));
    }
}

// spec: [close.record] [close.abort]
#[test]
fn repeated_abort_notices_leave_one_record() {
    let mut house = House::new();
    let mut round = house.attempt(0);
    let context = round.context.clone();
    let notice = Message::new(AbortNotice {
        task: context.task_digest,
        round: context.round,
        attempt: context.attempt,
        reason: b"shutdown".to_vec(),
        text: Vec::new(),
    });
    for _ in 0..5 {
        let reply = house.give(&mut round, 0, &notice);
        assert!(matches!(reply, Ok(Reply::Aborted(_))));
    }
    let closed = |entry: &&Entry| matches!(entry, Entry::Closed { .. });
    assert_eq!(house.ledgers[0].entries().iter().filter(closed).count(), 1);
    assert_eq!(round.members[0].phase(), "closed");
}

// spec: [close.record] [share.set-once]
#[test]
fn a_second_share_set_closes_the_session_and_is_recorded() {
    let mut house = House::new();
    let mut round = house.attempt(0);
    ready(&mut house, &mut round);
    let Body::ShareSet(mut other) = round.due(0).body else {
        panic!("no Share set is due");
    };
    other.shared = crate::bitmap::Bitmap::of(MEMBERS, [0, 1, 2].map(Slot));
    let refusal = house.give(&mut round, 0, &Message::new(other));
    assert!(matches!(refusal, Err(Refusal::Second("ShareSet"))));
    assert_eq!(round.members[0].phase(), "closed");
    assert!(matches!(
        house.ledgers[0].entries().last(),
        Some(Entry::Closed { .. })
    ));
}

// spec: [close.deadline]
#[test]
fn the_members_own_deadline_erases_its_secrets() {
    let mut house = House::new();
    let mut round = house.attempt(0);
    let deadline = round.members[0].deadline().unwrap();
    let due = round.due(0);
    let (ledger, member) = house.of(&mut round, 0);
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let late = deadline + Duration::from_millis(1);
    assert_eq!(
        member.receive(&due, ledger, late, &mut rng),
        Err(Refusal::Closed)
    );
    assert_eq!(member.phase(), "closed");
}

// spec: [advertise.record]
#[test]
fn a_ledger_that_cannot_be_written_stops_the_advert() {
    struct Full(LedgerState);

    impl Ledger for Full {
        fn state(&self) -> Result<&LedgerState, LedgerError> {
            Ok(&self.0)
        }

        fn record(&mut self, _: Entry) -> Result<(), LedgerError> {
            Err(LedgerError("no space left".into()))
        }
    }

    let mut house = House::new();
    let open = house.attempt(0).context.open();
    let mut ledger = Full(LedgerState::default());
    let identity = house.identities[0].clone();
    let roster = house.roster.clone();
    let mut member = Member::invited(&open, roster, identity, Floors::default(), &ledger).unwrap();
    let refusal = member.advertise(&mut ledger, NOW, &mut house.rng);
    assert!(matches!(refusal, Err(Refusal::Ledger(_))));
    assert_eq!(member.phase(), "invited");
}

// spec: [open.slot]
#[test]
fn an_identity_without_a_slot_is_not_in_the_round() {
    let mut house = House::new();
    let open = house.attempt(0).context.open();
    let stranger = Arc::new(Identity::from_secret_bytes(&[9; 32]));
    let ledger = MemoryLedger::default();
    let refusal = Member::invited(
        &open,
        house.roster.clone(),
        stranger,
        Floors::default(),
        &ledger,
    );
    assert!(matches!(refusal, Err(Refusal::NotInRound("the roster"))));
}

#[test]
fn noise_of_a_generator_of_its_own_can_be_made_again_and_no_other_secret_can() {
    let mut house = House::new();
    let task = Task::from_toml(NOISY).unwrap();
    let context = RoundContext::new(
        task,
        house.roster.clone(),
        Round(1),
        Attempt(0),
        ModelDigest([0; 32]),
        Deadlines::default(),
    );
    let context = Arc::new(context.unwrap());
    let noise_rng = || ChaCha20Rng::seed_from_u64(5);
    let mut advert = || {
        let (roster, identity) = (house.roster.clone(), house.identities[0].clone());
        let mut ledger = MemoryLedger::default();
        let floors = Floors::default();
        let mut member =
            Member::invited(&context.open(), roster, identity, floors, &ledger).unwrap();
        let (rng, noise_rng) = (&mut house.rng, &mut noise_rng());
        let message = member.advertise_with_noise_of(&mut ledger, NOW, rng, noise_rng);
        match message.unwrap().body {
            Body::Advert(advert) => advert,
            other => panic!("{other:?}"),
        }
    };
    let (first, second) = (advert(), advert());
    assert!(first.chain_end.is_some());
    assert_eq!(first.chain_end, second.chain_end);
    assert_ne!(first.seal_key, second.seal_key);
    assert_ne!(first.mask_key, second.mask_key);
    assert_ne!(first.commitment, second.commitment);
    let secrets = noise_secrets(&context, Slot(0), &mut noise_rng());
    let end = context.noise.as_ref().unwrap().plan().chain_end(&secrets);
    assert_eq!(first.chain_end.unwrap().0, *end.as_bytes());
}

const NOISY: &str = r#"
version = 1
name = "noisy"
corrupt = 1
dropout = 1
encoding = { kind = "float", clip = { l2 = 1.0 }, precision_bits = 12 }
noise = { law = "skellam", parameter = 40000000, unit = "member", delta = 0.000001 }
tensors = [{ name = "weight", shape = [100], dtype = "f32" }]
"#;

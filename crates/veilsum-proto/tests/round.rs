//! A whole round from outside the crate, with a hook on each message: the pattern that auditors and integrators start from.
//!
//! [`play`] carries every message between one [`Coordinator`] and its [`Member`]s through `hook`, which may look at it, change it,
//! or lose it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use veilsum_encode::{
    Dtype, Encoding, Manifest, Tensor, TensorData, TensorSpec, Update, Weight, contribute,
};
use veilsum_proto::abort::Abort;
use veilsum_proto::coordinator::{Coordinator, PhaseName};
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot, UpdateDigest};
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::member::{Floors, Member, Reply, UnlistedTasks};
use veilsum_proto::message::{Body, Caps, Deadlines, Message};
use veilsum_proto::parameters::{Amount, ElectorateChoice, GraphChoice};
use veilsum_proto::roster::{Name, Roster, RosterDraft};
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::{Task, TaskSpec};

/// One party's message on its way to the other; what the hook gives back arrives.
type Hook<'a> = &'a mut dyn FnMut(Slot, Message) -> Option<Message>;

struct Site {
    member: Member,
    ledger: MemoryLedger,
    rng: ChaCha20Rng,
}

fn generator(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

fn federation(members: u8) -> (Arc<Roster>, Vec<Arc<Identity>>) {
    let name = |text: String| Name::try_from(text).unwrap();
    let [authority, coordinator] = [200, 201].map(|seed| Identity::generate(&mut generator(seed)));
    let identities = (0..members).map(|seed| Arc::new(Identity::generate(&mut generator(seed))));
    let identities = identities.collect::<Vec<_>>();
    let mut draft = RosterDraft::new(
        name("audit".into()),
        authority.public(),
        coordinator.public(),
    );
    for (index, identity) in identities.iter().enumerate() {
        draft
            .add(name(format!("member-{index}")), identity.public())
            .unwrap();
    }
    let roster = draft.sign(&authority, &mut generator(202)).unwrap();
    (Arc::new(roster), identities)
}

fn task(graph: GraphChoice) -> Task {
    let tensor = TensorSpec {
        name: "counts".into(),
        shape: vec![3],
        dtype: Dtype::I64,
    };
    let spec = TaskSpec {
        name: Name::try_from("counts".to_owned()).unwrap(),
        manifest: Manifest::new(vec![tensor]).unwrap(),
        encoding: Encoding::Integer { min: 0, max: 100 },
        corrupt: Amount::Count(1),
        dropout: Amount::Count(1),
        floor: None,
        graph,
        electorate: ElectorateChoice::Auto,
        cohort: None,
        max_attempts: 1,
        noise: None,
    };
    Task::new(spec).unwrap()
}

/// What a member contributes: 3 counts that tell its slot.
fn counts(slot: Slot) -> Vec<i64> {
    vec![1, i64::from(slot.0), 5 * i64::from(slot.0)]
}

/// Plays a round; the sum and its survivors, or why there is none.
fn play(members: u8, hook: Hook<'_>) -> Result<(Vec<i64>, Vec<Slot>), Abort> {
    play_on(GraphChoice::Auto, members, hook)
}

fn play_on(
    graph: GraphChoice,
    members: u8,
    hook: Hook<'_>,
) -> Result<(Vec<i64>, Vec<Slot>), Abort> {
    let (roster, identities) = federation(members);
    let zero = ModelDigest([0; 32]);
    let context = RoundContext::new(
        task(graph),
        roster.clone(),
        Round(1),
        Attempt(0),
        zero,
        Deadlines::default(),
    );
    let context = Arc::new(context.unwrap());
    let open = context.open();
    let caps = Caps::new(context.slots(), context.parameters.k);
    let mut sites = BTreeMap::new();
    for (slot, identity) in (0u8..).zip(identities) {
        let ledger = MemoryLedger::default();
        let floors = Floors {
            // a drawn graph needs an authority that listed the task; nobody is to be protected here
            unlisted: UnlistedTasks::Any,
            ..Floors::default()
        };
        let member = Member::invited(&open, roster.clone(), identity, floors, &ledger).unwrap();
        let rng = generator(100 + slot);
        sites.insert(
            Slot(slot.into()),
            Site {
                member,
                ledger,
                rng,
            },
        );
    }
    let mut coordinator = Coordinator::open(context);
    loop {
        for (slot, site) in &mut sites {
            exchange(&mut coordinator, *slot, site, &caps, hook);
        }
        // A stored update is acknowledged before anybody is asked to sign.
        if coordinator.phase() == PhaseName::Upload {
            for (slot, site) in &mut sites {
                exchange(&mut coordinator, *slot, site, &caps, hook);
            }
        }
        coordinator = match coordinator.close(&mut Vec::new()) {
            Coordinator::Finished(finished) => {
                let survivors = finished.sum().survivors().bitmap().iter().collect();
                return Ok((finished.integers().values().to_vec(), survivors));
            }
            Coordinator::Aborted(abort) => return Err(abort),
            next => next,
        };
    }
}

/// What is due goes to the member, its answer comes back, both through the hook and as bytes.
fn exchange(
    coordinator: &mut Coordinator,
    slot: Slot,
    site: &mut Site,
    caps: &Caps,
    hook: Hook<'_>,
) {
    let Site {
        member,
        ledger,
        rng,
    } = site;
    let due = coordinator.message_for(slot);
    assert_eq!(
        coordinator.encoded_for(slot),
        due.as_ref().map(Message::encode)
    );
    let Some(due) = due.and_then(|message| hook(slot, message)) else {
        return;
    };
    let due = Message::decode(&due.encode(), caps).unwrap();
    let answer = match &due.body {
        Body::Open(_) => member.advertise(ledger, Duration::ZERO, rng).ok(),
        _ => match member.receive(&due, ledger, Duration::ZERO, rng) {
            Ok(Reply::Send(answer)) => Some(answer),
            Ok(Reply::Contribute) => return upload(coordinator, slot, site, hook),
            _ => None,
        },
    };
    if let Some(answer) = answer.and_then(|answer| hook(slot, answer)) {
        let _ = coordinator.receive(slot, &answer);
    }
}

fn upload(coordinator: &mut Coordinator, slot: Slot, site: &mut Site, hook: Hook<'_>) {
    let Site {
        member,
        ledger,
        rng,
    } = site;
    let context = member.context().clone();
    let tensor = Tensor {
        shape: vec![3],
        data: TensorData::I64(counts(slot)),
    };
    let update = Update::new(
        context.task.manifest(),
        BTreeMap::from([("counts".into(), tensor)]),
    )
    .unwrap();
    let digest = UpdateDigest(update.digest());
    let (contribution, _) = contribute(
        update,
        &context.plan,
        Weight::ONE,
        &context.rotation_seed(),
        rng,
    )
    .unwrap();
    let (header, masked) = member.upload(contribution, digest, ledger).unwrap();
    if let Some(header) = hook(slot, header)
        && coordinator.receive(slot, &header).is_ok()
    {
        coordinator.receive_update(slot, &masked).unwrap();
    }
}

fn sum_of(slots: &[Slot]) -> Vec<i64> {
    (0..3)
        .map(|j| slots.iter().map(|slot| counts(*slot)[j]).sum())
        .collect()
}

#[test]
fn an_honest_round_gives_the_sum_of_all() {
    let mut seen = BTreeMap::new();
    let outcome = play(5, &mut |_, message| {
        *seen.entry(message.body.name()).or_insert(0) += 1;
        Some(message)
    });
    let (sum, survivors) = outcome.unwrap();
    assert_eq!(survivors, [0, 1, 2, 3, 4].map(Slot));
    assert_eq!(sum, sum_of(&survivors));
    for name in [
        "Open",
        "Advert",
        "Adverts",
        "SealedShares",
        "DeliveredShares",
        "Accept",
        "ShareSet",
        "UploadHeader",
    ] {
        assert_eq!(seen.get(name).copied().unwrap_or(0) % 5, 0, "{name}");
    }
    assert_eq!(
        seen.get("ShareRequest"),
        None,
        "nobody went silent, no share is asked for"
    );
}

/// Members of a ring get proofs, and [`exchange`] holds the bytes that a coordinator writes at once against the message.
#[test]
fn a_round_on_a_ring_gives_the_sum_of_those_who_stay() {
    let (ring, gone) = (GraphChoice::Degree(6), Slot(7));
    let (sum, survivors) = play_on(ring, 18, &mut |slot, message| match message.body {
        Body::Accept(_) if slot == gone => None,
        _ => Some(message),
    })
    .unwrap();
    assert_eq!(survivors.len(), 17);
    assert!(!survivors.contains(&gone));
    assert_eq!(sum, sum_of(&survivors));
}

#[test]
fn a_member_that_a_hook_silences_after_its_upload_is_in_the_sum_all_the_same() {
    let silenced = Slot(2);
    let (sum, survivors) = play(5, &mut |slot, message| match message.body {
        Body::Confirmation(_) | Body::Reveal(_) if slot == silenced => None,
        _ => Some(message),
    })
    .unwrap();
    assert!(survivors.contains(&silenced));
    assert_eq!(sum, sum_of(&survivors));
}

#[test]
fn a_coordinator_that_names_other_survivors_to_one_member_gets_no_signature_of_it() {
    let mut signed = Vec::new();
    let outcome = play(5, &mut |slot, mut message| {
        if let Body::SurvivorSet(set) = &mut message.body
            && slot == Slot(0)
        {
            // member 4 is struck out for member 0 alone
            let others = set
                .survivors
                .iter()
                .filter(|survivor| *survivor != Slot(4))
                .collect::<Vec<_>>();
            set.survivors = veilsum_proto::bitmap::Bitmap::of(5, others);
        }
        if let Body::Confirmation(confirmation) = &message.body {
            signed.push((slot, confirmation.clone()));
        }
        Some(message)
    });
    let (sum, survivors) = outcome.unwrap();
    assert_eq!(sum, sum_of(&survivors), "the other four are a quorum");
    assert_eq!(signed.len(), 5, "member 0 signs, but what it was shown");
    assert_eq!(survivors.len(), 5);
}

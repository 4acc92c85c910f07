//! Attacks that need more than one attempt, round or process: replay, reuse, retry, clones. Each play is judged when it ends.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use veilsum_proto::certificate::CertificateError;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Attempt, Round, Slot};
use veilsum_proto::ledger::LedgerRefusal;
use veilsum_proto::member::{Member, Reply};
use veilsum_proto::message::{Body, Message};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::session::RoundContext;
use veilsum_tests::{Play, Setup};

/// Member 6 is corrupt, 5 drops out before Upload, 4 goes silent after it: every kind of message is said.
fn whole_round(play: &mut Play) {
    play.run_to(PhaseName::Upload);
    play.silent.insert(Slot(5));
    play.run_to(PhaseName::Reveal);
    play.silent.insert(Slot(4));
    play.finish();
    assert_eq!(play.abort(), None);
}

fn seven() -> Play {
    Play::new(&Setup::new(7, 1, 2), &[6])
}

/// What a coordinator said.
fn said(play: &Play) -> Vec<Body> {
    let bodies = play.log.iter().map(|message| message.body.clone());
    let said = bodies.filter(|body| PhaseName::last_for(body).is_none());
    said.collect()
}

const PHASES: [PhaseName; 7] = [
    PhaseName::Advertise,
    PhaseName::Share,
    PhaseName::Accept,
    PhaseName::Upload,
    PhaseName::Confirm,
    PhaseName::Reveal,
    PhaseName::Recover,
];

// spec: [session.sid] [session.sid2] [advert.session] [share.set] [confirm.check] [reveal.certificate] [reveal.shares]
#[test]
fn nothing_said_in_an_earlier_round_is_taken_in_the_next() {
    for phase in PHASES {
        let mut play = seven();
        whole_round(&mut play);
        let old = said(&play);
        let kinds = old.iter().map(Body::name).collect::<BTreeSet<_>>();
        assert_eq!(kinds.len(), 7, "{kinds:?}");
        for player in play.players.values_mut() {
            player.floors.reuse_update = true;
        }
        assert!(play.reopen(2, 0).is_empty());
        if phase == PhaseName::Recover {
            play.run_to(PhaseName::Reveal);
            play.silent.insert(Slot(4));
        }
        play.run_to(phase);
        refused_by_all(&mut play, old);
        // Of round 1 the sum without 5, which dropped out; of round 2 nothing. The inputs are equal: no difference either.
        play.assert_known(&[&[0, 1, 2, 3, 4]]);
    }
}

// spec: [session.sid] [advert.session] [share.set] [share.signature]
#[test]
fn nothing_said_in_an_earlier_attempt_is_taken_in_the_next() {
    for phase in PHASES.into_iter().take(5) {
        let mut play = seven();
        play.run_to(PhaseName::Upload);
        play.act_all();
        let old = said(&play);
        assert!(play.reopen(1, 1).is_empty());
        play.run_to(phase);
        refused_by_all(&mut play, old);
        play.assert_known(&[]);
    }
}

fn refused_by_all(play: &mut Play, mut old: Vec<Body>) {
    // A Share set after the first one closes the member, so it comes last.
    old.sort_by_key(|body| matches!(body, Body::ShareSet(_)));
    for slot in 0..6 {
        for body in &old {
            let (before, name) = (phase(play, slot), body.name());
            let outcome = play.tell(slot, body.clone());
            assert_eq!(outcome, to_a_replay(before, name), "slot {slot}, {before}");
            let is_closed = matches!(
                (before, name),
                ("uploaded" | "revealing" | "closed", "ShareSet")
            );
            let after = if is_closed { "closed" } else { before };
            assert_eq!(phase(play, slot), after, "slot {slot}, {name}");
        }
    }
}

/// What a member in this phase says to a message of an earlier session: the phase in which it would be taken, and what of it is
/// looked at first there.
fn to_a_replay(phase: &'static str, got: &'static str) -> Result<Reply, Refusal> {
    let of_another = |what| Err(Refusal::OtherSession { got, what });
    match (phase, got) {
        ("closed", _) => Err(Refusal::Closed),
        ("advertised", "Adverts") => of_another("attempt"),
        ("shared", "DeliveredShares") | ("accepted", "ShareSet") => of_another("session"),
        ("uploaded", "SurvivorSet") => of_another("session"),
        ("revealing", "ShareRequest") => of_another("session"),
        ("uploaded" | "revealing", "Certificate") => Err(CertificateError::OtherSession.into()),
        // One went before, in this session.
        ("shared", "Adverts") | ("accepted", "DeliveredShares") => Err(Refusal::Second(got)),
        ("uploaded" | "revealing", "ShareSet") => Err(Refusal::Second(got)),
        // That an update is whole is no news to a member that reveals.
        ("revealing", "UploadStored") => Ok(Reply::Nothing),
        _ => Err(Refusal::WrongPhase { got, phase }),
    }
}

fn phase(play: &Play, slot: u32) -> &'static str {
    let machine = play.players[&Slot(slot)].machine.as_ref();
    machine.unwrap().phase()
}

// spec: [advertise.fresh] [share.once] [session.sid]
#[test]
fn no_key_seed_or_share_of_one_round_appears_in_another() {
    let mut play = seven();
    for player in play.players.values_mut() {
        player.floors.reuse_update = true;
    }
    whole_round(&mut play);
    let first = values(&play.log);
    let mark = play.log.len();
    assert!(play.reopen(2, 0).is_empty());
    whole_round(&mut play);
    let second = values(&play.log[mark..]);
    assert!(first.len() > 100 && second.len() > 100);
    assert_eq!(first.intersection(&second).count(), 0);
    // What was rebuilt of member 5 in round 1, its root seed, opens no mask of it in round 2: the two sums are all.
    play.assert_known(&[&[0, 1, 2, 3, 4], &[0, 1, 2, 3, 4]]);
}

/// Keys, commitments, ciphertexts, seeds and shares.
fn values(log: &[Message]) -> BTreeSet<Vec<u8>> {
    let mut values = BTreeSet::new();
    for message in log {
        match &message.body {
            Body::Advert(advert) => values.extend([
                advert.seal_key.to_vec(),
                advert.mask_key.to_vec(),
                advert.commitment.0.to_vec(),
            ]),
            Body::SealedShares(sealed) => values.extend(
                sealed
                    .parts
                    .iter()
                    .flat_map(|part| [part.ciphertext.to_vec(), part.pair_hash.0.to_vec()]),
            ),
            Body::Reveal(reveal) => {
                values.insert(reveal.self_seed.expose().to_vec());
                values.extend(
                    reveal
                        .pair_seeds
                        .iter()
                        .map(|pair| pair.seed.expose().to_vec()),
                );
            }
            Body::Shares(shares) => values.extend(shares.answers.iter().map(|answer| {
                let (veilsum_proto::message::ShareAnswer::SelfSeed(_, share)
                | veilsum_proto::message::ShareAnswer::RootSeed(_, share)) = answer;
                share.expose().to_vec()
            })),
            _ => {}
        }
    }
    values
}

/// Attempt 0 ended with a late update in the coordinator's hands; attempt 1 ends in a sum without that member.
// spec: [attempt.retry] [upload.reuse] [advertise.fresh]
#[test]
fn a_late_update_of_one_attempt_and_a_sum_without_it_in_the_next_tell_nothing() {
    let mut play = seven();
    play.run_to(PhaseName::Upload);
    play.act_all();
    assert!(play.reopen(1, 1).is_empty());
    play.run_to(PhaseName::Upload);
    play.silent.insert(Slot(3));
    play.finish();
    assert_eq!(play.abort(), None);
    let others = (0..6).filter(|slot| *slot != 3).map(Slot);
    let others = others.collect::<BTreeSet<_>>();
    assert_eq!(play.tap.smallest_sum().as_ref(), Some(&others));
    play.assert_known(&[&[0, 1, 2, 4, 5]]);
}

/// The context of another attempt at the round.
fn attempt(play: &Play, attempt: u32) -> Arc<RoundContext> {
    let context = &play.context;
    let again = RoundContext::new(
        context.task.clone(),
        context.roster.clone(),
        context.round,
        Attempt(attempt),
        context.base_model,
        context.deadlines,
    );
    Arc::new(again.unwrap())
}

fn clone(play: &Play, context: &Arc<RoundContext>) -> Result<Member, Refusal> {
    let player = &play.players[&Slot(0)];
    let (identity, floors) = (player.identity.clone(), player.floors.clone());
    Member::invited_in(context.clone(), identity, floors, &player.ledger)
}

// spec: [join.ledger] [attempt.superseded] [join.closed]
#[test]
fn a_clone_on_the_same_ledger_does_not_act_beside_the_first() {
    use PhaseName::{Accept, Confirm, Reveal, Share, Upload};
    for phase in [Share, Accept, Upload, Confirm, Reveal] {
        let mut play = seven();
        play.run_to(phase);
        let (same, next) = (play.context.clone(), attempt(&play, 1));
        let again = LedgerRefusal::OldAttempt {
            round: Round(1),
            got: Attempt(0),
            had: Attempt(0),
        };
        let closed = LedgerRefusal::RoundClosed { round: Round(1) };
        // Once it signed, no attempt at the round is open to it, the same one included.
        let wanted = if phase == Reveal { &closed } else { &again };
        assert_eq!(
            clone(&play, &same).err(),
            Some(wanted.clone().into()),
            "{phase}"
        );
        // In the next attempt it may, as long as nothing was signed; from its advert on the first gives nothing more.
        let second = clone(&play, &next);
        if phase == Reveal {
            assert_eq!(second.err(), Some(closed.into()));
            play.assert_known(&[]);
            continue;
        }
        let now = play.now;
        let player = play.players.get_mut(&Slot(0)).unwrap();
        let mut second = second.unwrap();
        second
            .advertise(&mut player.ledger, now, &mut player.rng)
            .unwrap();
        let superseded = Refusal::from(LedgerRefusal::Superseded {
            round: Round(1),
            got: Attempt(0),
            had: Attempt(1),
        });
        let all = play.all_but(&[]);
        let everybody = |play: &Play| play.survivor_set(&all, &all);
        if phase == Confirm {
            let set = everybody(&play);
            assert_eq!(play.ask(0, &set), Err(superseded.clone()));
            // The others certify a set with it in: it gives nothing for that either, and they have the sum by its shares.
            let mut signed = (1..6)
                .map(|slot| play.ask(slot, &set).unwrap())
                .collect::<Vec<_>>();
            signed.push(play.forged_signature(6, &set));
            assert_eq!(play.certify(0, &set, signed), Err(superseded));
            play.silent.insert(Slot(0));
            play.assert_exact(0..7);
            play.assert_known(&[&[0, 1, 2, 3, 4, 5]]);
        } else {
            play.run_to(Upload);
            let set = play.share_set(&all);
            play.tell(0, set).unwrap();
            assert_eq!(play.upload(0).err(), Some(superseded), "{phase}");
            play.silent.insert(Slot(0));
            play.assert_exact(1..7);
            play.assert_known(&[&[1, 2, 3, 4, 5]]);
        }
    }
}

//! Lies about noise: a coordinator that asks for more than one value of a chain, and members whose value is wrong.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use veilsum_dp::Sharing;
use veilsum_proto::certificate::CertificateError;
use veilsum_proto::coordinator::{Coordinator, PhaseName};
use veilsum_proto::fault::FaultKind;
use veilsum_proto::ids::{Hash, Slot, UpdateDigest};
use veilsum_proto::message::{Body, Reveal, RevealedSeed, SignedSlot, SurvivorSet};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::task::{NoiseLaw, NoiseSpec};
use veilsum_tests::{Play, Setup, skellam};

/// Seven members, one of which may be corrupt and two missing; the liar is member 6.
const LIAR: u32 = 6;

fn play_to(phase: PhaseName) -> Play {
    let mut play = Play::new(&Setup::new(7, 1, 2).noised(skellam("40")), &[LIAR]);
    play.run_to(phase);
    play
}

fn reveal(play: &mut Play, slot: u32) -> Reveal {
    match play.answer(slot) {
        Some(Body::Reveal(reveal)) => reveal,
        other => panic!("found {:?}", other.map(|body| body.name())),
    }
}

fn unremoved(play: &Play) -> Vec<Slot> {
    match &play.coordinator {
        Coordinator::Finished(finished) => finished.noise().unwrap().unremoved.clone(),
        other => panic!("no sum: {other:?}"),
    }
}

// --- members

// spec: [reveal.chain-checked] [noise.reveal.checked]
#[test]
fn a_chain_value_that_does_not_stand_names_the_member_whose_seeds_count_and_whose_surplus_stays() {
    for lie in ["off the chain", "one too early", "one too late", "missing"] {
        let mut play = play_to(PhaseName::Reveal);
        let mut reveal = reveal(&mut play, LIAR);
        let honest = reveal.chain_value.clone().unwrap();
        let chain = play.players[&Slot(LIAR)].seeds.as_ref().unwrap().chain(2);
        assert_eq!(*honest.expose(), chain[0]);
        let (value, text) = match lie {
            "off the chain" => (Some([7; 32]), "does not lead to the end in its advert"),
            "one too early" => (Some([0; 32]), "does not lead to the end in its advert"),
            "one too late" => (Some(chain[1]), "does not lead to the end in its advert"),
            _ => (None, "is missing"),
        };
        reveal.chain_value = value.map(|value| RevealedSeed::new(&value));
        let fault = play.blamed(LIAR, reveal.clone());
        assert_eq!(fault, FaultKind::ChainValue(text), "{lie}");
        assert_eq!(fault.name(), "chain_value");
        assert!(!fault.to_string().contains(&hex::encode(*honest.expose())));
        // The same again is nothing new; the right value comes too late.
        play.say(LIAR, reveal.clone()).unwrap();
        reveal.chain_value = Some(honest);
        assert_eq!(play.blamed(LIAR, reveal), FaultKind::Second("Reveal"));
        play.assert_exact(0..=LIAR);
        assert_eq!(unremoved(&play), [Slot(LIAR)], "{lie}");
        // Its seeds were enough: nobody was asked for shares.
        assert!(
            !play
                .log
                .iter()
                .any(|message| matches!(message.body, Body::ShareRequest(_)))
        );
    }
}

// spec: [reveal.chain-checked]
#[test]
fn a_chain_value_that_nobody_asked_for_is_a_fault_beside_seeds_that_count() {
    let shared = NoiseSpec {
        sharing: Sharing::Shared,
        ..skellam("40")
    };
    let setup = Setup::new(7, 1, 2);
    for (setup, missing) in [
        (setup.clone(), 0),
        (setup.clone().noised(shared), 0),
        // Two are missing: all noise stays.
        (setup.noised(skellam("40")), 2),
    ] {
        let mut play = Play::new(&setup, &[LIAR]);
        play.run_to(PhaseName::Upload);
        play.silent.extend((0..missing).map(Slot));
        play.run_to(PhaseName::Reveal);
        let mut reveal = reveal(&mut play, LIAR);
        assert_eq!(reveal.chain_value, None);
        reveal.chain_value = Some(RevealedSeed::new(&[1; 32]));
        let wanted = FaultKind::ChainValue("was not asked for");
        assert_eq!(play.blamed(LIAR, reveal), wanted);
        play.assert_exact(missing..=LIAR);
    }
}

/// Wrong seeds beside a right value: the reveal does not count at all, and neither does the value.
// spec: [reveal.verify] [reveal.chain-checked]
#[test]
fn a_chain_value_beside_wrong_seeds_removes_nothing() {
    let mut play = play_to(PhaseName::Reveal);
    let mut reveal = reveal(&mut play, LIAR);
    reveal.self_seed = RevealedSeed::new(&[1; 32]);
    assert_eq!(play.blamed(LIAR, reveal), FaultKind::SelfSeed);
    play.silent.insert(Slot(LIAR));
    play.assert_exact(0..=LIAR);
    assert_eq!(unremoved(&play), [Slot(LIAR)]);
}

// spec: [recover.late] [reveal.chain-checked]
#[test]
fn a_late_reveal_with_a_wrong_chain_value_still_spares_its_shares() {
    let mut play = play_to(PhaseName::Reveal);
    play.silent.insert(Slot(LIAR));
    play.run_to(PhaseName::Recover);
    let mut reveal = reveal(&mut play, LIAR);
    reveal.chain_value = None;
    let fault = play.blamed(LIAR, reveal);
    assert_eq!(fault, FaultKind::ChainValue("is missing"));
    assert_eq!(play.coordinator.waits_for(), []);
    play.close();
    play.assert_exact(0..=LIAR);
    assert_eq!(unremoved(&play), [Slot(LIAR)]);
}

// spec: [advert.session] [advertise.noise]
#[test]
fn an_advert_has_the_end_of_a_chain_exactly_if_the_noise_has_one() {
    let gaussian = NoiseSpec {
        law: NoiseLaw::Gaussian,
        sharing: Sharing::Shared,
        ..skellam("40")
    };
    for (noise, has) in [(skellam("40"), true), (gaussian, false)] {
        let mut play = Play::new(&Setup::new(7, 1, 2).noised(noise), &[LIAR]);
        let mut forger = play.forge_silently(LIAR);
        assert_eq!(forger.advert.chain_end.is_some(), has);
        let honest = forger.advert.clone();
        forger.advert.chain_end = (!has).then_some(Hash([1; 32]));
        forger.sign_advert();
        let fault = play.blamed(LIAR, forger.advert.clone());
        assert_eq!(fault, FaultKind::ChainEnd { got: !has });
        play.say(LIAR, honest).unwrap();
        play.silent.insert(Slot(LIAR));
        play.assert_exact(0..LIAR);
    }
}

// spec: [upload.noise]
#[test]
fn a_contribution_with_other_noise_is_refused_and_charges_nothing() {
    let mut play = play_to(PhaseName::Upload);
    let noise_of = |play: &Play, slot: u32| {
        let machine = play.players[&Slot(slot)].machine.as_ref();
        machine.unwrap().noise().unwrap()
    };
    let others = noise_of(&play, 2);
    let stale = noise_of(&play, 1);
    let digest = UpdateDigest([9; 32]);
    assert!(play.reopen(1, 1).is_empty());
    play.run_to(PhaseName::Upload);
    let due = play.due(1).unwrap();
    play.tell(1, due).unwrap();
    for noise in [others, stale] {
        let (contribution, _) = play.contribution_with(play.row(1), Some(&noise));
        let player = play.players.get_mut(&Slot(1)).unwrap();
        let machine = player.machine.as_mut().unwrap();
        let refused = machine.upload(contribution, digest, &mut player.ledger);
        let refused = refused.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "contribution carries noise of another attempt or member, the round wants that of this member in this attempt"
        );
        assert_eq!(refused.kind(), "noise");
        assert_eq!(player.ledger.state_of_round(&play.context), None);
    }
    play.assert_exact(0..7);
}

/// Charge and update of a round, as a ledger has them.
trait OfRound {
    fn state_of_round(&self, context: &veilsum_proto::session::RoundContext) -> Option<()>;
}

impl OfRound for veilsum_proto::ledger::MemoryLedger {
    fn state_of_round(&self, context: &veilsum_proto::session::RoundContext) -> Option<()> {
        use veilsum_proto::ledger::Ledger as _;
        let state = self.state().unwrap();
        state
            .charged(&context.task_digest, context.round)
            .map(|_| ())
    }
}

/// A vector of one limb is as long with noise as without.
// spec: [upload.noise]
#[test]
fn a_contribution_with_noise_where_none_belongs_is_refused_and_the_other_way_round() {
    let small = Setup {
        coordinates: 1,
        ..Setup::new(7, 1, 2)
    };
    let mut noised = Play::new(&small.clone().noised(skellam("40")), &[]);
    let mut plain = Play::new(&small, &[]);
    for play in [&mut noised, &mut plain] {
        play.run_to(PhaseName::Upload);
        let due = play.due(1).unwrap();
        play.tell(1, due).unwrap();
    }
    assert_eq!(noised.context.plan.limbs(), plain.context.plan.limbs());
    let noise = noised.players[&Slot(1)].machine.as_ref().unwrap().noise();
    let with = noised.contribution_with(noised.row(1), noise.as_ref());
    let without = plain.contribution(plain.row(1));
    for (play, (contribution, digest), got) in [
        (&mut noised, without, "no noise"),
        (&mut plain, with, "noise of another attempt or member"),
    ] {
        let player = play.players.get_mut(&Slot(1)).unwrap();
        let machine = player.machine.as_mut().unwrap();
        let refused = machine.upload(contribution, digest, &mut player.ledger);
        assert!(
            matches!(refused, Err(Refusal::Noise { got: found, .. }) if found == got),
            "{got}"
        );
        play.assert_exact(0..7);
    }
}

// --- the coordinator

fn signatures(play: &mut Play, set: &SurvivorSet, signers: &[u32]) -> Vec<SignedSlot> {
    let signed = signers.iter().map(|slot| play.ask(*slot, set));
    signed.collect::<Result<_, _>>().unwrap()
}

/// Everybody uploaded; nothing was signed.
fn uploaded() -> Play {
    play_to(PhaseName::Confirm)
}

// spec: [reveal.chain] [reveal.certificate] [confirm.once]
#[test]
fn two_sets_for_two_parts_of_the_members_open_no_chain() {
    let mut play = uploaded();
    let all = play.all_but(&[]);
    let few = play.survivor_set(&all, &play.all_but(&[0, 1]));
    let many = play.survivor_set(&all, &all);
    // Signing fewer survivors keeps all noise in; the rest is shown all, so that all surplus would come off.
    let mut for_few = signatures(&mut play, &few, &[2, 3, 4]);
    let mut for_many = signatures(&mut play, &many, &[0, 1, 5]);
    for_few.push(play.forged_signature(LIAR, &few));
    for_many.push(play.forged_signature(LIAR, &many));
    let below = Err(CertificateError::BelowQuorum { got: 4, want: 5 }.into());
    for slot in 0..LIAR {
        assert_eq!(play.certify(slot, &few, for_few.clone()), below);
        assert_eq!(play.certify(slot, &many, for_many.clone()), below);
        let (own, other) = match [2, 3, 4].contains(&slot) {
            true => (&few, &many),
            false => (&many, &few),
        };
        assert_eq!(play.ask(slot, other), Err(Refusal::Second("SurvivorSet")));
        let mut signed = for_few.iter().chain(&for_many);
        let signed = signed.find(|signed| signed.slot == Slot(slot)).cloned();
        assert_eq!(play.ask(slot, own).ok(), signed, "the same once more");
    }
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

// spec: [reveal.chain] [reveal.direct] [noise.reveal.one]
#[test]
fn a_second_value_of_a_chain_is_not_given_whatever_is_asked() {
    let mut play = uploaded();
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &play.all_but(&[5]));
    let mut signed = signatures(&mut play, &set, &[0, 1, 2, 3]);
    signed.push(play.forged_signature(LIAR, &set));
    let first = play.certify(0, &set, signed.clone()).unwrap();
    assert!(first.chain_value.is_some());
    // Other sets, with as many genuine signatures as there can be, and the same signatures under another set.
    for without in [&[][..], &[4], &[4, 5], &[5, LIAR]] {
        let other = play.survivor_set(&all, &play.all_but(without));
        let mut few = signed.clone();
        few.truncate(4);
        if !without.contains(&LIAR) {
            few.push(play.forged_signature(LIAR, &other));
        }
        let strange = Err(CertificateError::Signature(Slot(0)).into());
        let too_few = Err(CertificateError::BelowQuorum { got: 4, want: 5 }.into());
        let wanted = match without.contains(&LIAR) {
            true => too_few,
            false => strange.clone(),
        };
        assert_eq!(play.certify(0, &other, few), wanted, "{without:?}");
        for slot in [0, 1] {
            let outcome = play.certify(slot, &other, signed.clone());
            assert_eq!(outcome, strange, "{without:?}");
        }
    }
    // The same set again: the same bytes.
    assert_eq!(play.certify(0, &set, signed.clone()).unwrap(), first);
    let second = play.certify(1, &set, signed).unwrap();
    assert_ne!(second.chain_value, first.chain_value);
    play.assert_known(&[]);
    // Nor in a further attempt, where the chain would be another.
    assert_eq!(
        play.reopen(1, 1).len(),
        4,
        "whoever signed or revealed stays away"
    );
    play.assert_known(&[]);
}

// spec: [confirm.noise]
#[test]
fn a_set_with_more_missing_than_the_noise_tolerates_is_neither_signed_nor_answered() {
    let setup = Setup {
        floor: Some(3),
        ..Setup::new(7, 1, 2).noised(skellam("40"))
    };
    let mut play = Play::new(&setup, &[LIAR]);
    play.run_to(PhaseName::Confirm);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &play.all_but(&[0, 1, 2]));
    let refused = play.ask(3, &set).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "3 slots are missing from the survivors, the noise tolerates 2"
    );
    let forged = vec![play.forged_signature(LIAR, &set)];
    assert_eq!(
        play.certify(3, &set, forged).unwrap_err().kind(),
        "too_many_missing"
    );
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

//! The steps of the model, taken on the machines of `veilsum-proto`.

use crate::knowledge::Kind;
use crate::round::{Action, LyingCoordinator, Round};
use crate::setting::{Lies, Setting};
use crate::slots::Slots;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Round as RoundNumber, Sid, Slot};
use veilsum_proto::message::{
    Accept, Cut, CutReason, ShareRequest, ShareSet, ShareWanted, SignedSlot, SurvivorSet,
    UploadHeader,
};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::session::{RoundContext, second_sid};
use veilsum_tests::{Dealing, Play, Setup, resigned, skellam};

const ROUND: RoundNumber = RoundNumber(1);

/// Machines that stand where a [`Round`] stands.
pub struct Replay {
    model: LyingCoordinator,
    play: Play,
    /// The accept of a dealer whose parts did not open.
    dealer: Option<Accept>,
    /// Context and first session of each attempt that was opened.
    attempts: Vec<(Arc<RoundContext>, Sid)>,
    headers: BTreeMap<(u8, u8), UploadHeader>,
    signatures: BTreeMap<Signed, SignedSlot>,
    at: Round,
}

/// Attempt, Share set and survivors of a signature, and whose it is.
type Signed = (u8, Slots, Slots, u8);

impl Replay {
    /// Machines at the start of Upload.
    ///
    /// # Panics
    ///
    /// When they derive other numbers than the model has.
    pub fn start(model: LyingCoordinator) -> Self {
        let setting = model.rules().setting;
        let corrupt = setting.corrupt.iter().map(u32::from).collect::<Vec<_>>();
        let setup = Setup::new(
            setting.members.into(),
            corrupt.len().try_into().unwrap(),
            setting.missing.into(),
        );
        let mut play = Play::new(&setup.noised(skellam("40")), &corrupt);
        check_numbers(&setting, &play.context);
        let dealer = match setting.lies {
            Lies::Cuts { wronged } if !wronged.is_empty() => Some(misdeal(&mut play, wronged)),
            _ => None,
        };
        play.run_to(PhaseName::Upload);
        let attempts = vec![(play.context.clone(), play.sid())];
        Self {
            at: model.start(),
            model,
            play,
            dealer,
            attempts,
            headers: BTreeMap::new(),
            signatures: BTreeMap::new(),
        }
    }

    /// Where the model is.
    pub fn at(&self) -> &Round {
        &self.at
    }

    /// Takes an action that the model calls possible, with the requests that follow it, and holds what is known against the
    /// model.
    ///
    /// # Errors
    ///
    /// The refusal of a machine; nothing is to be done with this value then.
    ///
    /// # Panics
    ///
    /// When machines give a share that the model withholds, or the other way round, or when other sums are known.
    pub fn act(&mut self, action: Action) -> Result<(), Refusal> {
        let next = self.model.after(&self.at, action);
        match action {
            Action::ShowShareSet(slot, shared, shown) => {
                self.show_share_set(slot, shared, shown, Words::Own)?
            }
            Action::AskToSign(slot, survivors) => {
                let set = self.survivor_set(slot, survivors);
                self.enter(slot);
                let signed = self.play.ask(slot.into(), &set)?;
                let (attempt, shared) = self.session(slot);
                self.signatures
                    .insert((attempt, shared, survivors, slot), signed);
            }
            Action::ShowCertificate(slot, survivors) => self.show_certificate(slot, survivors)?,
            Action::Restart(slot) => self.vanish(slot),
            Action::Retry(slots) => self.retry(slots)?,
        }
        self.at = next;
        self.ask_for_all();
        self.compare();
        Ok(())
    }

    /// Tries every action that the model calls impossible: each has to be refused, and nothing follows from it.
    ///
    /// # Panics
    ///
    /// When one is taken.
    pub fn try_the_impossible(&mut self) {
        for action in self.model.conceivable() {
            if self.model.is_possible(&self.at, action) || self.repeats(action) {
                continue;
            }
            let taken = match action {
                Action::ShowShareSet(slot, shared, shown)
                    if self.can_be_shown_a_share_set(slot) =>
                {
                    let all = [Words::Own, Words::Altered, Words::Forged];
                    let different = if shown.is_empty() { 1 } else { all.len() };
                    all.into_iter()
                        .take(different)
                        .any(|words| self.show_share_set(slot, shared, shown, words).is_ok())
                }
                Action::AskToSign(slot, survivors) if self.is_there(slot) => {
                    let set = self.survivor_set(slot, survivors);
                    self.enter(slot);
                    self.play.ask(slot.into(), &set).is_ok()
                }
                Action::ShowCertificate(slot, survivors) if self.is_there(slot) => {
                    self.show_certificate(slot, survivors).is_ok()
                }
                _ => false,
            };
            assert!(!taken, "the machines took {action:?} in {:?}", self.at);
        }
        self.compare();
    }

    /// Whether a member answers as it did before: the same signature, the same reveal, nothing for the same Share set.
    fn repeats(&self, action: Action) -> bool {
        let (Action::ShowShareSet(slot, set, _)
        | Action::AskToSign(slot, set)
        | Action::ShowCertificate(slot, set)) = action
        else {
            return false;
        };
        let member = self.at.member(slot);
        let session = member.session.as_ref();
        match action {
            Action::ShowShareSet(..) => session.is_some_and(|session| session.shared == Some(set)),
            _ => member.fixed.is_some_and(|fixed| fixed.survivors == set),
        }
    }

    fn is_there(&self, slot: u8) -> bool {
        self.at.member(slot).session.is_some()
    }

    /// A second Share set ends the session, whatever it is, and is an action of its own.
    fn can_be_shown_a_share_set(&self, slot: u8) -> bool {
        let session = self.at.member(slot).session;
        session.is_some_and(|session| session.shared.is_none())
    }

    fn show_share_set(
        &mut self,
        slot: u8,
        shared: Slots,
        shown: Slots,
        words: Words,
    ) -> Result<(), Refusal> {
        self.enter(slot);
        let (attempt, _) = self.session(slot);
        let accepts = shown.iter().map(|of| self.accept(of, slot, words));
        let set = ShareSet {
            sid: self.attempts[usize::from(attempt)].1,
            shared: self.bitmap(shared),
            accepts: accepts.collect(),
        };
        if self.can_be_shown_a_share_set(slot) {
            let header = self.play.show_and_upload(slot.into(), set)?;
            self.headers.insert((attempt, slot), header);
        } else {
            self.play
                .tell(slot.into(), set)
                .expect_err("a second Share set is refused");
            self.vanish(slot);
        }
        Ok(())
    }

    /// What is shown as the cut of the edge between `of` and `slot`. A corrupt member signs it; of an honest one there is what
    /// it signed, and what can be made of that.
    fn accept(&self, of: u8, slot: u8, words: Words) -> Accept {
        let setting = self.model.rules().setting;
        let player = &self.play.players[&Slot(of.into())];
        let dealer = self.dealer.as_ref();
        let dealer = dealer.filter(|accept| accept.slot == Slot(of.into()));
        let own = dealer.or(player.accept.as_ref());
        let own = own.expect("everybody accepted").clone();
        let cut = Cut {
            slot: Slot(slot.into()),
            reason: CutReason::Share,
        };
        let helper = setting.corrupt.iter().next();
        match (setting.corrupt.has(of), words) {
            (true, _) => resigned(&own, vec![cut], &player.identity),
            (false, Words::Own) => own,
            (false, Words::Altered) => Accept {
                cuts: vec![cut],
                ..own
            },
            (false, Words::Forged) => match helper {
                Some(helper) => {
                    let forger = &self.play.players[&Slot(helper.into())];
                    resigned(&own, vec![cut], &forger.identity)
                }
                None => own,
            },
        }
    }

    fn show_certificate(&mut self, slot: u8, survivors: Slots) -> Result<(), Refusal> {
        let set = self.survivor_set(slot, survivors);
        let (attempt, shared) = self.session(slot);
        let mut signatures = Vec::new();
        for signer in survivors.iter() {
            match self.signatures.get(&(attempt, shared, survivors, signer)) {
                Some(signed) => signatures.push(signed.clone()),
                None if self.model.rules().setting.corrupt.has(signer) => {
                    signatures.push(self.play.forged_signature(signer.into(), &set));
                }
                None => {}
            }
        }
        self.enter(slot);
        self.play.certify(slot.into(), &set, signatures)?;
        Ok(())
    }

    /// The session of a member: its attempt, and its Share set or, before it has one, that of all slots.
    fn session(&self, slot: u8) -> (u8, Slots) {
        let session = self.at.member(slot).session;
        let session = session.expect("the member is there");
        let all = self.model.rules().setting.all();
        (session.attempt, session.shared.unwrap_or(all))
    }

    fn survivor_set(&self, slot: u8, survivors: Slots) -> SurvivorSet {
        let (attempt, shared) = self.session(slot);
        let (_, sid) = self.attempts[usize::from(attempt)];
        SurvivorSet {
            sid,
            sid2: second_sid(&sid, &self.bitmap(shared)),
            survivors: self.bitmap(survivors),
        }
    }

    /// Makes a member's attempt the one that is played.
    fn enter(&mut self, slot: u8) {
        if let Some(session) = self.at.member(slot).session {
            self.play.context = self.attempts[usize::from(session.attempt)].0.clone();
        }
    }

    fn vanish(&mut self, slot: u8) {
        let player = self.play.players.get_mut(&Slot(slot.into())).unwrap();
        player.machine = None;
    }

    /// Opens the second attempt to `slots` and the corrupt members, while the others stay in the first.
    fn retry(&mut self, slots: Slots) -> Result<(), Refusal> {
        let setting = self.model.rules().setting;
        let come = slots.or(setting.corrupt);
        let stay = setting.all().less(come);
        let mut kept = Vec::new();
        for slot in stay.iter().map(u32::from).map(Slot) {
            let player = self.play.players.get_mut(&slot).unwrap();
            kept.push((
                slot,
                player.machine.take(),
                player.accept.take(),
                player.share_set.take(),
                player.header.take(),
            ));
        }
        let mut refused = self.play.reopen(ROUND.0, 1);
        for slot in slots.iter() {
            if let Some(refusal) = refused.remove(&Slot(slot.into())) {
                return Err(refusal);
            }
        }
        for slot in stay.iter() {
            self.vanish(slot);
        }
        self.play.run_to(PhaseName::Upload);
        self.attempts
            .push((self.play.context.clone(), self.play.sid()));
        for (slot, machine, accept, share_set, header) in kept {
            let player = self.play.players.get_mut(&slot).unwrap();
            (player.machine, player.accept) = (machine, accept);
            (player.share_set, player.header) = (share_set, header);
        }
        Ok(())
    }

    /// Asks every member that accepted a certificate for every share, one at a time.
    fn ask_for_all(&mut self) {
        let rules = *self.model.rules();
        for holder in self.at.members.clone() {
            let Some((attempt, shared)) = holder
                .session
                .filter(|session| session.certified.is_some())
                .and_then(|session| Some((session.attempt, session.shared?)))
            else {
                continue;
            };
            self.enter(holder.slot);
            let (_, sid) = self.attempts[usize::from(attempt)];
            let sid2 = second_sid(&sid, &self.bitmap(shared));
            for of in rules.setting.honest().iter() {
                for kind in [Kind::SelfSeed, Kind::RootSeed] {
                    let wanted = match kind {
                        Kind::RootSeed => ShareWanted::RootSeed(Slot(of.into())),
                        Kind::SelfSeed => match self.headers.get(&(attempt, of)) {
                            Some(header) => ShareWanted::SelfSeed(header.clone()),
                            None => continue,
                        },
                    };
                    let request = ShareRequest {
                        sid2,
                        wanted: vec![wanted],
                    };
                    let given = self.play.request(holder.slot.into(), &request).is_ok();
                    let may = self.at.share(&rules, &holder, of, kind).is_some();
                    assert_eq!(
                        given, may,
                        "{kind:?} of {of} by {} in {:?}",
                        holder.slot, self.at
                    );
                }
            }
        }
    }

    /// Holds the tap, which listens to the machines, against the model.
    fn compare(&self) {
        let rules = self.model.rules();
        self.play.tap.assert_safe();
        let found = self.play.tap.known_sums(ROUND).into_iter();
        let found = found
            .map(|sum| sum.into_iter().map(short).collect())
            .collect::<BTreeSet<Slots>>();
        let wanted = self.at.transcript.sums(rules);
        assert_eq!(found, wanted.into_iter().collect(), "sums in {:?}", self.at);
        let found = self.play.tap.certifiable(ROUND).into_iter();
        let found = found
            .map(|set| set.survivors.iter().map(short).collect())
            .collect::<Vec<Slots>>();
        let wanted = self.at.transcript.certifiable(rules).into_iter();
        let wanted = wanted.map(|set| set.survivors).collect::<Vec<_>>();
        assert_eq!(found, wanted, "certificates in {:?}", self.at);
        let found = (0..self.attempts.len()).flat_map(|attempt| self.chain_values(attempt));
        let wanted = self.at.transcript.chain_values(rules);
        assert_eq!(
            found.collect::<BTreeSet<_>>(),
            wanted,
            "chains in {:?}",
            self.at
        );
    }

    /// Values of noise chains that the tap heard in an attempt, as the model has them.
    fn chain_values(&self, attempt: usize) -> Vec<(u8, u8, u8)> {
        let (context, _) = &self.attempts[attempt];
        let Some(facts) = self.play.tap.facts(ROUND, context.attempt) else {
            return Vec::new();
        };
        let of_all = facts.chain_values.iter().flat_map(|(slot, values)| {
            let end = facts.chain_ends[slot];
            values.iter().map(move |value| {
                let closed = facts.opens(*slot, value, &end);
                let closed = closed.expect("it is a value of the chain");
                (
                    u8::try_from(attempt).unwrap(),
                    short(*slot),
                    u8::try_from(closed).unwrap(),
                )
            })
        });
        of_all.collect()
    }

    fn bitmap(&self, slots: Slots) -> Bitmap {
        self.play.set(slots.iter().map(u32::from))
    }
}

/// Whose words an accept of an honest member is shown in.
#[derive(Clone, Copy)]
enum Words {
    /// Its own.
    Own,
    /// Its own signature, below another list of cuts.
    Altered,
    /// A corrupt member's signature.
    Forged,
}

/// Lets the first corrupt member deal parts that do not open for `wronged`; its accept cuts nothing.
fn misdeal(play: &mut Play, wronged: Slots) -> Accept {
    let mut all = 0..play.context.slots();
    let dealer = all.find(|slot| play.tap.is_corrupt(Slot(*slot)));
    let dealer = dealer.expect("a member is corrupt");
    let mut forger = play.forge(dealer);
    play.run_to(PhaseName::Share);
    let mut parts = forger.parts(&play.due_adverts(dealer), Dealing::Right);
    let bad = parts.iter_mut().filter(|part| wronged.has(short(part.to)));
    bad.for_each(|part| part.ciphertext[0] ^= 1);
    play.say(dealer, forger.sealed(parts)).unwrap();
    play.run_to(PhaseName::Accept);
    let accept = forger.accept(Vec::new());
    play.say(dealer, accept.clone()).unwrap();
    accept
}

fn short(slot: Slot) -> u8 {
    slot.0.try_into().unwrap()
}

fn check_numbers(setting: &Setting, context: &RoundContext) {
    let parameters = &context.parameters;
    let found = [
        parameters.q,
        parameters.t,
        parameters.f,
        parameters.c_nb(),
        parameters.tolerated.unwrap(),
    ];
    let found = found.map(|number| number as usize);
    let wanted = [
        setting.quorum(),
        setting.threshold(),
        setting.floor(),
        setting.cut_limit(),
        usize::from(setting.missing),
    ];
    assert_eq!(found, wanted, "q, t, f, c_nb, T of {setting:?}");
}

impl Replay {
    /// Follows a path from the start.
    ///
    /// # Errors
    ///
    /// How many actions were taken, the one that was not, and why.
    pub fn follow(
        model: LyingCoordinator,
        path: &[Action],
    ) -> Result<Self, (usize, Action, Refusal)> {
        let mut replay = Self::start(model);
        for (taken, action) in path.iter().enumerate() {
            replay
                .act(*action)
                .map_err(|refusal| (taken, *action, refusal))?;
        }
        Ok(replay)
    }
}

//! A round as the lying coordinator plays it, for the search.

use crate::knowledge::{Kind, Released, Transcript, Upload};
use crate::member::{
    Fixed, Member, Mutant, NOBODY_BARE, NOISE_STAYS, ONE_CERTIFICATE, ONE_SUM, Rules, Session,
};
use crate::setting::Setting;
use crate::slots::Slots;
use stateright::{Model, Property};

/// One thing that the coordinator does to honest members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Shows a member a Share set, with accepts of these slots as cuts of their edges to it. It uploads; a second one ends its
    /// session.
    ShowShareSet(u8, Slots, Slots),
    /// Asks a member to sign these survivors.
    AskToSign(u8, Slots),
    /// Shows a member a certificate with all signatures there are. It reveals, and answers all requests that it may.
    ShowCertificate(u8, Slots),
    /// A member's program ends and starts again.
    Restart(u8),
    /// Opens the second attempt to these honest members, as far as Upload; the others stay in the first.
    Retry(Slots),
}

/// Where a round is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Round {
    /// Honest members, by slot.
    pub members: Vec<Member>,
    /// Who advertised in each attempt that was opened.
    pub advertised: Vec<Slots>,
    /// What left honest members.
    pub transcript: Transcript,
    /// Restarts left.
    pub restarts: u8,
}

/// All that a coordinator may do with a corrupt member's help, against members that keep to the rules, or to all but one.
///
/// A member that drops out is one that nothing is shown to any more. Requests for shares are made as soon as they are
/// answered: they give the coordinator more and take nothing from it.
#[derive(Clone, Copy, Debug)]
pub struct LyingCoordinator {
    rules: Rules,
}

impl LyingCoordinator {
    /// Against members that keep to all rules.
    pub fn new(setting: Setting) -> Self {
        Self {
            rules: Rules {
                setting,
                without: None,
            },
        }
    }

    /// Against members that lack one check.
    pub fn against(setting: Setting, mutant: Mutant) -> Self {
        Self {
            rules: Rules {
                setting,
                without: Some(mutant),
            },
        }
    }

    /// The rules that members keep to.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// All members shared in attempt 0.
    pub fn start(&self) -> Round {
        let setting = &self.rules.setting;
        let members = setting.honest().iter().map(|slot| Member {
            slot,
            fixed: None,
            session: Some(Session::of(0)),
        });
        Round {
            members: members.collect(),
            advertised: vec![setting.all()],
            transcript: Transcript::default(),
            restarts: setting.restarts,
        }
    }

    /// Whether an action changes anything; one that does not is refused, or a repetition.
    pub fn is_possible(&self, round: &Round, action: Action) -> bool {
        let rules = &self.rules;
        match action {
            Action::ShowShareSet(slot, shared, shown) => {
                let member = round.member(slot);
                let may_differ = rules.setting.lies_about_views();
                member.session.is_some_and(|session| {
                    let advertised = round.advertised_in(session);
                    session.shared != Some(shared)
                        && (may_differ || session.shared.is_none())
                        && rules.is_share_set(member, advertised, shared)
                        && rules.takes_cuts(member, advertised, shown)
                })
            }
            Action::AskToSign(slot, survivors) => {
                let member = round.member(slot);
                rules.signs(member, survivors)
                    && fixed(member, survivors)
                        .is_some_and(|set| !round.transcript.signatures.contains(&(set, slot)))
            }
            Action::ShowCertificate(slot, survivors) => {
                let member = round.member(slot);
                fixed(member, survivors).is_some_and(|set| {
                    let signers = round.transcript.signers(rules, set);
                    rules.reveals(member, survivors, signers)
                })
            }
            Action::Restart(slot) => round.restarts > 0 && round.member(slot).session.is_some(),
            Action::Retry(slots) => {
                let of = slots.iter();
                rules.setting.lies_about_views()
                    && round.advertised.len() == 1
                    && rules.setting.is_large(slots.or(rules.setting.corrupt))
                    && of
                        .into_iter()
                        .all(|slot| rules.may_join(round.member(slot)))
            }
        }
    }

    /// Every action with a member and a set, possible or not.
    pub fn conceivable(&self) -> Vec<Action> {
        let setting = &self.rules.setting;
        let mut actions = Vec::new();
        for slot in setting.honest().iter() {
            for set in setting.all().subsets() {
                // one of the two is what is lied about
                actions.push(match setting.lies_about_views() {
                    true => Action::ShowShareSet(slot, set, Slots::NONE),
                    false => Action::ShowShareSet(slot, setting.all(), set),
                });
                actions.push(Action::AskToSign(slot, set));
                actions.push(Action::ShowCertificate(slot, set));
            }
            actions.push(Action::Restart(slot));
        }
        actions.extend(setting.honest().subsets().map(Action::Retry));
        actions
    }

    /// What comes of a possible action.
    pub fn after(&self, round: &Round, action: Action) -> Round {
        let mut next = round.clone();
        match action {
            Action::ShowShareSet(slot, shared, shown) => {
                let cut = shown.or(self.rules.setting.own_cut(slot));
                next.share_set(slot, shared, cut);
            }
            Action::AskToSign(slot, survivors) => next.signature(slot, survivors),
            Action::ShowCertificate(slot, survivors) => next.certificate(slot, survivors),
            Action::Restart(slot) => {
                next.restarts -= 1;
                let member = next.member_mut(slot);
                member.session = None;
                if self.rules.lacks(Mutant::LedgerForgets) {
                    member.fixed = None;
                }
            }
            Action::Retry(slots) => {
                next.advertised.push(slots.or(self.rules.setting.corrupt));
                for slot in slots.iter() {
                    next.member_mut(slot).session = Some(Session::of(1));
                }
            }
        }
        next.ask_for_all(&self.rules);
        next
    }
}

impl Round {
    /// An honest member.
    pub fn member(&self, slot: u8) -> &Member {
        &self.members[usize::from(slot)]
    }

    fn member_mut(&mut self, slot: u8) -> &mut Member {
        &mut self.members[usize::from(slot)]
    }

    fn advertised_in(&self, session: Session) -> Slots {
        self.advertised[usize::from(session.attempt)]
    }

    fn share_set(&mut self, slot: u8, shared: Slots, cut: Slots) {
        let member = self.member_mut(slot);
        let Some(session) = &mut member.session else {
            return;
        };
        match session.shared {
            None => {
                (session.shared, session.cut) = (Some(shared), cut);
                let upload = Upload {
                    attempt: session.attempt,
                    slot,
                    shared,
                    cut,
                };
                self.transcript.uploads.insert(upload);
            }
            Some(_) => member.session = None,
        }
    }

    fn signature(&mut self, slot: u8, survivors: Slots) {
        let member = self.member_mut(slot);
        if let Some(set) = fixed(member, survivors) {
            member.fixed = Some(set);
            self.transcript.signatures.insert((set, slot));
        }
    }

    fn certificate(&mut self, slot: u8, survivors: Slots) {
        let member = self.member_mut(slot);
        if let Some(set) = fixed(member, survivors) {
            member.fixed = Some(set);
            if let Some(session) = &mut member.session {
                session.certified = Some(survivors);
            }
            self.transcript.reveals.insert((set, slot));
        }
    }

    /// Asks every member that accepted a certificate for every share that it gives.
    fn ask_for_all(&mut self, rules: &Rules) {
        for holder in self.members.clone() {
            for of in rules.setting.honest().iter() {
                for kind in [Kind::SelfSeed, Kind::RootSeed] {
                    if let Some(share) = self.share(rules, &holder, of, kind) {
                        self.transcript.shares.insert(share);
                    }
                }
            }
        }
    }

    /// The share of `of` that a holder gives. `[reveal.self-of-survivor]` `[reveal.header]` `[reveal.root-of-dropped]`
    pub fn share(&self, rules: &Rules, holder: &Member, of: u8, kind: Kind) -> Option<Released> {
        let session = holder.session?;
        let (shared, survivors) = (session.shared?, session.certified?);
        let both = rules.lacks(Mutant::GivesBothShares);
        let uploaded = self.transcript.upload(session.attempt, of);
        let header = uploaded
            .is_some_and(|upload| upload.shared == shared || rules.lacks(Mutant::StrangersSurvive));
        let may = match kind {
            Kind::SelfSeed => header && (survivors.has(of) || both),
            Kind::RootSeed => shared.has(of) && (!survivors.has(of) || both),
        };
        // nobody holds a share of its own secret, nor one of a slot it masked not with
        let holds = of != holder.slot && shared.has(of) && !session.cut.has(of);
        (may && holds).then_some(Released {
            attempt: session.attempt,
            holder: holder.slot,
            of,
            kind,
        })
    }
}

/// What a member would be bound to by these survivors; none before its upload.
fn fixed(member: &Member, survivors: Slots) -> Option<Fixed> {
    let session = member.session?;
    Some(Fixed {
        attempt: session.attempt,
        shared: session.shared?,
        survivors,
    })
}

impl Model for LyingCoordinator {
    type State = Round;
    type Action = Action;

    fn init_states(&self) -> Vec<Round> {
        vec![self.start()]
    }

    fn actions(&self, round: &Round, actions: &mut Vec<Action>) {
        let possible = self.conceivable().into_iter();
        actions.extend(possible.filter(|action| self.is_possible(round, *action)));
    }

    fn next_state(&self, round: &Round, action: Action) -> Option<Round> {
        Some(self.after(round, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_CERTIFICATE, |model: &Self, round: &Round| {
                round.transcript.certifiable(&model.rules).len() <= 1
            }),
            Property::always(NOBODY_BARE, |model: &Self, round: &Round| {
                round.transcript.bare(&model.rules).is_empty()
            }),
            Property::always(ONE_SUM, |model: &Self, round: &Round| {
                model.is_only_the_certified_sum(round)
            }),
            Property::always(NOISE_STAYS, |model: &Self, round: &Round| {
                round.transcript.is_noise_kept(&model.rules)
            }),
        ]
        .into_iter()
        .chain(self.reached())
        .collect()
    }
}

impl LyingCoordinator {
    /// The search would find nothing wrong in a round that nothing comes of.
    fn reached(&self) -> Vec<Property<Self>> {
        let mut reached = vec![
            Property::sometimes("the sum is known", |model: &Self, round: &Round| {
                !round.transcript.sums(&model.rules).is_empty()
            }),
            Property::sometimes("noise is opened", |model: &Self, round: &Round| {
                !round.transcript.chain_values(&model.rules).is_empty()
            }),
        ];
        match self.rules.setting.lies_about_views() {
            true => reached.push(Property::sometimes(
                "a sum of the second attempt",
                |model: &Self, round: &Round| {
                    let certified = round.transcript.certifiable(&model.rules);
                    certified.iter().any(|set| set.attempt == 1)
                        && !round.transcript.sums(&model.rules).is_empty()
                },
            )),
            false => reached.push(Property::sometimes(
                "a sum of members with as many cut edges as may be",
                |model: &Self, round: &Round| {
                    let limit = model.rules.setting.cut_limit();
                    let uploads = &round.transcript.uploads;
                    uploads.iter().all(|upload| upload.cut.len() == limit)
                        && !round.transcript.sums(&model.rules).is_empty()
                },
            )),
        }
        reached
    }

    fn is_only_the_certified_sum(&self, round: &Round) -> bool {
        let sums = round.transcript.sums(&self.rules);
        let certified = round.transcript.certifiable(&self.rules);
        let large = |set: &Fixed| self.rules.setting.is_large(set.survivors);
        let wanted = certified
            .iter()
            .filter(|set| large(set))
            .map(|set| set.survivors.and(self.rules.setting.honest()))
            .collect::<Vec<_>>();
        sums.len() <= 1 && sums.iter().all(|sum| wanted.contains(sum))
    }
}

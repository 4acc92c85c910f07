//! Virtual time and the network: what is under way, and what happens to it.

use crate::ops::doubles::Doubles;
use crate::ops::forge::Forger;
use crate::ops::house::House;
use crate::ops::judge::{Violation, judge};
use crate::ops::list::{Direction, Forgery, Link, Operation, OperationList};
use crate::ops::record::{Outcome, Record};
use crate::ops::site::{Parcel, Site, Surroundings};
use crate::ops::stage::{Opening, Stage};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use veilsum_proto::abort::Abort;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Attempt, Round, Slot};
use veilsum_proto::message::{Caps, Message};

pub(super) struct World<'a> {
    stage: &'a Stage,
    doubles: &'a mut dyn Doubles,
    caps: Caps,
    rounds: u64,
    seed: u64,
    now: u64,
    sites: Vec<Site>,
    house: Option<House>,
    wires: BTreeMap<Link, Wire>,
    /// By time of arrival, then in the order of sending.
    queue: BTreeMap<(u64, u64), (Link, Parcel)>,
    sent: u64,
    record: Record,
}

/// One link.
#[derive(Default)]
struct Wire {
    /// What happens to the next messages.
    armed: VecDeque<Disturbance>,
    /// A message that waits for the next one.
    held: Option<Parcel>,
    /// Everything that was sent, whatever came of it.
    history: Vec<Parcel>,
}

#[derive(Clone, Copy)]
enum Disturbance {
    Lose,
    Delay(u64),
    Duplicate,
    Reorder,
    Forge(Forgery, bool),
}

impl<'a> World<'a> {
    /// Plays a list to the end of its last round.
    pub fn play(
        stage: &'a Stage,
        list: &OperationList,
        doubles: &'a mut dyn Doubles,
    ) -> Result<Outcome, Violation> {
        let members = stage.federation.members.iter();
        let sites = members.map(|(slot, identity)| Site::new(*slot, identity.clone(), list.seed));
        let mut world = Self {
            stage,
            doubles,
            caps: Caps::of_roster(list.setting.members),
            rounds: list.setting.rounds,
            seed: list.seed,
            now: 0,
            sites: sites.collect(),
            house: None,
            wires: BTreeMap::new(),
            queue: BTreeMap::new(),
            sent: 0,
            record: Record::default(),
        };
        world.open(Round(1), Attempt(0));
        for operation in &list.operations {
            world.apply(operation);
        }
        world.drain();
        world.verdict(list)
    }

    /// What the other side knows weighs most, so it is told first.
    fn verdict(mut self, list: &OperationList) -> Result<Outcome, Violation> {
        self.record.judge_knowledge()?;
        if let Some(violation) = self.record.violation.take() {
            return Err(violation);
        }
        judge(self.stage, &self.record, &self.sites)?;
        let Record {
            ends,
            faults,
            late,
            refusals,
            ..
        } = self.record;
        // Where nothing happens, there is a sum.
        if list.operations.is_empty()
            && let Some(end) = ends.iter().find(|end| end.result.is_err())
        {
            return Err(Violation::NoSum { round: end.round });
        }
        Ok(Outcome {
            ends,
            faults,
            late,
            refusals,
        })
    }

    fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::Join { slot } => self.join(slot),
            Operation::Drop { slot } => self.cut_off(slot),
            Operation::Restart { slot } => {
                self.cut_off(slot);
                if let Some(site) = self.sites.get_mut(slot as usize) {
                    site.restart();
                    self.send_due(Slot(slot));
                }
            }
            Operation::RestartCoordinator => self.restart_coordinator(),
            Operation::Lose(link) => self.arm(link, Disturbance::Lose),
            Operation::Delay { link, ms } => self.arm(link, Disturbance::Delay(ms)),
            Operation::Duplicate(link) => self.arm(link, Disturbance::Duplicate),
            Operation::Reorder(link) => self.arm(link, Disturbance::Reorder),
            Operation::Forge {
                link,
                forgery,
                beside,
            } => self.arm(link, Disturbance::Forge(forgery, beside)),
            Operation::Advance { ms } => self.advance(self.now.saturating_add(ms)),
            Operation::Close => {
                if self.house.is_some() {
                    self.close();
                    self.settle();
                }
            }
        }
    }

    fn arm(&mut self, link: Link, disturbance: Disturbance) {
        self.wires
            .entry(link)
            .or_default()
            .armed
            .push_back(disturbance);
    }

    fn join(&mut self, slot: u32) {
        if let Some(site) = self.sites.get_mut(slot as usize)
            && !site.connected
        {
            site.connected = true;
            self.send_due(Slot(slot));
        }
    }

    fn cut_off(&mut self, slot: u32) {
        if let Some(site) = self.sites.get_mut(slot as usize) {
            site.connected = false;
        }
        self.queue.retain(|_, (link, _)| link.slot != slot);
        for link in [Link::to_member(slot), Link::to_coordinator(slot)] {
            if let Some(wire) = self.wires.get_mut(&link) {
                wire.held = None;
            }
        }
    }

    fn restart_coordinator(&mut self) {
        self.queue.clear();
        self.wires.values_mut().for_each(|wire| wire.held = None);
        if self.house.is_some() {
            self.end();
            self.settle();
        }
    }

    // --- time

    fn advance(&mut self, until: u64) {
        while let Some(at) = self.next().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = self.now.max(until);
        let now = Duration::from_millis(self.now);
        self.sites.iter_mut().for_each(|site| site.expire(now));
    }

    fn drain(&mut self) {
        while let Some(at) = self.next() {
            self.advance(at);
        }
    }

    /// When something is due next.
    fn next(&self) -> Option<u64> {
        let arrival = self.queue.keys().next().map(|(at, _)| *at);
        let deadline = self.house.as_ref().map(|house| house.deadline);
        arrival.into_iter().chain(deadline).min()
    }

    /// Lets one thing happen: what arrives at a deadline is in time.
    fn step(&mut self) {
        match self
            .queue
            .first_entry()
            .filter(|entry| entry.key().0 <= self.now)
        {
            Some(entry) => {
                let (link, parcel) = entry.remove();
                match link.to {
                    Direction::Member => self.reach_member(link.slot, &parcel),
                    Direction::Coordinator => self.reach_coordinator(link.slot, &parcel),
                }
            }
            None => self.close(),
        }
        self.settle();
    }

    // --- the coordinator

    fn open(&mut self, round: Round, attempt: Attempt) {
        if round.0 > self.rounds {
            return;
        }
        match self.stage.opening(round, attempt) {
            Ok(opening) => self.open_house(opening),
            Err(error) => self.record.violate(Violation::Setting(error.to_string())),
        }
    }

    fn open_house(&mut self, opening: Opening) {
        self.house = Some(House::open(opening, self.now));
        self.announce();
    }

    /// Closes phases in which nobody is waited for, and ends what is over.
    fn settle(&mut self) {
        while let Some(house) = &self.house {
            match house.phase() {
                PhaseName::Finished | PhaseName::Aborted => self.end(),
                _ if house.is_complete() => self.close(),
                _ => return,
            }
        }
    }

    fn close(&mut self) {
        if let Some(house) = &mut self.house {
            house.close(self.now, &mut self.record);
            self.announce();
        }
    }

    /// Tells everybody how the attempt ended, and opens the next.
    fn end(&mut self) {
        let Some(house) = self.house.take() else {
            return;
        };
        let context = house.context.clone();
        let (ended, message) =
            house.end(self.stage, &mut self.record, &mut *self.doubles, self.seed);
        for slot in context.graph.population().slots() {
            self.send(Link::to_member(slot.0), Parcel::of(&message, None));
        }
        let next = Attempt(context.attempt.0.saturating_add(1));
        match ended {
            Err(abort) if Abort::may_retry(&abort) && next.0 < self.stage.attempts() => {
                self.open(context.round, next)
            }
            _ => self.open(Round(context.round.0.saturating_add(1)), Attempt(0)),
        }
    }

    fn announce(&mut self) {
        let Some(house) = &self.house else {
            return;
        };
        let slots = house.context.graph.population().slots().collect::<Vec<_>>();
        slots.into_iter().for_each(|slot| self.send_due(slot));
    }

    fn send_due(&mut self, slot: Slot) {
        let due = self
            .house
            .as_ref()
            .and_then(|house| house.machine.message_for(slot));
        if let Some(message) = due {
            self.send(Link::to_member(slot.0), Parcel::of(&message, None));
        }
    }

    fn reach_coordinator(&mut self, from: u32, parcel: &Parcel) {
        let Some(house) = &mut self.house else {
            return;
        };
        let reply = house.receive(
            Slot(from),
            parcel,
            &self.caps,
            &mut self.record,
            &mut *self.doubles,
        );
        if let Some(message) = reply {
            self.send_message(from, &message);
        }
    }

    fn send_message(&mut self, slot: u32, message: &Message) {
        self.send(Link::to_member(slot), Parcel::of(message, None));
    }

    // --- members

    fn reach_member(&mut self, slot: u32, parcel: &Parcel) {
        let Some(site) = self.sites.get_mut(slot as usize) else {
            return;
        };
        let mut around = Surroundings {
            stage: self.stage,
            caps: &self.caps,
            record: &mut self.record,
            doubles: &mut *self.doubles,
            now: Duration::from_millis(self.now),
        };
        if let Some(answer) = site.receive(&parcel.frame, &mut around) {
            self.send(Link::to_coordinator(slot), answer);
        }
    }

    // --- the network

    fn send(&mut self, link: Link, parcel: Parcel) {
        if self
            .sites
            .get(link.slot as usize)
            .is_none_or(|site| !site.connected)
        {
            return;
        }
        let wire = self.wires.entry(link).or_default();
        let (armed, waiting) = (wire.armed.pop_front(), wire.held.take());
        let at = self.now.saturating_add(LATENCY);
        match armed {
            None => self.enqueue(at, link, parcel.clone()),
            Some(Disturbance::Lose) => {}
            Some(Disturbance::Delay(ms)) => {
                self.enqueue(at.saturating_add(ms), link, parcel.clone())
            }
            Some(Disturbance::Duplicate) => {
                self.enqueue(at, link, parcel.clone());
                self.enqueue(at.saturating_add(LATENCY), link, parcel.clone());
            }
            Some(Disturbance::Reorder) => {
                self.wires.entry(link).or_default().held = Some(parcel.clone())
            }
            Some(Disturbance::Forge(forgery, beside)) => {
                if beside {
                    self.enqueue(at, link, parcel.clone());
                }
                let forged = self.forged(link, forgery, &parcel);
                self.enqueue(at, link, forged);
            }
        }
        if let Some(waiting) = waiting {
            self.enqueue(at, link, waiting);
        }
        self.wires.entry(link).or_default().history.push(parcel);
    }

    fn enqueue(&mut self, at: u64, link: Link, parcel: Parcel) {
        self.sent = self.sent.saturating_add(1);
        self.queue.insert((at, self.sent), (link, parcel));
    }

    fn forged(&mut self, link: Link, forgery: Forgery, parcel: &Parcel) -> Parcel {
        let deceived = match link.to {
            Direction::Member => &mut self.record.misled,
            Direction::Coordinator => &mut self.record.liars,
        };
        deceived.insert(Slot(link.slot));
        let (Some(site), Some(house)) = (self.sites.get(link.slot as usize), &self.house) else {
            return parcel.clone();
        };
        let identity = match link.to {
            Direction::Member => self.stage.federation.coordinator(),
            Direction::Coordinator => &*site.identity,
        };
        let forger = Forger {
            context: &house.context,
            caps: &self.caps,
            identity,
            advertised: site.advertised(),
        };
        let earlier = match forgery {
            Forgery::Replay { of, .. } => self.wires.get(&Link {
                slot: of,
                to: link.to,
            }),
            Forgery::Flip { .. } | Forgery::Lie { .. } | Forgery::Toggle { .. } => None,
        };
        forger.forge(forgery, parcel, earlier.map_or(&[], |wire| &wire.history))
    }
}

/// Milliseconds of a message on its way.
pub(super) const LATENCY: u64 = 10;

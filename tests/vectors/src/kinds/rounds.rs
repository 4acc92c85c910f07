//! Whole rounds: every machine is ours, and each is given what the vectors say it is given.

use crate::bytes::{Bytes, Hex, text};
use crate::draws::{Draws, Named};
use crate::file::{Case, Fields};
use crate::judge::{Stop, broken};
use crate::kinds::Kind;
use crate::kinds::coordinator::{context, result};
use crate::machine::coordinator::{CoordinatorMachine, Due};
use crate::machine::member::{Answer, MemberMachine, Site};
use crate::machine::parties::RosterFields;
use crate::values;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use veilsum_encode::Weight;
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::identity::{Identity, PublicKey};
use veilsum_proto::ids::{ModelDigest, Slot};
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::message::Message;
use veilsum_proto::roster::Roster;
use veilsum_proto::session::RoundContext;

pub(super) const KINDS: &[Kind] = &[Kind {
    name: "Round",
    layer: "round",
    run: whole_round,
}];

/// The input of a round.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Given {
    roster: RosterFields,
    roster_signature: Hex<64>,
    coordinator_identity: Hex<32>,
    task: Bytes,
    round: u64,
    #[serde(default)]
    attempt: u32,
    #[serde(default)]
    base_model: Option<Hex<32>>,
    members: Vec<MemberGiven>,
    silent: BTreeMap<u32, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberGiven {
    identity: Hex<32>,
    update: Vec<values::Named>,
    #[serde(default)]
    weight: Option<u32>,
    draws: Named,
}

impl Given {
    /// Reads the input of a case of this type.
    ///
    /// # Errors
    ///
    /// A field that is missing or unknown.
    pub fn of(input: Fields) -> Result<Self, Stop> {
        Ok(serde_json::from_value(Value::Object(input))?)
    }

    /// The roster, by the signature of the vector.
    ///
    /// # Errors
    ///
    /// The authority did not sign it.
    pub fn roster(&self) -> Result<Arc<Roster>, Stop> {
        let accepted = PublicKey::parse(&self.roster.authority.0).map_err(broken)?;
        let roster = Roster::from_toml(&self.roster.to_toml(&self.roster_signature.0), &accepted);
        roster.map(Arc::new).map_err(broken)
    }

    /// The coordinator's identity.
    pub fn coordinator(&self) -> Identity {
        Identity::from_secret_bytes(&self.coordinator_identity.0)
    }

    /// What both sides derive.
    ///
    /// # Errors
    ///
    /// The task does not fit the roster.
    pub fn context(&self) -> Result<Arc<RoundContext>, Stop> {
        let model = ModelDigest(self.base_model.map_or([0; 32], |model| model.0));
        context(
            &self.task.0,
            self.roster()?,
            self.round,
            self.attempt,
            model,
        )
    }

    /// The member of a slot at a site without floors of its own.
    ///
    /// # Errors
    ///
    /// There is no such slot.
    pub fn member(&self, slot: u32) -> Result<MemberMachine, Stop> {
        let given = self.of_slot(slot)?;
        let roster = self.roster()?;
        let floors = Site::lenient().floors(roster.len())?;
        let identity = Identity::from_secret_bytes(&given.identity.0);
        Ok(MemberMachine::new(
            roster,
            identity,
            floors,
            MemoryLedger::default(),
        ))
    }

    /// The update of a slot.
    ///
    /// # Errors
    ///
    /// There is no such slot.
    pub fn update(&self, slot: u32) -> Result<&[values::Named], Stop> {
        Ok(&self.of_slot(slot)?.update)
    }

    /// The weight of a slot; 1 where the vector names none.
    ///
    /// # Errors
    ///
    /// There is no such slot, or its weight is 0.
    pub fn weight(&self, slot: u32) -> Result<Weight, Stop> {
        let weight = self.of_slot(slot)?.weight.unwrap_or(1);
        Weight::new(weight).ok_or_else(|| broken("a weight of 0"))
    }

    fn of_slot(&self, slot: u32) -> Result<&MemberGiven, Stop> {
        let given = self.members.get(slot as usize);
        given.ok_or_else(|| broken(format!("no slot {slot}")))
    }
}

fn whole_round(case: &Case) -> Result<Value, Stop> {
    let mut round = Running::new(Given::of(case.input.clone())?)?;
    let shared = round.run()?;
    let finished = round
        .coordinator
        .finished()
        .ok_or_else(|| broken("there is no sum"))?;
    let survivors = finished.sum().survivors();
    let Value::Object(mut out) = result(finished, &round.identity) else {
        return Err(broken("a result has fields"));
    };
    let context = round.coordinator.context();
    let mean = finished
        .integers()
        .mean(&context.plan, &context.rotation_seed())
        .map_err(broken)?;
    let mean = values::doubles(&mean).ok_or_else(|| broken("the mean is not in binary64"))?;
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("weight", json!(finished.integers().weight()));
    put("mean", json!(mean));
    put("sid", text(survivors.sid().as_bytes()));
    put("sid2", text(survivors.sid2().as_bytes()));
    put("advertised", slots(round.advertised.iter().copied()));
    put("shared", slots(shared.iter()));
    put("survivors", slots(survivors.bitmap().iter()));
    put("contributions", Value::Object(round.contributions));
    put("coordinatorTakes", Value::Array(round.taken));
    let inboxes = round
        .members
        .iter()
        .map(|(slot, member)| (slot.to_string(), Value::Array(member.inbox.clone())));
    put("memberTakes", Value::Object(inboxes.collect::<Map<_, _>>()));
    Ok(Value::Object(out))
}

fn slots(slots: impl Iterator<Item = Slot>) -> Value {
    slots.map(|slot| slot.0).collect()
}

/// A round in progress, with what each machine was given.
struct Running {
    given: Given,
    identity: Identity,
    coordinator: CoordinatorMachine,
    members: BTreeMap<u32, Party>,
    taken: Vec<Value>,
    contributions: Map<String, Value>,
    advertised: Vec<Slot>,
}

struct Party {
    machine: MemberMachine,
    draws: Draws,
    inbox: Vec<Value>,
}

impl Running {
    fn new(given: Given) -> Result<Self, Stop> {
        let context = given.context()?;
        let mut members = BTreeMap::new();
        for slot in context.graph.population().slots() {
            let draws = Draws::of_member(&given.of_slot(slot.0)?.draws);
            members.insert(
                slot.0,
                Party {
                    machine: given.member(slot.0)?,
                    draws,
                    inbox: Vec::new(),
                },
            );
        }
        Ok(Self {
            identity: given.coordinator(),
            coordinator: CoordinatorMachine::new(context),
            given,
            members,
            taken: Vec::new(),
            contributions: Map::new(),
            advertised: Vec::new(),
        })
    }

    /// All phases; returns the Share set.
    fn run(&mut self) -> Result<Bitmap, Stop> {
        let open = self.coordinator.due();
        self.exchange("advertise", open)?;
        let due = self.close("Advertise")?;
        self.advertised = due.keys().copied().collect();
        self.exchange("share", due)?;
        let due = self.close("Share")?;
        self.exchange("accept", due)?;
        let due = self.close("Accept")?;
        let shared = self
            .coordinator
            .machine()
            .share_set()
            .cloned()
            .ok_or_else(|| broken("there is no Share set"))?;
        self.upload(due)?;
        // Electors are asked until there are enough signatures.
        let due = self.close("Upload")?;
        let wanted = self.coordinator.context().parameters.q as usize;
        let speaking = due
            .into_iter()
            .filter(|(slot, _)| self.speaks(*slot, "confirm"));
        let asked = speaking.take(wanted).collect();
        self.exchange("confirm", asked)?;
        let due = self.close("Confirm")?;
        self.exchange("reveal", due)?;
        let requests = self.coordinator.requests();
        self.exchange("shares", requests)?;
        self.close("Reveal")?;
        self.receipts()?;
        self.members
            .values()
            .find_map(|member| member.draws.wrong())
            .map_or(Ok(shared), |why| Err(broken(why)))
    }

    fn speaks(&self, slot: Slot, phase: &str) -> bool {
        let at = |phase: &str| PHASES.iter().position(|name| *name == phase);
        match self.given.silent.get(&slot.0) {
            None => true,
            Some(from) => at(phase) < at(from),
        }
    }

    /// Everybody that still speaks answers what is due to it.
    fn exchange(&mut self, phase: &str, due: Due) -> Result<(), Stop> {
        for (slot, message) in due {
            if !self.speaks(slot, phase) {
                continue;
            }
            let Answer::Message(answer) = self.give(slot, &message)? else {
                return Err(broken(format!("slot {slot} has no answer in {phase}")));
            };
            self.take(slot, &answer, None)?;
        }
        Ok(())
    }

    fn upload(&mut self, due: Due) -> Result<(), Stop> {
        for (slot, message) in due {
            if !self.speaks(slot, "upload") {
                continue;
            }
            self.give(slot, &message)?;
            let update = self.given.update(slot.0)?.to_vec();
            let weight = self.given.weight(slot.0)?;
            let member = self.member(slot)?;
            let Answer::Upload(header, vector) =
                member
                    .machine
                    .upload(&update, weight, None, &mut member.draws)?
            else {
                return Err(broken(format!("slot {slot} uploads nothing")));
            };
            let shown = update
                .iter()
                .map(|each| json!({ "name": each.name, "values": text(&each.values.0) }));
            member
                .inbox
                .push(json!({ "update": shown.collect::<Vec<_>>() }));
            let plain = member
                .machine
                .contributed
                .take()
                .ok_or_else(|| broken("nothing was contributed"))?;
            self.contributions.insert(slot.to_string(), text(plain));
            let stored = self
                .take(slot, &header, Some(vector))?
                .ok_or_else(|| broken("an update that is not stored"))?;
            self.give(slot, &stored)?;
        }
        Ok(())
    }

    /// To those that were there to the end.
    fn receipts(&mut self) -> Result<(), Stop> {
        let finished = self
            .coordinator
            .finished()
            .ok_or_else(|| broken("there is no sum"))?;
        let receipt = Message::new(finished.receipt(&self.identity));
        let slots = self.members.keys().copied().map(Slot).collect::<Vec<_>>();
        for slot in slots {
            if self.speaks(slot, "shares") {
                self.give(slot, &receipt)?;
            }
        }
        Ok(())
    }

    fn close(&mut self, phase: &str) -> Result<Due, Stop> {
        self.taken.push(json!({ "close": phase }));
        self.coordinator.close()?;
        Ok(self.coordinator.due())
    }

    fn give(&mut self, slot: Slot, message: &Message) -> Result<Answer, Stop> {
        let member = self.member(slot)?;
        let bytes = message.encode();
        member.inbox.push(json!({ "message": text(&bytes) }));
        Ok(member.machine.take(&bytes, &mut member.draws)?)
    }

    fn take(
        &mut self,
        slot: Slot,
        message: &Message,
        vector: Option<Vec<u8>>,
    ) -> Result<Option<Message>, Stop> {
        let bytes = message.encode();
        self.taken.push(match &vector {
            None => json!({ "slot": slot.0, "message": text(&bytes) }),
            Some(vector) => {
                json!({ "slot": slot.0, "message": text(&bytes), "vector": text(vector) })
            }
        });
        Ok(self.coordinator.take(slot, &bytes, vector.as_deref())?)
    }

    fn member(&mut self, slot: Slot) -> Result<&mut Party, Stop> {
        self.members
            .get_mut(&slot.0)
            .ok_or_else(|| broken(format!("no slot {slot}")))
    }
}

const PHASES: [&str; 7] = [
    "advertise",
    "share",
    "accept",
    "upload",
    "confirm",
    "reveal",
    "shares",
];

//! Our member, a step at a time.

use crate::bytes::Bytes;
use crate::draws::{Draws, Noted};
use crate::judge::{Refused, Stop, broken, refused};
use crate::kinds::invalid;
use crate::machine::ledger::Act;
use crate::machine::member_refusals::{in_message, refusal};
use crate::values;
use rand_core::CryptoRng;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use veilsum_dp::NoiseBound;
use veilsum_encode::{
    Contribution, Dtype, Encoding, Manifest, Plan, Tensor, TensorData, TensorSpec, Update, Weight,
    contribute, contribute_with_noise,
};
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::UpdateDigest;
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::member::{Bounds, Floors, Member, PrivacyFloors, Reply, UnlistedTasks};
use veilsum_proto::message::{Body, Caps, Message};
use veilsum_proto::roster::Roster;
use veilsum_proto::session::RoundContext;

/// The site's policy as the vectors write it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    min_survivors: u32,
    min_corrupt: Option<u32>,
    unlisted: String,
    noise_required: bool,
    retries: bool,
    reuse: bool,
    bounded: bool,
}

impl Site {
    /// That of the vectors of whole rounds: no floors of its own.
    pub fn lenient() -> Self {
        Self {
            min_survivors: 3,
            min_corrupt: Some(0),
            unlisted: "any".to_owned(),
            noise_required: false,
            retries: true,
            reuse: false,
            bounded: false,
        }
    }

    /// As our member takes it. A site that bounds epsilon at all has a bound that no vector reaches, since budgets are not in the vectors.
    ///
    /// # Errors
    ///
    /// It names a policy that there is not.
    pub fn floors(&self, slots: u32) -> Result<Floors, Stop> {
        let unlisted = match self.unlisted.as_str() {
            "refuse" => UnlistedTasks::Refused,
            "complete-graph" => UnlistedTasks::Undrawn,
            "any" => UnlistedTasks::Any,
            other => {
                return Err(broken(format!(
                    "found the policy {other:?} for unlisted tasks"
                )));
            }
        };
        let bounds = Bounds {
            delta: 0.5,
            per_round: None,
            per_task: Some(1e300),
            total: None,
        };
        Ok(Floors {
            survivors: self.min_survivors,
            corrupt: self.min_corrupt.unwrap_or((slots / 10).max(1)),
            unlisted,
            privacy: PrivacyFloors {
                required: self.noise_required,
                bounds: self.bounded.then_some(bounds).into_iter().collect(),
                ..PrivacyFloors::default()
            },
            retry: self.retries,
            reuse_update: self.reuse,
            ..Floors::default()
        })
    }
}

/// What a member is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberStep {
    /// A message of the coordinator.
    pub message: Option<Bytes>,
    /// An update to upload.
    pub update: Option<Vec<values::Named>>,
    /// In place of what the update encodes to.
    pub packed: Option<Bytes>,
    /// What another process of this member wrote into its ledger.
    pub recorded: Option<Act>,
    /// Whether this step is refused although others follow.
    #[serde(default)]
    pub refused: bool,
}

/// What a member makes of a step.
#[derive(Debug)]
pub enum Answer {
    /// Nothing to send.
    Nothing,
    /// A message.
    Message(Message),
    /// An upload: header and vector.
    Upload(Message, Vec<u8>),
}

/// A member before and after it was invited.
pub struct MemberMachine {
    roster: Arc<Roster>,
    identity: Arc<Identity>,
    floors: Floors,
    ledger: MemoryLedger,
    member: Option<Member>,
    /// What it last contributed, in plain; for whoever compares.
    pub contributed: Option<Vec<u8>>,
}

impl MemberMachine {
    /// A member with this ledger that was not invited yet.
    pub fn new(
        roster: Arc<Roster>,
        identity: Identity,
        floors: Floors,
        ledger: MemoryLedger,
    ) -> Self {
        Self {
            roster,
            identity: Arc::new(identity),
            floors,
            ledger,
            member: None,
            contributed: None,
        }
    }

    /// What it did.
    pub fn ledger(&self) -> &MemoryLedger {
        &self.ledger
    }

    /// What the round is about, once it is invited.
    pub fn context(&self) -> Option<&Arc<RoundContext>> {
        self.member.as_ref().map(Member::context)
    }

    /// Name of the phase it is in.
    pub fn phase(&self) -> &'static str {
        self.member.as_ref().map_or("uninvited", Member::phase)
    }

    /// Takes one step.
    ///
    /// # Errors
    ///
    /// [`Stop::Refused`] when the member refuses it.
    pub fn step(&mut self, step: &MemberStep, rng: &mut dyn CryptoRng) -> Result<Answer, Stop> {
        match (&step.message, &step.update, &step.recorded) {
            (Some(message), None, None) => Ok(self.take(&message.0, rng)?),
            (None, Some(update), None) => {
                self.upload(update, Weight::ONE, step.packed.as_ref(), rng)
            }
            (None, None, Some(act)) => {
                act.record_in(&mut self.ledger, None)?;
                Ok(Answer::Nothing)
            }
            _ => Err(broken("a step is a message, an update or a record")),
        }
    }

    /// Takes the bytes of one message.
    ///
    /// # Errors
    ///
    /// What the member refuses.
    pub fn take(&mut self, bytes: &[u8], rng: &mut dyn CryptoRng) -> Result<Answer, Refused> {
        let slots = self.roster.len();
        let caps = Caps::of_roster(slots);
        let message = Message::decode(bytes, &caps).map_err(invalid)?;
        if let (None, Body::Open(open)) = (&self.member, &message.body) {
            let invited = Member::invited(
                open,
                self.roster.clone(),
                self.identity.clone(),
                self.floors.clone(),
                &self.ledger,
            );
            let mut member = invited.map_err(refusal)?;
            let advert = member
                .advertise(&mut self.ledger, Duration::ZERO, rng)
                .map_err(refusal)?;
            self.member = Some(member);
            return Ok(Answer::Message(advert));
        }
        let member = self
            .member
            .as_mut()
            .ok_or_else(|| refused("advertise.record", "nothing was advertised"))?;
        let is_complete = member.context().parameters.is_complete();
        let reply = member
            .receive(&message, &mut self.ledger, Duration::ZERO, rng)
            .map_err(|error| in_message(error, &message.body, is_complete))?;
        match reply {
            Reply::Send(message) => Ok(Answer::Message(message)),
            Reply::Nothing | Reply::Contribute | Reply::Result { .. } | Reply::Aborted(_) => {
                Ok(Answer::Nothing)
            }
        }
    }

    /// Encodes an update, with this attempt's noise, and masks it.
    ///
    /// # Errors
    ///
    /// [`Stop::Refused`] when the member refuses it.
    pub fn upload(
        &mut self,
        update: &[values::Named],
        weight: Weight,
        packed: Option<&Bytes>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Answer, Stop> {
        let member = self
            .member
            .as_mut()
            .ok_or_else(|| refused("advertise.record", "nothing was advertised"))?;
        let context = member.context().clone();
        let update = || {
            Update::for_plan(
                &context.plan,
                values::tensors(context.task.manifest(), update),
            )
            .map_err(broken)
        };
        let digest = UpdateDigest(update()?.digest());
        let (contribution, plain) = match packed {
            Some(packed) => (of_length(packed.0.len())?, None),
            None => {
                // A contribution shows its blocks only as it is used up, so there are two, of the same draws.
                let mut noted = Noted::new(rng);
                let plain = encode(&context, member, update()?, weight, &mut noted)?;
                let again = encode(&context, member, update()?, weight, &mut noted.again())?;
                (again, Some(plain))
            }
        };
        let (header, masked) = member
            .upload(contribution, digest, &mut self.ledger)
            .map_err(refusal)?;
        self.contributed = plain.map(|plain| plain.into_blocks().to_le_bytes());
        Ok(Answer::Upload(header, masked.blocks().to_le_bytes()))
    }
}

/// With the member's noise where the task has any. A member that has none any more refuses whatever it is given.
fn encode(
    context: &RoundContext,
    member: &Member,
    update: Update,
    weight: Weight,
    rng: &mut dyn CryptoRng,
) -> Result<Contribution, Stop> {
    let (plan, seed) = (&context.plan, context.rotation_seed());
    let made = match (&context.noise, member.noise()) {
        (None, _) => contribute(update, plan, weight, &seed, rng),
        (Some(noise), Some(own)) => {
            contribute_with_noise(update, plan, weight, &seed, noise.plan(), &own, rng)
        }
        (Some(_), None) => return of_length(8 * plan.limbs()),
    };
    made.map(|(contribution, _)| contribution).map_err(broken)
}

/// Zeros of so many bytes, under a plan of their own: contributions of another length exist only so.
fn of_length(bytes: usize) -> Result<Contribution, Stop> {
    let coordinates = (bytes / 4) as u64;
    let spec = TensorSpec {
        name: "zeros".to_owned(),
        shape: vec![coordinates],
        dtype: Dtype::U32,
    };
    let manifest = Manifest::new(vec![spec]).map_err(broken)?;
    let encoding = Encoding::Integer {
        min: 0,
        max: i64::from(u32::MAX),
    };
    let plan = Plan::derive(&manifest, &encoding, 1, NoiseBound::NONE).map_err(broken)?;
    let zeros = Tensor {
        shape: vec![coordinates],
        data: TensorData::U32(vec![0; bytes / 4]),
    };
    let update = Update::for_plan(&plan, [("zeros".to_owned(), zeros)].into()).map_err(broken)?;
    let made = contribute(update, &plan, Weight::ONE, &[0; 32], &mut Draws::default());
    let (contribution, _) = made.map_err(broken)?;
    match contribution.limbs() * 8 == bytes {
        true => Ok(contribution),
        false => Err(broken(format!("{bytes} bytes are no limbs"))),
    }
}

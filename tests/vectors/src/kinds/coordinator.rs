//! A coordinator alone, a step after the other.

use crate::bytes::{Bytes, Hex, text};
use crate::file::Case;
use crate::judge::{Stop, broken};
use crate::kinds::Kind;
use crate::machine::coordinator::{CoordinatorMachine, CoordinatorStep, Due, slot_and_message};
use crate::machine::parties::RosterFields;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use veilsum_proto::coordinator::Finished;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Attempt, ModelDigest, Round};
use veilsum_proto::message::{Deadlines, Message};
use veilsum_proto::roster::Roster;
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::Task;

pub(super) const KINDS: &[Kind] = &[Kind {
    name: "CoordinatorSteps",
    layer: "coordinator",
    run: coordinator_steps,
}];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alone {
    roster: RosterFields,
    identity: Hex<32>,
    task: Bytes,
    round: u64,
    attempt: u32,
    steps: Vec<CoordinatorStep>,
}

fn coordinator_steps(case: &Case) -> Result<Value, Stop> {
    let i: Alone = case.input()?;
    let roster = i.roster.signed()?;
    let context = context(&i.task.0, roster, i.round, i.attempt, NO_MODEL)?;
    let identity = Identity::from_secret_bytes(&i.identity.0);
    let mut coordinator = CoordinatorMachine::new(context);
    let mut emitted = Vec::new();
    for (at, step) in i.steps.iter().enumerate() {
        let last = at + 1 == i.steps.len();
        match take(&mut coordinator, step, &identity) {
            Ok(answer) => emitted.push(answer),
            Err(Stop::Refused(why)) if !last && step.refused => {
                emitted.push(json!({ "refused": why.requirement }))
            }
            Err(Stop::Refused(why)) if !last => {
                return Err(broken(format!("step {at} of an honest beginning is {why}")));
            }
            Err(stop) => return Err(stop),
        }
    }
    let blamed = coordinator
        .blamed
        .iter()
        .map(|(slot, why)| json!({ "slot": slot.0, "requirement": why }));
    Ok(json!({ "emitted": emitted, "blamed": blamed.collect::<Vec<_>>() }))
}

/// What member and coordinator derive alike.
pub(super) fn context(
    task: &[u8],
    roster: Arc<Roster>,
    round: u64,
    attempt: u32,
    base_model: ModelDigest,
) -> Result<Arc<RoundContext>, Stop> {
    let task = Task::decode(task).map_err(broken)?;
    let (round, attempt) = (Round(round), Attempt(attempt));
    let made = RoundContext::new(task, roster, round, attempt, base_model, DEADLINES);
    made.map(Arc::new).map_err(broken)
}

fn take(
    coordinator: &mut CoordinatorMachine,
    step: &CoordinatorStep,
    identity: &Identity,
) -> Result<Value, Stop> {
    if step.requests {
        return Ok(shown(&coordinator.requests()));
    }
    if let Some(phase) = &step.close {
        let open = coordinator.machine().phase().text();
        let named = phase.to_lowercase();
        if open != named && (open, named.as_str()) != ("recover", "reveal") {
            return Err(broken(format!("{named} is to end, {open} is open")));
        }
        coordinator.close()?;
        return Ok(match coordinator.finished() {
            Some(finished) => result(finished, identity),
            None => shown(&coordinator.due()),
        });
    }
    let (slot, message) = slot_and_message(step)?;
    let answer = coordinator.take(
        slot,
        message,
        step.vector.as_ref().map(|vector| vector.0.as_slice()),
    )?;
    Ok(answer.map_or(Value::Null, |answer| text(answer.encode())))
}

/// Sum and receipt.
pub(super) fn result(finished: &Finished, identity: &Identity) -> Value {
    json!({
        "values": finished.integers().values(),
        "packed": text(finished.sum().packed().blocks().to_le_bytes()),
        "receipt": text(Message::new(finished.receipt(identity)).encode()),
    })
}

/// Messages by slot.
pub(super) fn shown(due: &Due) -> Value {
    let each = due
        .iter()
        .map(|(slot, message)| (slot.to_string(), text(message.encode())));
    Value::Object(each.collect::<Map<_, _>>())
}

/// Of a round that starts from no model.
const NO_MODEL: ModelDigest = ModelDigest([0; 32]);

/// As in the reference model; they are in no digest.
pub(super) const DEADLINES: Deadlines = Deadlines {
    advertise_ms: 60_000,
    share_ms: 30_000,
    accept_ms: 30_000,
    upload_ms: 120_000,
    confirm_ms: 30_000,
    reveal_ms: 30_000,
};

//! A member alone, a step after the other.

use crate::bytes::{Hex, text};
use crate::draws::{Draws, Named};
use crate::file::Case;
use crate::judge::{Stop, broken};
use crate::kinds::Kind;
use crate::machine::ledger::{Act, ledger, shown};
use crate::machine::member::{Answer, MemberMachine, MemberStep, Site};
use crate::machine::parties::RosterFields;
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_proto::identity::Identity;
use veilsum_proto::message::{Body, Caps, Message};
use veilsum_proto::roster::Roster;
use veilsum_proto::task::Task;

pub(super) const KINDS: &[Kind] = &[Kind {
    name: "MemberSteps",
    layer: "member",
    run: member_steps,
}];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alone {
    roster: RosterFields,
    identity: Hex<32>,
    site: Site,
    ledger: Vec<Act>,
    draws: Named,
    steps: Vec<MemberStep>,
}

// spec: [message.order] (invitations that are refused end with a message that members send)
fn member_steps(case: &Case) -> Result<Value, Stop> {
    let i: Alone = case.input()?;
    let roster = i.roster.signed()?;
    let release = release(&roster, &i.steps);
    let acts = ledger(&i.ledger, release.as_ref())?;
    let floors = i.site.floors(roster.len())?;
    let mut draws = Draws::of_member(&i.draws);
    let mut member = MemberMachine::new(
        roster,
        Identity::from_secret_bytes(&i.identity.0),
        floors,
        acts,
    );
    let mut answers = Vec::new();
    for (at, step) in i.steps.iter().enumerate() {
        let last = at + 1 == i.steps.len();
        match member.step(step, &mut draws) {
            Ok(answer) => answers.push(answered(answer)),
            Err(Stop::Refused(why)) if !last && step.refused => {
                answers.push(json!({ "refused": why.requirement }))
            }
            Err(Stop::Refused(why)) if !last => {
                return Err(broken(format!("step {at} of an honest beginning is {why}")));
            }
            Err(stop) => return Err(stop),
        }
    }
    draws.wrong().map_or(Ok(()), |why| Err(broken(why)))?;
    Ok(json!({ "answers": answers, "ledger": shown(member.ledger()) }))
}

fn answered(answer: Answer) -> Value {
    match answer {
        Answer::Nothing => Value::Null,
        Answer::Message(message) => text(message.encode()),
        Answer::Upload(header, vector) => {
            json!({ "header": text(header.encode()), "vector": text(vector) })
        }
    }
}

/// What the round of the first Open costs.
fn release(roster: &Roster, steps: &[MemberStep]) -> Option<veilsum_dp::Release> {
    let first = steps.first()?.message.as_ref()?;
    let opened = Message::decode(&first.0, &Caps::of_roster(roster.len())).ok()?;
    let Body::Open(open) = opened.body else {
        return None;
    };
    let noise = Task::decode(&open.task)
        .ok()?
        .round_noise(roster.len())
        .ok()??;
    Some(noise.release().clone())
}

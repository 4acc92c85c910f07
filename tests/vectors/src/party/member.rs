//! A member, with fresh secrets and the update of the vector.

use crate::judge::Stop;
use crate::kinds::Given;
use crate::machine::member::{Answer, MemberMachine};
use crate::party::{frame, given, words};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use std::io::{Read, Write};
use std::path::Path;
use veilsum_proto::message::{Body, Caps, Message};

/// Runs the member of `slot` until a receipt or a notice comes.
///
/// # Errors
///
/// A stream that breaks, a file that is no round, and at the end whether anything was refused.
pub fn run(
    path: &Path,
    number: u64,
    slot: u32,
    input: &mut impl Read,
    output: &mut impl Write,
) -> Result<(), String> {
    let given = given(path, number)?;
    let mut member = given.member(slot).map_err(words)?;
    let slots = given.roster().map_err(words)?.len();
    let mut refused = 0;
    while let Some(bytes) = frame::read(input).map_err(|error| error.to_string())? {
        let answers = match answer(&mut member, &given, slot, &bytes) {
            Ok(answers) => answers,
            Err(Stop::Broken(why)) => return Err(why),
            Err(Stop::Refused(why)) => {
                refused += 1;
                eprintln!("slot {slot}: {why}");
                vec![Vec::new()]
            }
        };
        for answer in answers {
            frame::write(output, &answer).map_err(|error| error.to_string())?;
        }
        let message = Message::decode(&bytes, &Caps::of_roster(slots));
        if message
            .is_ok_and(|message| matches!(message.body, Body::Receipt(_) | Body::AbortNotice(_)))
        {
            break;
        }
    }
    match refused {
        0 => Ok(()),
        count => Err(format!("slot {slot} refused {count} messages")),
    }
}

fn answer(
    member: &mut MemberMachine,
    given: &Given,
    slot: u32,
    bytes: &[u8],
) -> Result<Vec<Vec<u8>>, Stop> {
    let mut rng = UnwrapErr(SysRng);
    let answer = member.take(bytes, &mut rng)?;
    let is_share_set = member.phase() == "ready";
    match answer {
        Answer::Message(message) => Ok(vec![message.encode()]),
        Answer::Nothing if is_share_set => {
            match member.upload(given.update(slot)?, given.weight(slot)?, None, &mut rng)? {
                Answer::Upload(header, vector) => Ok(vec![header.encode(), vector]),
                _ => Ok(Vec::new()),
            }
        }
        Answer::Nothing | Answer::Upload(..) => Ok(Vec::new()),
    }
}

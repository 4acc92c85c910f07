//! A coordinator on one stream for all slots.

use crate::kinds::Given;
use crate::machine::coordinator::{CoordinatorMachine, Due};
use crate::party::{frame, given, words};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;
use veilsum_proto::ids::Slot;
use veilsum_proto::message::{AbortNotice, Message};

/// Runs the coordinator to the receipt, or to the notice that there is none.
///
/// # Errors
///
/// A stream that breaks, a file that is no round, or why the attempt ended.
pub fn run(
    path: &Path,
    number: u64,
    input: &mut impl Read,
    output: &mut impl Write,
) -> Result<(), String> {
    let given = given(path, number)?;
    let mut served = Served {
        machine: CoordinatorMachine::new(given.context().map_err(words)?),
        input,
        output,
    };
    match served.round(&given) {
        Ok(()) => Ok(()),
        Err(why) => {
            served.abort(&why)?;
            Err(why)
        }
    }
}

struct Served<'a, R, W> {
    machine: CoordinatorMachine,
    input: &'a mut R,
    output: &'a mut W,
}

impl<R: Read, W: Write> Served<'_, R, W> {
    fn round(&mut self, given: &Given) -> Result<(), String> {
        let open = self.machine.due();
        self.exchange(open)?;
        // Advertise, Share, Accept, Upload, Confirm; what each leads to is exchanged in the next.
        for _ in 0..5 {
            self.machine.close().map_err(|why| why.to_string())?;
            let due = self.machine.due();
            self.exchange(due)?;
        }
        let requests = self.machine.requests();
        self.exchange(requests)?;
        self.machine.close().map_err(|why| why.to_string())?;
        let finished = self.machine.finished().ok_or("the round has no sum")?;
        let survivors = finished
            .sum()
            .survivors()
            .bitmap()
            .iter()
            .map(|slot| slot.0)
            .collect::<Vec<_>>();
        eprintln!(
            "{}",
            json!({ "survivors": survivors, "values": finished.integers().values() })
        );
        let receipt = Message::new(finished.receipt(&given.coordinator()));
        self.tell_all(&receipt)
    }

    /// Sends what is due and takes one answer of each of these slots.
    fn exchange(&mut self, due: Due) -> Result<(), String> {
        let mut waiting = due.keys().copied().collect::<BTreeSet<_>>();
        for (slot, message) in &due {
            self.send(*slot, message)?;
        }
        while !waiting.is_empty() {
            let (slot, message) = self.read()?;
            waiting.remove(&slot);
            if !message.is_empty() {
                self.take(slot, &message)?;
            }
        }
        Ok(())
    }

    /// What a slot is blamed for costs it its place, not the round.
    fn take(&mut self, slot: Slot, message: &[u8]) -> Result<(), String> {
        let vector = match message.get(4) {
            Some(&UPLOAD_HEADER) => Some(self.read()?.1),
            _ => None,
        };
        match self.machine.take(slot, message, vector.as_deref()) {
            Ok(Some(answer)) => self.send(slot, &answer),
            Ok(None) => Ok(()),
            Err(why) => {
                eprintln!("coordinator: slot {slot}: {why}");
                Ok(())
            }
        }
    }

    fn abort(&mut self, why: &str) -> Result<(), String> {
        let context = self.machine.context();
        let notice = Message::new(AbortNotice {
            task: context.task_digest,
            round: context.round,
            attempt: context.attempt,
            reason: b"aborted".to_vec(),
            text: why.as_bytes().to_vec(),
        });
        self.tell_all(&notice)
    }

    fn tell_all(&mut self, message: &Message) -> Result<(), String> {
        let slots = self
            .machine
            .context()
            .graph
            .population()
            .slots()
            .collect::<Vec<_>>();
        slots
            .into_iter()
            .try_for_each(|slot| self.send(slot, message))
    }

    fn read(&mut self) -> Result<(Slot, Vec<u8>), String> {
        let body = frame::read(self.input).map_err(|error| error.to_string())?;
        let body = body.ok_or("the relay is gone")?;
        let (slot, message) = body
            .split_first_chunk::<4>()
            .ok_or("found a frame without a slot")?;
        Ok((Slot(u32::from_be_bytes(*slot)), message.to_vec()))
    }

    fn send(&mut self, slot: Slot, message: &Message) -> Result<(), String> {
        let body = [&slot.0.to_be_bytes()[..], &message.encode()].concat();
        frame::write(self.output, &body).map_err(|error| error.to_string())
    }
}

/// Type of the message that a vector follows.
const UPLOAD_HEADER: u8 = 8;

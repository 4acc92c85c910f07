//! What a member prints: one line an event.

use crate::exit::{Failure, Kind};
use crate::output::{Output, rounded_up};
use crate::progress::Progress;
use crate::table::bytes;
use serde::Serialize;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use veilsum_client::{ClippedNorm, Event, ModelBy, RoundPrivacy};
use veilsum_proto::ids::Round;
use veilsum_proto::roster::Name;

/// Prints events. None of them holds a value of the update.
pub(super) struct Printer {
    output: Output,
    progress: Progress,
    refused: AtomicBool,
}

/// How well a model does on the held-out examples of all members.
#[derive(Serialize)]
pub(super) struct EvaluationLine<'a> {
    pub(super) event: &'static str,
    pub(super) task: &'a Name,
    pub(super) round: Round,
    pub(super) examples: u64,
    pub(super) accuracy: f64,
    pub(super) loss: f64,
}

impl Printer {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            progress: Progress::new(output),
            refused: AtomicBool::new(false),
        }
    }

    /// Says what is being done, to somebody who watches.
    pub(super) fn doing(&self, what: String) {
        self.progress.doing(what);
    }

    /// Prints an event of the client; its results wait for [`Printer::result`], which knows the file.
    pub(super) fn event(&self, event: &Event) {
        match event {
            Event::Result { .. } => {}
            Event::Uploading { sent, total, .. } => {
                self.progress.bytes(*sent, *total);
                if self.output.is_json() {
                    self.progress.print_json(event);
                }
            }
            Event::Sending { .. } if !self.output.is_json() => {}
            Event::Phase {
                task, round, phase, ..
            } => {
                self.progress
                    .doing(format!("{task} round {round}: {phase}"));
                self.line(event);
            }
            Event::Refused { .. } => {
                self.refused.store(true, Ordering::Relaxed);
                self.line(event);
            }
            _ => self.line(event),
        }
    }

    /// Prints the line that a script waits for if the command ends with a refusal that no line told of.
    pub(super) fn ended(&self, failure: &Failure) {
        let kind = match failure.kind {
            Kind::Usage => "usage",
            Kind::Refused => "refused",
            _ => return,
        };
        if self.output.is_json() && !self.refused.load(Ordering::Relaxed) {
            self.progress.print_json(&Event::Refused {
                kind: kind.to_owned(),
                text: failure.message().to_owned(),
            });
        }
    }

    /// Prints a line that is no event of the client.
    pub(super) fn show(&self, line: &(impl Serialize + fmt::Display)) {
        match self.output {
            Output::Json => self.progress.print_json(line),
            Output::Text => self.progress.print(line),
        }
    }

    /// Tells something beside the events.
    pub(super) fn warn(&self, text: &impl fmt::Display) {
        self.progress.warn(text);
    }

    /// Prints a result that is written.
    pub(super) fn result(&self, event: &Event) {
        self.line(event);
    }

    pub(super) fn finish(&self) {
        self.progress.finish();
    }

    fn line(&self, event: &Event) {
        match self.output {
            Output::Json => self.progress.print_json(event),
            Output::Text => self.progress.print(&InWords(event)),
        }
    }
}

impl fmt::Display for EvaluationLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            round,
            examples,
            accuracy,
            loss,
            event: _,
        } = self;
        write!(
            f,
            "{task} round {round}: the model has accuracy {accuracy:.4} and loss {loss:.4} on {examples} held-out examples of the members"
        )
    }
}

struct InWords<'a>(&'a Event);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Connected { address } => write!(f, "connected to {address}"),
            Event::Phase {
                task, round, phase, ..
            } => write!(f, "{task} round {round}: {phase}"),
            Event::Model {
                task,
                round,
                by,
                fetched_bytes,
                bytes: size,
                ..
            } => {
                let by = match by {
                    ModelBy::Kept => "is here already",
                    ModelBy::Delta => "came as a delta",
                    ModelBy::Full => "came whole",
                };
                write!(
                    f,
                    "{task} round {round}: the model {by}, {} fetched for {}",
                    bytes(*fetched_bytes),
                    bytes(*size)
                )
            }
            Event::Sending { message, .. } => write!(f, "sending {message}"),
            Event::Uploading { sent, total, .. } => write!(f, "uploading, {sent} of {total} bytes"),
            Event::Saturated {
                count,
                clipped,
                clipped_norm,
                coordinates,
                ..
            } => {
                write!(
                    f,
                    "the update was cut: {count} of {coordinates} coordinates beyond the range"
                )?;
                if *clipped > 0 {
                    write!(f, ", {clipped} clipped")?;
                }
                match clipped_norm {
                    Some(ClippedNorm(norm)) => write!(f, ", norm {norm:.4} before clipping"),
                    None => Ok(()),
                }
            }
            Event::Charged {
                task,
                round,
                privacy,
            } => write!(f, "{task} round {round}: charged, {}", Cost(privacy)),
            // some texts begin with the word already
            Event::Refused { kind, text } => match text.split_once(": ") {
                Some((word, _)) if word == kind => write!(f, "refused, {text}"),
                _ => write!(f, "refused, {kind}: {text}"),
            },
            Event::Fault { kind, text } => {
                write!(f, "the coordinator found a fault, {kind}: {text}")
            }
            Event::Result {
                task,
                round,
                survivor_ids,
                weight_sum,
                certified,
                privacy,
                file,
                ..
            } => {
                write!(
                    f,
                    "{task} round {round}: sum of {} members, weight {weight_sum}",
                    survivor_ids.len()
                )?;
                if !certified {
                    f.write_str(
                        ", without a certificate for this member: the coordinator's word alone",
                    )?;
                }
                if let Some(privacy) = privacy {
                    write!(f, ", {}", Cost(privacy))?;
                }
                match file {
                    Some(file) => write!(f, ", written to {}", file.display()),
                    None => Ok(()),
                }
            }
            Event::Abort {
                task,
                round,
                reason,
                phase,
                ..
            } => {
                write!(
                    f,
                    "{task} round {round}: ended in {phase} without a sum: {reason}"
                )
            }
            Event::Disconnected { reason } => write!(f, "disconnected: {reason}"),
            Event::Reconnecting { in_ms } => {
                write!(f, "trying again in {:.1} s", *in_ms as f64 / 1000.0)
            }
        }
    }
}

struct Cost<'a>(&'a RoundPrivacy);

impl fmt::Display for Cost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RoundPrivacy {
            unit,
            epsilon,
            epsilon_total,
            delta,
        } = self.0;
        write!(
            f,
            "epsilon {} in this round and {} in the task so far, at delta {delta:e} per {unit}",
            rounded_up(*epsilon),
            rounded_up(*epsilon_total)
        )
    }
}

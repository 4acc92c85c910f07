//! What the coordinator prints: one line an event.

use super::board::Board;
use super::job::{Found, On};
use crate::output::{Output, rounded_up};
use crate::progress::Progress;
use crate::table::bytes;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Attempt, Round, Slot};
use veilsum_proto::roster::Name;
use veilsum_server::{DownloadBytes, Event, RoundPrivacy};

/// Prints events, and knows who is connected.
pub(super) struct Printer {
    output: Output,
    board: Arc<Board>,
    progress: Progress,
    connected: watch::Sender<BTreeSet<Slot>>,
    /// Receipts whose result is not printed yet.
    receipts: Mutex<BTreeMap<(Name, Round), PathBuf>>,
}

/// A round with a sum: the event of the service with what the command knows beside it.
#[derive(Serialize)]
pub(super) struct ResultLine<'a> {
    pub(super) event: &'static str,
    pub(super) task: &'a Name,
    pub(super) round: Round,
    pub(super) attempt: Attempt,
    pub(super) survivor_ids: &'a [Slot],
    pub(super) weight_sum: u64,
    pub(super) sum_sha256: String,
    /// What the noise in the sum is worth; null in a task without noise.
    pub(super) noise: Option<&'a RoundPrivacy>,
    /// Mean, or sum of an integer task, as .safetensors.
    #[serde(serialize_with = "crate::output::lossy::maybe")]
    pub(super) file: Option<PathBuf>,
    #[serde(serialize_with = "crate::output::lossy::maybe")]
    pub(super) receipt: Option<PathBuf>,
    /// Packed sum as little-endian limbs.
    #[serde(serialize_with = "crate::output::lossy::maybe")]
    pub(super) sum: Option<PathBuf>,
    /// Model that the next round starts from.
    #[serde(serialize_with = "crate::output::lossy::maybe")]
    pub(super) model: Option<PathBuf>,
    pub(super) vanished: Vec<Vanished>,
    pub(super) upload_bytes: u64,
    /// Bytes of the round's model that were sent to members, whole and as deltas.
    pub(super) download_bytes: DownloadBytes,
    pub(super) wall_s: f64,
}

/// A member whose answer was missing when a phase closed.
#[derive(Serialize)]
pub(super) struct Vanished {
    id: Slot,
    phase: &'static str,
}

/// How well a job's model does.
#[derive(Serialize)]
pub(super) struct EvaluationLine<'a> {
    event: &'static str,
    /// The task whose round it was: that which judges, or that which trains where public examples do.
    task: &'a Name,
    round: Round,
    on: On,
    version: u64,
    model_sha256: String,
    examples: u64,
    accuracy: f64,
    loss: f64,
    best: bool,
    /// Evaluations without becoming better that early stopping still allows; null without it.
    patience_left: Option<u32>,
    stopped: bool,
}

impl<'a> EvaluationLine<'a> {
    pub(super) fn new(task: &'a Name, found: &Found) -> Self {
        Self {
            event: "evaluation",
            task,
            round: found.round,
            on: found.on,
            version: found.model.version,
            model_sha256: found.model.digest.to_string(),
            examples: found.examples,
            accuracy: found.evaluation.accuracy,
            loss: found.evaluation.loss,
            best: found.best,
            patience_left: found.left,
            stopped: found.stopped,
        }
    }
}

impl Vanished {
    pub(super) fn list(vanished: &[(Slot, PhaseName)]) -> Vec<Self> {
        let one = |(id, phase): &(Slot, PhaseName)| Self {
            id: *id,
            phase: phase.text(),
        };
        vanished.iter().map(one).collect()
    }
}

impl Printer {
    pub(super) fn new(output: Output, board: Arc<Board>) -> Self {
        Self {
            output,
            board,
            progress: Progress::new(output),
            connected: watch::Sender::default(),
            receipts: Mutex::default(),
        }
    }

    /// Prints an event of the service; results wait for [`Printer::show`].
    pub(super) fn event(&self, event: &Event) {
        self.board.event(event);
        match event {
            Event::Connected { id, name } => {
                let mut is_new = true;
                self.connected
                    .send_modify(|connected| is_new = connected.insert(*id));
                if !is_new {
                    self.progress.warn(&format_args!(
                        "{name} (slot {id}) has connected anew, and its older connection is closed: its line was lost, or two processes have its key; in that case end one"
                    ));
                }
            }
            Event::Disconnected { id, .. } => self.connected.send_modify(|connected| {
                connected.remove(id);
            }),
            Event::Result {
                task, round, file, ..
            } => {
                if let Some(file) = file {
                    self.receipts().insert((task.clone(), *round), file.clone());
                }
                return;
            }
            Event::Phase {
                task, round, phase, ..
            } => {
                self.progress
                    .doing(format!("{task} round {round}: {phase}"));
            }
            Event::Listening { .. } => self.progress.doing("waiting for members"),
            Event::Fault { .. } | Event::Abort { .. } => {}
        }
        match self.output {
            Output::Json => self.progress.print_json(event),
            Output::Text => self.progress.print(&InWords(event)),
        }
    }

    /// The status, which knows what is printed and more.
    pub(super) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Prints a line that is no event of the service.
    pub(super) fn show(&self, line: &(impl Serialize + fmt::Display)) {
        match self.output {
            Output::Json => self.progress.print_json(line),
            Output::Text => self.progress.print(line),
        }
    }

    pub(super) fn warn(&self, text: &impl fmt::Display) {
        self.progress.warn(text);
    }

    /// The receipt of a round, once.
    pub(super) fn receipt(&self, task: &Name, round: Round) -> Option<PathBuf> {
        self.receipts().remove(&(task.clone(), round))
    }

    /// Waits until no member is connected.
    pub(super) async fn everybody_gone(&self) {
        let mut connected = self.connected.subscribe();
        // the sender lives as long as this printer
        let _ = connected.wait_for(BTreeSet::is_empty).await;
    }

    pub(super) fn finish(&self) {
        self.progress.finish();
    }

    fn receipts(&self) -> MutexGuard<'_, BTreeMap<(Name, Round), PathBuf>> {
        // a map is whole at every moment
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct InWords<'a>(&'a Event);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Listening { address } => write!(f, "listening on {address}"),
            Event::Connected { id, name } => write!(f, "{name} (slot {id}) connected"),
            Event::Disconnected { id, name } => write!(f, "{name} (slot {id}) disconnected"),
            Event::Phase {
                task,
                round,
                attempt,
                phase,
            } => write!(f, "{}: {phase}", Place(task, *round, *attempt)),
            Event::Fault {
                id,
                name,
                kind,
                text,
            } => {
                write!(f, "fault of {name} (slot {id}), {kind}: {text}")
            }
            Event::Result { task, round, .. } => write!(f, "{task} round {round}: result"),
            Event::Abort {
                task,
                round,
                attempt,
                phase,
                text,
                ..
            } => write!(
                f,
                "{}: ended in {phase} without a sum: {text}",
                Place(task, *round, *attempt)
            ),
        }
    }
}

impl fmt::Display for ResultLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: sum of {} members, weight {}, {} uploaded, {:.2} s",
            Place(self.task, self.round, self.attempt),
            self.survivor_ids.len(),
            self.weight_sum,
            bytes(self.upload_bytes),
            self.wall_s
        )?;
        let DownloadBytes { full, delta } = self.download_bytes;
        if full > 0 || delta > 0 {
            let (full, delta) = (bytes(full), bytes(delta));
            write!(f, ", models sent: {full} whole and {delta} as deltas")?;
        }
        if let Some(noise) = self.noise {
            write!(f, ", {}", Noise(noise))?;
        }
        if let Some(file) = &self.file {
            write!(f, ", written to {}", file.display())?;
        }
        for Vanished { id, phase } in &self.vanished {
            write!(f, "; slot {id} vanished in {phase}")?;
        }
        Ok(())
    }
}

impl fmt::Display for EvaluationLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            round,
            on,
            examples,
            accuracy,
            loss,
            ..
        } = self;
        write!(
            f,
            "{task} round {round}: the model has accuracy {accuracy:.4} and loss {loss:.4} on {examples} {on}"
        )?;
        if self.best {
            f.write_str(", the best so far")?;
        }
        match (self.stopped, self.patience_left) {
            (true, _) => f.write_str("; nothing becomes better, training ends"),
            (false, Some(left)) if !self.best => write!(f, "; {left} more like it end training"),
            (false, _) => Ok(()),
        }
    }
}

struct Noise<'a>(&'a RoundPrivacy);

impl fmt::Display for Noise<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RoundPrivacy {
            unit,
            epsilon,
            epsilon_total,
            delta,
            deviation,
            unremoved,
            variance: _,
        } = self.0;
        write!(
            f,
            "epsilon {} and {} over all rounds so far at delta {delta:e} per {unit}, noise of {deviation:.3e} on the mean",
            rounded_up(*epsilon),
            rounded_up(*epsilon_total)
        )?;
        match unremoved.len() {
            0 => Ok(()),
            more => write!(f, ", with the surplus of {more} members that went silent"),
        }
    }
}

struct Place<'a>(&'a Name, Round, Attempt);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(task, round, attempt) = self;
        write!(f, "{task} round {round}")?;
        match attempt.0 {
            0 => Ok(()),
            retry => write!(f, " attempt {retry}"),
        }
    }
}

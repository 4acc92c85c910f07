//! Not a store of old models: the newest one, and the steps that led to it.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::{BTreeMap, VecDeque};

use super::{Delta, DeltaError, from_bytes, merge, to_bytes};
use crate::files::SafetensorsError;
use crate::model::{Model, ModelId};

/// The newest model and the last steps to it: what the coordinator answers members from.
///
/// Holds the model, its bytes, the compressed steps, and the answers given since the last step: at most one for each step kept.
#[derive(Debug, Clone)]
pub struct History {
    newest: Model,
    full: Sync,
    steps: VecDeque<Delta>,
    answers: BTreeMap<ModelId, Sync>,
    keep: usize,
}

/// What brings one member up to date.
///
/// ```
/// use veilsum_learn::delta::{History, Sync};
/// # use veilsum_learn::{Model, Network, RunSeed};
/// let network = Network::Softmax { inputs: 64, classes: 10 };
/// let first = Model::new(0, network.init(RunSeed(1)))?;
/// let next = Model::new(1, first.tensors().clone())?;
/// let mut history = History::new(first.clone(), 8)?;
/// history.push(next.clone())?;
/// let bytes = history.sync(Some(first.id()))?.bytes().to_vec();
/// assert_eq!(Sync::from_bytes(bytes).apply(Some(&first), next.id())?, next);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sync {
    /// The whole model, its canonical bytes.
    Full(Vec<u8>),
    /// A delta from the member's model to the newest; none if the member has it already.
    Deltas(Vec<u8>),
}

impl History {
    /// A history that starts at `model` and will keep the last `keep` steps; with 0 every answer is a whole model.
    ///
    /// # Errors
    ///
    /// [`SafetensorsError`] if the names and shapes do not fit a header.
    pub fn new(model: Model, keep: usize) -> Result<Self, SafetensorsError> {
        Ok(Self {
            full: Sync::Full(model.to_bytes()?),
            newest: model,
            steps: VecDeque::new(),
            answers: BTreeMap::new(),
            keep,
        })
    }

    /// A history that has come to `model` over `steps`, oldest first; of these it keeps the last `keep` that lead to it. Every model on
    /// the way back is made and checked by its digest, and given to `seen`; at a step that does not fit, the history ends.
    ///
    /// # Errors
    ///
    /// [`SafetensorsError`] if the names and shapes do not fit a header.
    pub fn resume(
        model: Model,
        steps: Vec<Delta>,
        keep: usize,
        mut seen: impl FnMut(&Model),
    ) -> Result<Self, SafetensorsError> {
        let mut history = Self::new(model, keep)?;
        let mut earliest = history.newest.clone();
        for step in steps.into_iter().rev().take(keep) {
            let Ok(earlier) = step.undo(&earliest) else {
                break;
            };
            seen(&earlier);
            history.steps.push_front(step);
            earliest = earlier;
        }
        Ok(history)
    }

    /// Goes on to the next version. A model of another form starts the history anew: no delta leads to it.
    ///
    /// # Errors
    ///
    /// [`DeltaError::Version`] if it is not the next version, [`DeltaError::Safetensors`]; the history is then as it was.
    pub fn push(&mut self, next: Model) -> Result<(), DeltaError> {
        if self.newest.version().checked_add(1) != Some(next.version()) {
            return Err(DeltaError::Version {
                before: self.newest.version(),
                found: next.version(),
            });
        }
        let full = Sync::Full(next.to_bytes()?);
        match Delta::between(&self.newest, &next) {
            Ok(step) => self.steps.push_back(step),
            Err(DeltaError::Form(_)) => self.steps.clear(),
            Err(other) => return Err(other),
        }
        while self.steps.len() > self.keep {
            self.steps.pop_front();
        }
        (self.newest, self.full) = (next, full);
        self.answers.clear();
        Ok(())
    }

    /// What a member that has `from` (`None`: no model) needs to have the newest.
    ///
    /// A delta if the history still has all steps from there and it is smaller than the whole model; a member whose
    /// model of that version has another digest gets the whole model. Steps are merged when first asked for, and the answer is kept
    /// until the next version.
    ///
    /// # Errors
    ///
    /// [`DeltaError::Packed`] never happens, as the steps are the history's own.
    pub fn sync(&mut self, from: Option<ModelId>) -> Result<&Sync, DeltaError> {
        let Some(from) = from else {
            return Ok(&self.full);
        };
        if !self.answers.contains_key(&from)
            && let Some(deltas) = self.deltas(from)?
        {
            self.answers.insert(from, Sync::Deltas(deltas));
        }
        // spec: [sync.choice]
        let deltas = self.answers.get(&from);
        let smaller = deltas.filter(|deltas| deltas.bytes().len() < self.full.bytes().len());
        Ok(smaller.unwrap_or(&self.full))
    }

    /// The way from `from` to the newest model as a list of deltas, however long; `None` if the history does not reach so far. Made anew
    /// each time, for callers that keep answers themselves.
    ///
    /// # Errors
    ///
    /// [`DeltaError::Packed`] never happens, as the steps are the history's own.
    pub fn deltas(&self, from: ModelId) -> Result<Option<Vec<u8>>, DeltaError> {
        let merged = self.merged(from)?;
        Ok(merged.map(|merged| to_bytes(from, &merged)))
    }

    /// The step to the newest model; none if the history starts at it.
    pub fn last_step(&self) -> Option<&Delta> {
        self.steps.back()
    }

    /// The newest model.
    pub fn newest(&self) -> &Model {
        &self.newest
    }

    /// How many versions behind a member may be to get steps.
    pub fn reach(&self) -> usize {
        self.steps.len()
    }

    /// All steps from `from` to the newest model as one, or none if that is the newest; `None` if the history does not reach so far.
    fn merged(&self, from: ModelId) -> Result<Option<Option<Delta>>, DeltaError> {
        if from == self.newest.id() {
            return Ok(Some(None));
        }
        let Some(start) = self.steps.iter().position(|step| step.start() == from) else {
            return Ok(None);
        };
        let steps = self.steps.iter().skip(start);
        merge(steps, self.newest.tensors()).map(Some)
    }
}

impl Sync {
    /// Reads an answer. Nothing is checked yet; [`Sync::apply`] does.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        match bytes.starts_with(super::LABEL) {
            true => Self::Deltas(bytes),
            false => Self::Full(bytes),
        }
    }

    /// The bytes, which tell by themselves which of the two they are.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Full(bytes) | Self::Deltas(bytes) => bytes,
        }
    }

    /// The model `wanted`, made from the member's own model `have` if there are deltas.
    ///
    /// Safe for bytes from a peer. Every step is checked by its digest, and the end against `wanted`, which the session binds.
    ///
    /// # Errors
    ///
    /// [`DeltaError`] for bytes that are neither a model nor deltas, that start from another model, or that end at another.
    pub fn apply(&self, have: Option<&Model>, wanted: ModelId) -> Result<Model, DeltaError> {
        let model = self.follow(have)?;
        // spec: [sync.end]
        if model.id() == wanted {
            return Ok(model);
        }
        Err(DeltaError::End {
            found: model.id(),
            wanted,
        })
    }

    /// The model it ends at, whichever that is: for a caller that was told the SHA-256 of its bytes and holds that against
    /// [`Model::to_bytes`]. Every step is checked by its digest.
    ///
    /// Safe for bytes from a peer: memory in proportion to `have` and to the bytes, whatever these would unpack to.
    ///
    /// # Errors
    ///
    /// [`DeltaError`] for bytes that are neither a model nor deltas, or that start from another model.
    pub fn follow(&self, have: Option<&Model>) -> Result<Model, DeltaError> {
        match self {
            Self::Full(bytes) => Ok(Model::from_bytes(bytes)?),
            Self::Deltas(bytes) => follow(bytes, have.ok_or(DeltaError::NoBase)?),
        }
    }
}

fn follow(bytes: &[u8], have: &Model) -> Result<Model, DeltaError> {
    let (start, steps) = from_bytes(bytes)?;
    if start != have.id() {
        return Err(DeltaError::Base {
            found: have.id(),
            wanted: start,
        });
    }
    let mut model = have.clone();
    for step in steps {
        model = step.apply(&model)?;
    }
    Ok(model)
}

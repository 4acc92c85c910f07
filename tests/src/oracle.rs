//! What a round with drop-outs must come to, worked out from the script alone: no message, no key, no machine.

use crate::setup::Setup;
use std::collections::BTreeSet;
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot};
use veilsum_proto::message::Deadlines;
use veilsum_proto::session::RoundContext;
use veilsum_sim::{Federation, Formula, Honest, Report, RunOptions, Script, Vanish};

/// A federation with a task, ready for rounds with scripts.
#[derive(Debug)]
pub struct Case {
    setup: Setup,
    federation: Federation,
    context: RoundContext,
}

/// How a round ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The exact sum over these survivors.
    Sum(Vec<Slot>),
    /// No sum, for this reason.
    Abort(&'static str),
}

impl Case {
    /// Derives parameters and graph of round 1.
    pub fn new(setup: Setup) -> Self {
        let federation = Federation::new(setup.members, setup.seed).unwrap();
        let task = federation.task(setup.spec()).unwrap();
        let context = RoundContext::new(
            task,
            federation.roster().clone(),
            Round(1),
            Attempt(0),
            ModelDigest([0; 32]),
            Deadlines::default(),
        );
        Self {
            context: context.unwrap(),
            federation,
            setup,
        }
    }

    /// Parameters and graph.
    pub fn context(&self) -> &RoundContext {
        &self.context
    }

    /// The same, to keep.
    pub fn into_context(self) -> RoundContext {
        self.context
    }

    /// Runs the round and holds its end against [`Case::predict`]; nobody may be blamed, and nobody may refuse.
    ///
    /// # Panics
    ///
    /// When it ends otherwise.
    pub fn check(&self, script: &Script) -> Outcome {
        let wanted = self.predict(script);
        let report = self.run(script);
        let found = match &report.abort {
            Some(abort) => Outcome::Abort(abort.kind()),
            None => Outcome::Sum(report.survivors.clone()),
        };
        let case = || format!("{:?} {:?} {script:?}", self.setup, self.context.parameters);
        assert_eq!(found, wanted, "{}", case());
        assert_eq!(
            report.exact,
            report.abort.is_none(),
            "a wrong sum: {}",
            case()
        );
        assert_eq!(report.faults, [], "{}", case());
        assert_eq!(report.refusals, [], "{}", case());
        found
    }

    fn run(&self, script: &Script) -> Report {
        let inputs = Formula {
            seed: self.setup.seed,
            coordinates: usize::try_from(self.setup.coordinates).unwrap(),
            bits: self.setup.bits,
        };
        let options = RunOptions {
            script: script.clone(),
            ..RunOptions::default()
        };
        self.federation
            .run(&self.context.task, &inputs, &options, &mut Honest)
            .unwrap()
    }

    /// The end of a round in which only the members of `script` vanish.
    pub fn predict(&self, script: &Script) -> Outcome {
        let context = &self.context;
        let (t, q) = (context.parameters.t as usize, context.parameters.q as usize);
        let acting = |point| {
            let all = context.graph.population().slots();
            all.filter(move |slot| script.acts(*slot, point))
                .collect::<BTreeSet<_>>()
        };
        if acting(Vanish::Advertise).len() < context.parameters.f as usize {
            return Outcome::Abort("too_few_adverts");
        }
        if !self.stands(&acting(Vanish::Share)) || !self.stands(&acting(Vanish::Accept)) {
            return Outcome::Abort("too_few_shares");
        }
        let (shared, survivors) = (acting(Vanish::Accept), acting(Vanish::MidUpload));
        let missing = context.parameters.n as usize - survivors.len();
        let tolerated = context.parameters.tolerated;
        let too_many = tolerated.is_some_and(|most| missing > most as usize);
        if too_many || !self.stands(&survivors) {
            return Outcome::Abort("too_few_updates");
        }
        let confirming = acting(Vanish::Confirm);
        let signers = confirming
            .iter()
            .filter(|slot| context.graph.is_elector(**slot));
        if signers.count() < q {
            return Outcome::Abort("below_quorum");
        }
        let answering = acting(Vanish::Recover);
        let holders = |slot: &Slot| {
            let neighbours = context.graph.neighbours(*slot);
            neighbours
                .iter()
                .filter(|other| answering.contains(other))
                .count()
        };
        let revealing = acting(Vanish::Reveal);
        for silent in survivors.difference(&revealing) {
            let neighbours = context.graph.neighbours(*silent);
            let mut dropped = neighbours
                .iter()
                .filter(|other| shared.contains(other) && !survivors.contains(other));
            if holders(silent) < t || dropped.any(|other| holders(other) < t) {
                return Outcome::Abort("missing_shares");
            }
        }
        Outcome::Sum(survivors.into_iter().collect())
    }

    fn stands(&self, set: &BTreeSet<Slot>) -> bool {
        let bitmap = Bitmap::of(self.context.slots(), set.iter().copied());
        set.len() >= self.context.parameters.f as usize
            && self.context.graph.check_windows(&bitmap).is_ok()
    }
}

//! The contributor's thread: trainers may take minutes and block.

use std::sync::{Arc, mpsc as jobs};
use std::thread;

use tokio::sync::mpsc;
use veilsum_encode::{Plan, Tensors, Update, UpdateError, Weight};
use veilsum_proto::ids::{Round, UpdateDigest};
use zeroize::Zeroize as _;

use super::Happening;
use super::round::RoundKey;
use crate::{Asked, ClientError, Contributor, LocalUpdate, MemberResult, RoundAbort, RoundInfo};

/// Hands jobs to the contributor, one after the other. The thread ends with the session, after the job it is at.
pub(super) struct Workbench(jobs::Sender<Job>);

/// One call of the contributor.
pub(super) enum Job {
    Update(RoundKey, Box<RoundInfo>, Earlier),
    Result(Arc<MemberResult>),
    Aborted(RoundAbort),
}

/// What the ledger has of earlier attempts of the round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// No update.
    Nothing,
    /// An update, which this session does not hold.
    Update,
}

/// An update that fits its task, kept for all attempts of the round.
///
/// # Security
///
/// A secret of the member: wiped on drop, no `Clone`, no `Debug`.
pub(super) struct Prepared {
    tensors: Tensors,
    pub(super) weight: Weight,
    pub(super) digest: UpdateDigest,
}

/// Why there is no update to contribute.
#[derive(Debug, thiserror::Error)]
pub(super) enum LocalFailure {
    #[error("contributor has no update: {0}")]
    Contributor(String),
    #[error("update does not fit the task: {0}")]
    Update(#[from] UpdateError),
    #[error("update of an earlier attempt of round {0} is recorded, and not held any more")]
    Forgotten(Round),
}

impl LocalFailure {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Contributor(_) => "contributor",
            Self::Update(_) => "update",
            Self::Forgotten(_) => "update_forgotten",
        }
    }
}

impl Workbench {
    pub(super) fn start(
        contributor: Box<dyn Contributor>,
        outbox: mpsc::Sender<Happening>,
    ) -> Result<Self, ClientError> {
        let (sender, receiver) = jobs::channel();
        thread::Builder::new()
            .name("veilsum-contributor".into())
            .spawn(move || work(contributor, &receiver, outbox))
            .map_err(|error| ClientError::Thread(error.to_string()))?;
        Ok(Self(sender))
    }

    pub(super) fn give(&self, job: Job) -> Result<(), ClientError> {
        self.0
            .send(job)
            .map_err(|_| ClientError::ContributorPanicked)
    }
}

impl Prepared {
    /// Checks an update before anything is sent, so that a bad one costs the round nothing.
    fn new(local: LocalUpdate, asked: Option<Asked>, plan: &Plan) -> Result<Self, LocalFailure> {
        // spec: [contributor.weight]
        let weight = local.weight.clamp(1, plan.max_weight());
        if weight != local.weight {
            tracing::warn!("weight is held to the range that the task takes");
        }
        let mut prepared = Self {
            tensors: local.tensors,
            weight: Weight::new(weight).unwrap_or_default(),
            digest: UpdateDigest([0; 32]),
        };
        let update = prepared.update(plan)?;
        // spec: [answer.once] [answer.attempt]
        prepared.digest = match asked {
            Some(asked) => asked.update_digest(),
            None => UpdateDigest(update.digest()),
        };
        Ok(prepared)
    }

    /// A copy on its way to a contribution; it wipes itself.
    pub(super) fn update(&self, plan: &Plan) -> Result<Update, UpdateError> {
        Update::for_plan(plan, self.tensors.clone())
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        let tensors = self.tensors.values_mut();
        tensors.for_each(|tensor| tensor.data.zeroize());
    }
}

fn work(
    mut contributor: Box<dyn Contributor>,
    jobs: &jobs::Receiver<Job>,
    outbox: mpsc::Sender<Happening>,
) {
    let _guard = PanicGuard(outbox.clone());
    for job in jobs {
        let happening = match job {
            Job::Update(key, info, earlier) => {
                let promise = |digest| {
                    // the session may be over; then nobody takes the update either
                    let _ = outbox.blocking_send(Happening::Promised { key, digest });
                };
                Happening::Update {
                    key,
                    outcome: prepare(contributor.as_mut(), &info, earlier, promise),
                }
            }
            Job::Result(result) => Happening::Told(contributor.result(&result)),
            Job::Aborted(abort) => Happening::Told(contributor.aborted(&abort)),
        };
        if outbox.blocking_send(happening).is_err() {
            return; // the session is over
        }
    }
}

/// Asks for the update; not if the ledger has another attempt's: whether a new one is the same is the member's secret, and all would see it.
// spec: [attempt.forgotten]
fn prepare(
    contributor: &mut dyn Contributor,
    info: &RoundInfo,
    earlier: Earlier,
    promise: impl FnOnce(Option<UpdateDigest>),
) -> Result<Prepared, LocalFailure> {
    let asked = contributor.asked(info);
    if earlier == Earlier::Update && asked.is_none() {
        return Err(LocalFailure::Forgotten(info.round));
    }
    if contributor.promises(info) {
        promise(asked.map(Asked::update_digest));
    }
    let local = contributor
        .update(info)
        .map_err(|error| LocalFailure::Contributor(error.to_string()))?;
    Prepared::new(local, asked, &info.plan)
}

/// Says so when the contributor takes its thread down with it.
struct PanicGuard(mpsc::Sender<Happening>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.blocking_send(Happening::ContributorPanicked); // the session may be over
        }
    }
}

#[cfg(test)]
mod tests {
    use veilsum_dp::{Cohort, Law, NoiseBound, NoisePlan, Sharing};
    use veilsum_encode::{Clip, Encoding, FloatEncoding, Manifest, Tensor, TensorData, TensorSpec};
    use veilsum_proto::ids::{Attempt, TaskDigest};
    use veilsum_proto::ledger::{Entry, LedgerState, Reuse};

    use super::*;

    /// Absence is seen by all: no noise covers what it tells.
    #[test]
    fn under_noise_no_value_of_an_update_makes_the_member_absent() {
        // spec: [encode.noise.values] [encode.integer.range]
        let law = Law::skellam("90".parse().unwrap()).unwrap();
        let cohort = Cohort::new(4, 1, 1).unwrap();
        let noise = NoisePlan::derive(law, cohort, Sharing::DropoutExact).unwrap();
        let float = Encoding::Float(FloatEncoding::new(Clip::L2(1.0), 12));
        let integer = Encoding::Integer { min: 0, max: 9 };
        let cases = [
            (float, TensorData::F64(vec![f64::NAN, f64::INFINITY])),
            (integer, TensorData::I64(vec![-1, 10])),
        ];
        for (encoding, data) in cases {
            let spec = TensorSpec {
                name: "w".into(),
                shape: vec![2],
                dtype: data.dtype(),
            };
            let manifest = Manifest::new(vec![spec]).unwrap();
            let weighed = |bound, weight| {
                let plan = Plan::derive(&manifest, &encoding, 4, bound).unwrap();
                let shape = vec![2];
                let data = data.clone();
                let tensors = [("w".to_owned(), Tensor { shape, data })].into();
                Prepared::new(LocalUpdate { tensors, weight }, None, &plan)
            };
            let prepared = |bound, weight| weighed(bound, weight).is_ok();
            assert!(prepared(noise.bound(), 1), "{encoding:?}");
            // spec: [contributor.weight]
            for weight in [0, 120] {
                let held = weighed(noise.bound(), weight).map(|prepared| prepared.weight);
                assert_eq!(held.unwrap(), Weight::ONE);
            }
            // the range of integers is the coordinator's choice, NaN is the contributor's
            assert_eq!(prepared(NoiseBound::NONE, 1), encoding == integer);
        }
    }

    fn prepared(value: f64, asked: Option<Asked>) -> UpdateDigest {
        let data = TensorData::F64(vec![value]);
        let spec = TensorSpec {
            name: "w".into(),
            shape: vec![1],
            dtype: data.dtype(),
        };
        let manifest = Manifest::new(vec![spec]).unwrap();
        let encoding = Encoding::Float(FloatEncoding::new(Clip::L2(1.0), 12));
        let plan = Plan::derive(&manifest, &encoding, 4, NoiseBound::NONE).unwrap();
        let shape = vec![1];
        let tensors = [("w".to_owned(), Tensor { shape, data })].into();
        let local = LocalUpdate { tensors, weight: 1 };
        Prepared::new(local, asked, &plan).unwrap().digest
    }

    #[test]
    fn the_ledger_knows_an_answer_by_its_question_and_an_update_by_its_values() {
        // spec: [answer.digest]
        let [one, other] = [1, 2].map(|byte| Some(Asked::new([byte; 32])));
        assert_eq!(prepared(0.5, one), prepared(0.25, one));
        assert_ne!(prepared(0.5, one), prepared(0.5, other));
        assert_ne!(prepared(0.5, None), prepared(0.25, None));
        assert_ne!(prepared(0.5, one), prepared(0.5, None));
        assert_ne!(prepared(0.5, one), UpdateDigest([1; 32]));
    }

    /// The largest weight is the coordinator's choice: a member that refused would say that it has more examples.
    #[test]
    fn without_noise_no_weight_makes_the_member_absent() {
        // spec: [contributor.weight]
        let spec = TensorSpec {
            name: "w".into(),
            shape: vec![1],
            dtype: veilsum_encode::Dtype::F64,
        };
        let manifest = Manifest::new(vec![spec]).unwrap();
        let encoding = Encoding::Float(FloatEncoding::new(Clip::L2(1.0), 12).weighted(10));
        let plan = Plan::derive(&manifest, &encoding, 4, NoiseBound::NONE).unwrap();
        for (weight, wanted) in [(0, 1), (1, 1), (10, 10), (11, 10), (u32::MAX, 10)] {
            let (shape, data) = (vec![1], TensorData::F64(vec![0.5]));
            let tensors = [("w".to_owned(), Tensor { shape, data })].into();
            let prepared = Prepared::new(LocalUpdate { tensors, weight }, None, &plan).unwrap();
            assert_eq!(prepared.weight.get(), wanted, "{weight}");
        }
    }

    struct Trainer(Option<Asked>);

    impl Contributor for Trainer {
        fn update(&mut self, _: &RoundInfo) -> Result<LocalUpdate, crate::Failure> {
            Err("asked".into())
        }

        fn asked(&self, _: &RoundInfo) -> Option<Asked> {
            self.0
        }

        fn result(&mut self, _: &MemberResult) -> std::ops::ControlFlow<()> {
            std::ops::ControlFlow::Continue(())
        }

        fn aborted(&mut self, _: &RoundAbort) -> std::ops::ControlFlow<()> {
            std::ops::ControlFlow::Continue(())
        }
    }

    /// Else a member would be absent exactly if its values had changed.
    #[test]
    fn a_trainer_is_not_asked_again_for_a_round_with_an_update_in_the_ledger_and_an_answerer_is() {
        // spec: [attempt.forgotten]
        let task = "version = 1\nname = \"t\"\ncorrupt = 1\ndropout = 0\n[encoding]\nkind = \"integer\"\nmin = 0\nmax = 9\n\
                    [[tensors]]\nname = \"w\"\nshape = [1]\ndtype = \"i8\"\n";
        let task = veilsum_proto::task::Task::from_toml(task).unwrap();
        let (manifest, encoding) = (task.manifest().clone(), *task.encoding());
        let plan = Plan::derive(&manifest, &encoding, 4, NoiseBound::NONE).unwrap();
        let info = RoundInfo {
            task,
            round: Round(1),
            attempt: Attempt(1),
            model: None,
            plan,
        };
        let kind = |asked, earlier| {
            let made = prepare(&mut Trainer(asked), &info, earlier, |_| ());
            made.err().map(|failure| failure.kind())
        };
        let asked = Some(Asked::new([1; 32]));
        assert_eq!(kind(None, Earlier::Update), Some("update_forgotten"));
        assert_eq!(kind(None, Earlier::Nothing), Some("contributor"));
        assert_eq!(kind(asked, Earlier::Update), Some("contributor"));
    }

    /// The member was restarted between two attempts, and its data have changed: at most one attempt has a sum.
    #[test]
    fn a_further_attempt_is_answered_from_the_data_as_they_are_then_and_another_round_is_not() {
        // spec: [answer.attempt] [answer.once]
        let asked = Some(Asked::new([1; 32]));
        let (task, round) = (TaskDigest([3; 32]), Round(1));
        let mut state = LedgerState::default();
        state.apply(&Entry::Update {
            task,
            round,
            attempt: Attempt(0),
            update: prepared(0.5, asked),
        });
        let again = prepared(0.25, asked);
        let joins = |task, round| state.may_upload(&task, round, &again, Reuse::Never);
        assert_eq!(joins(task, round), Ok(()));
        for (task, round) in [(task, Round(2)), (TaskDigest([4; 32]), round)] {
            assert_eq!(joins(task, round).unwrap_err().kind(), "update_used");
        }
    }
}

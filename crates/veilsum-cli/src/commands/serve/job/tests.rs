use super::*;
use crate::commands::train::task::task;
use crate::exit::Kind;
use tempfile::TempDir;
use veilsum_learn::{CoordinatorHalf, MemberHalf, Model, WeightedMean};

const PUBLIC: &str = "members = 3\nrounds = 5\ndata = { source = \"digits\" }\n\
    algorithm = { name = \"fedadam\" }\nevaluation = { on = \"public\" }\n";
const MEMBERS: &str = "members = 3\nrounds = 4\ndata = { source = \"digits\" }\n\
    evaluation = { on = \"members\", every = 2 }\nstop = { patience = 1, watch = \"loss\" }\n";

/// A job with its task, and a folder for its results.
struct Place {
    folder: TempDir,
    job: Job,
    task: Task,
    members: Vec<MemberHalf>,
}

impl Place {
    fn new(text: &str) -> Self {
        let job = Job::from_toml(text).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            task: task(job.task().unwrap(), 3).unwrap(),
            members: (0..3)
                .map(|member| MemberHalf::new(&job, member).unwrap())
                .collect(),
            job,
        }
    }

    /// A process of the coordinator.
    fn start(&self) -> JobRounds {
        let (job, task) = (&self.job, &self.task);
        JobRounds::start(job, task, Path::new("job.toml"), self.folder.path()).unwrap()
    }

    /// The mean of what all members bring.
    fn mean(&mut self, model: &[u8], Round(round): Round) -> Tensors {
        let mut mean = WeightedMean::new(&self.job.contribution_form());
        for member in &mut self.members {
            let brought = member.contribute(model, round).unwrap();
            mean.add(&brought.tensors, brought.weight).unwrap();
        }
        mean.mean().unwrap()
    }

    fn trains(&mut self, rounds: &JobRounds, round: Round) -> Stepped {
        let mean = self.mean(&rounds.bytes(), round);
        rounds.step(round, &mean).unwrap()
    }

    /// The sum of what all members find.
    fn tally(&self, model: &[u8]) -> Tensors {
        let mut sum = vec![0; 4];
        for member in &self.members {
            let tensors = member.judge(model).unwrap();
            let veilsum_encode::TensorData::I64(found) = &tensors["veilsum.statistic"].data else {
                panic!("a tally is of i64");
            };
            sum.iter_mut().zip(found).for_each(|(sum, one)| *sum += one);
        }
        veilsum_learn::stats::tensors(sum)
    }
}

/// What a turn is: a round, nothing yet, or the end.
fn said(turn: Turn) -> Result<Round, &'static str> {
    match turn {
        Turn::Round(round) => Ok(round),
        Turn::Wait(_) => Err("wait"),
        Turn::Over => Err("over"),
    }
}

fn judging(rounds: &JobRounds, next: u64) -> (Result<Round, &'static str>, Option<Round>) {
    let (turn, lost) = rounds.judging_turn(Round(next));
    (said(turn), lost)
}

fn training(rounds: &JobRounds, next: u64) -> Result<Round, &'static str> {
    said(rounds.training_turn(Round(next)))
}

#[test]
fn coordinator_that_starts_again_makes_the_models_of_one_that_never_stopped() {
    // spec: [job.state] [job.skip]
    let mut place = Place::new(PUBLIC);
    let mut through = CoordinatorHalf::start(&place.job).unwrap();
    for round in [1, 2, 4] {
        // a new process for each; round 3 had no sum
        let rounds = place.start();
        assert_eq!(training(&rounds, round), Ok(Round(round)));
        if round == 4 {
            through.skip(3).unwrap();
        }
        let mean = place.mean(&rounds.bytes(), Round(round));
        through.take(round, &mean).unwrap();
        let Stepped { model, found } = rounds.step(Round(round), &mean).unwrap();
        let model = Model::from_bytes(&std::fs::read(model).unwrap()).unwrap();
        assert_eq!(model.id(), through.model().id());
        let (found, wanted) = (found.unwrap(), through.judge().unwrap().unwrap());
        assert_eq!(
            (found.evaluation, found.on, found.examples),
            (wanted, On::Public, 359)
        );
        assert_eq!(judging(&rounds, 1), (Err("wait"), None));
    }
}

#[test]
fn the_last_round_of_a_job_ends_it_also_without_a_sum_and_after_a_restart() {
    // spec: [job.skip] [job.budget]
    let mut place = Place::new(PUBLIC);
    let rounds = place.start();
    place.trains(&rounds, Round(1));
    rounds.skip(Round(5));
    assert_eq!(training(&rounds, 6), Err("over"));
    assert_eq!(training(&place.start(), 6), Err("over"));
    // numbers of a state folder that is gone come not again
    assert_eq!(training(&place.start(), 1), Ok(Round(2)));
}

#[test]
fn no_round_trains_before_the_evaluation_that_is_owed_is_over() {
    // spec: [job.evaluation.order] [job.evaluation]
    let mut place = Place::new(MEMBERS);
    let rounds = place.start();
    place.trains(&rounds, Round(1));
    assert_eq!(judging(&rounds, 1), (Err("wait"), None));
    assert_eq!(training(&rounds, 2), Ok(Round(2)));
    place.trains(&rounds, Round(2));
    assert_eq!(training(&rounds, 3), Err("wait"));
    assert_eq!(judging(&rounds, 1), (Ok(Round(2)), None));
    let found = rounds
        .judged(Round(2), &place.tally(&rounds.bytes()))
        .unwrap();
    assert!(found.best && found.on == On::Members && found.left == Some(1));
    assert!(
        place
            .folder
            .path()
            .join("training-best.safetensors")
            .exists()
    );
    assert_eq!(judging(&rounds, 3), (Err("wait"), None));
    assert_eq!(training(&rounds, 3), Ok(Round(3)));
    // a sum that nobody waits for changes nothing
    assert!(
        rounds
            .judged(Round(2), &place.tally(&rounds.bytes()))
            .is_err()
    );
    rounds.skip(Round(3));
    place.trains(&rounds, Round(4));
    // the training is over, its last model is judged all the same
    assert_eq!(training(&rounds, 5), Err("over"));
    rounds.training_is_over();
    assert_eq!(judging(&rounds, 3), (Ok(Round(4)), None));
    rounds.unjudged();
    assert_eq!(judging(&rounds, 5), (Err("over"), None));
}

#[test]
fn an_evaluation_outlives_a_restart_unless_its_number_is_spent() {
    // spec: [job.evaluation.owed]
    let mut place = Place::new(MEMBERS);
    let rounds = place.start();
    for round in [1, 2] {
        place.trains(&rounds, Round(round));
    }
    let again = place.start();
    assert_eq!(training(&again, 3), Err("wait"));
    assert_eq!(judging(&again, 1), (Ok(Round(2)), None));
    // what an earlier process opened without taking in its sum is over
    let again = place.start();
    assert_eq!(judging(&again, 3), (Err("wait"), Some(Round(2))));
    assert_eq!(judging(&again, 3), (Err("wait"), None));
    assert_eq!(training(&again, 3), Ok(Round(3)));
    // what was judged is judged once
    let again = place.start();
    again
        .judged(Round(2), &place.tally(&again.bytes()))
        .unwrap();
    let again = place.start();
    assert_eq!(judging(&again, 3), (Err("wait"), None));
    assert_eq!(training(&again, 3), Ok(Round(3)));
}

#[test]
fn evaluations_that_do_not_become_better_end_the_training() {
    // spec: [progress.stop]
    let mut place = Place::new(MEMBERS);
    let rounds = place.start();
    for round in [1, 2] {
        place.trains(&rounds, Round(round));
    }
    let worse =
        veilsum_learn::stats::tensors(vec![1 << 23, 9 << 23, 100 << 16, (10 << 23) - (100 << 16)]);
    rounds
        .judged(Round(2), &place.tally(&rounds.bytes()))
        .unwrap();
    place.trains(&rounds, Round(3));
    place.trains(&rounds, Round(4));
    let found = rounds.judged(Round(4), &worse).unwrap();
    assert!(found.stopped && !found.best && found.left == Some(0));
    assert_eq!(rounds.ending(), Some(Ending::Stopped));
    assert_eq!(training(&place.start(), 5), Err("over"));
}

#[tokio::test]
async fn whoever_waits_is_woken_by_the_other_task() {
    // spec: [job.evaluation.order]
    let mut place = Place::new(MEMBERS);
    let rounds = place.start();
    for round in [1, 2] {
        place.trains(&rounds, Round(round));
    }
    let Turn::Wait(waiting) = rounds.training_turn(Round(3)) else {
        panic!("an evaluation is owed");
    };
    // a change between look and wait is no less a change
    rounds.unjudged();
    waiting.await;
    assert_eq!(training(&rounds, 3), Ok(Round(3)));
    let (Turn::Wait(waiting), None) = rounds.judging_turn(Round(1)) else {
        panic!("nothing is owed");
    };
    rounds.training_is_over();
    waiting.await;
    assert_eq!(judging(&rounds, 1), (Err("over"), None));
}

#[test]
fn task_with_other_tensors_than_the_job_is_refused() {
    let place = Place::new(PUBLIC);
    let other = Job::from_toml(&format!("model = {{ mlp = 4 }}\n{PUBLIC}")).unwrap();
    let path = place.folder.path();
    let refused = JobRounds::start(&other, &place.task, path, path).err();
    assert_eq!(refused.unwrap().kind, Kind::Refused);
}

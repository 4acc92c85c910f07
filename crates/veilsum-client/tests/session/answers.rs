//! Members that answer questions: the ledger knows an answer by what was asked, not by what it says.

use veilsum_client::{Asked, Event, RoundInfo};
use veilsum_proto::task::Task;

use crate::coordinator::{House, roster, task, until};
use crate::member::{Ended, Member, Setup};

/// Each round asks something else.
fn by_round(info: &RoundInfo) -> Option<Asked> {
    Some(Asked::new([info.round.0 as u8; 32]))
}

/// Whatever round of whatever task it is.
fn always_the_same(_: &RoundInfo) -> Option<Asked> {
    Some(Asked::new([7; 32]))
}

fn member(house: &House, seed: u8, question: fn(&RoundInfo) -> Option<Asked>) -> Setup {
    let mut setup = Setup::new(house, seed);
    setup.question = question;
    setup
}

async fn results(members: &[Member], wanted: usize) {
    until("the result", || {
        let mut logs = members.iter().map(|member| member.log.lock().unwrap());
        logs.all(|log| log.results.len() == wanted)
    })
    .await;
}

/// How often a second use of an update was refused.
fn uses_refused(member: &Member) -> usize {
    let events = member.events();
    let refused = events
        .iter()
        .filter(|event| matches!(event, Event::Refused { kind, .. } if kind == "update_used"));
    refused.count()
}

fn adverts(ended: &Ended) -> usize {
    let sent = ended.sent().into_iter();
    sent.filter(|sent| *sent == "Advert").count()
}

/// Absence from the second sum would tell that the answers are equal.
// spec: [answer.once]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_questions_with_equal_answers_are_both_answered() {
    let house = House::open(roster(1));
    let members = [1, 2, 3].map(|seed| {
        let mut setup = member(&house, seed, by_round);
        setup.fixed = true;
        setup.rounds = 2;
        setup.run()
    });
    house.round(1, 0, None);
    results(&members, 1).await;
    house.round(2, 0, None);
    for member in members {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        assert_eq!(ended.refusals(), []);
        assert_eq!(ended.log.results.len(), 2);
        assert_eq!(adverts(&ended), 2);
    }
}

/// The same without a word of what was asked: the second use of an update is refused.
// spec: [answer.once]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_updates_that_answer_no_question_are_contributed_once() {
    let house = House::open(roster(1));
    let members = [1, 2, 3].map(|seed| {
        let mut setup = Setup::new(&house, seed);
        setup.fixed = true;
        setup.rounds = 9;
        setup.run()
    });
    house.round(1, 0, None);
    results(&members, 1).await;
    house.round(2, 0, None);
    until("the refusals", || {
        members.iter().all(|member| uses_refused(member) == 1)
    })
    .await;
    for member in members {
        member.stop.stop();
        let (_, ended) = member.end().await;
        assert_eq!((adverts(&ended), ended.log.results.len()), (1, 1));
    }
}

/// A coordinator that asks again gets no second sum with one input: neither in another round nor in another task, nor after the data
/// have changed a little, which would show the change.
// spec: [answer.once]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_question_is_answered_once_whatever_round_and_task_it_comes_in_and_whatever_the_answer_is()
 {
    let house = House::open(roster(1));
    let members = [1, 2, 3].map(|seed| {
        let mut setup = member(&house, seed, always_the_same);
        // the answer is another one in each round
        setup.rounds = 9;
        setup.run()
    });
    house.round(1, 0, None);
    results(&members, 1).await;
    house.round(2, 0, None);
    until("the refusals", || {
        members.iter().all(|member| uses_refused(member) == 1)
    })
    .await;
    let mut other = task().into_spec();
    other.name = "other".to_owned().try_into().unwrap();
    house.round_of(Task::new(other).unwrap(), 1, 0, None);
    until("more refusals", || {
        members.iter().all(|member| uses_refused(member) == 2)
    })
    .await;
    for member in members {
        member.stop.stop();
        let (_, ended) = member.end().await;
        assert_eq!((adverts(&ended), ended.log.results.len()), (1, 1));
    }
}

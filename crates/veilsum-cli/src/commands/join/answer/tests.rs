use super::*;
use crate::stats::task::{example_clip, spec};
use veilsum_dp::{Adjacency, Unit};
use veilsum_encode::{Clip, Encoding};
use veilsum_learn::stats::{Inquiry, Kind, Parameters, Query};
use veilsum_proto::ids::{Attempt, Round};
use veilsum_proto::roster::Name;
use veilsum_proto::task::{NoiseLaw, NoiseSpec, Task, TaskSpec};

mod bound;

const SITE: &str = "[[columns]]\nname = \"age\"\nkinds = [\"mean\", \"histogram\"]\n";

fn mean(bits: u8, rows: u32) -> Query {
    let parameters = Parameters {
        bounds: vec![[0.0, 128.0]],
        bits: Some(bits),
        ..Parameters::new(Kind::Mean, vec!["age".into()], rows)
    };
    Query::new(parameters).unwrap()
}

fn histogram(edge: f64) -> Query {
    let parameters = Parameters {
        edges: vec![edge],
        ..Parameters::new(Kind::Histogram, vec!["age".into()], 100)
    };
    Query::new(parameters).unwrap()
}

/// The task of a query, with noise for what one row changes.
fn noised(query: &Query, law: NoiseLaw) -> TaskSpec {
    let plain = spec(query, "0".parse().unwrap(), "0".parse().unwrap()).unwrap();
    let noise = NoiseSpec {
        law,
        parameter: "1000".parse().unwrap(),
        sharing: NoiseSpec::default_sharing(law),
        unit: Unit::Example,
        adjacency: Adjacency::ZeroOut,
        example_clip: example_clip(query, law, Unit::Example),
        delta: "0.000001".parse().unwrap(),
    };
    TaskSpec {
        noise: Some(noise),
        ..plain
    }
}

fn asked_in(query: &Query, spec: TaskSpec, round: u64) -> RoundInfo {
    let task = Task::new(spec).unwrap();
    RoundInfo {
        plan: veilsum_encode::Plan::derive(
            task.manifest(),
            task.encoding(),
            3,
            veilsum_dp::NoiseBound::NONE,
        )
        .unwrap(),
        task,
        round: Round(round),
        attempt: Attempt(0),
        model: Some(Inquiry::new(query.clone()).question().to_bytes().into()),
    }
}

struct Site {
    answerer: Answerer,
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let text = format!("min_rows = 100\n{SITE}");
        Self::open("age\n30\n50\n", &text, "").unwrap()
    }

    /// A site with a table, its terms, and lines of its policy.
    fn open(table: &str, terms: &str, privacy: &str) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, table).unwrap();
        let printer = Arc::new(Printer::new(crate::output::Output::Text));
        let site = toml::from_str(terms).unwrap();
        // the base point of the curve
        let authority = format!("58{}", "66".repeat(31));
        let policy = format!("version = 1\nauthority = \"{authority}\"\n{privacy}");
        let policy = Policy::from_toml(&policy).unwrap();
        Ok(Self {
            answerer: Answerer::new(&path, site, &policy, printer)?,
            folder,
        })
    }

    fn refusal(&self, query: &Query, spec: TaskSpec) -> String {
        let answer = self.answerer.answer(&asked_in(query, spec, 1));
        answer.map(|_| ()).unwrap_err().message().to_owned()
    }
}

/// The member machine takes the word of the one who answers that it checks the example clip.
#[test]
fn a_task_whose_example_clip_is_below_what_one_row_changes_gets_no_answer() {
    // spec: [stats.query.refuse] [join.example-clip]
    let (site, query) = (Site::new(), mean(10, 100));
    let change = query.row_change();
    for law in [NoiseLaw::Laplace, NoiseLaw::Skellam, NoiseLaw::Gaussian] {
        let honest = noised(&query, law);
        let info = asked_in(&query, honest.clone(), 1);
        assert!(site.answerer.answer(&info).is_ok(), "{law:?}");
        for clip in [
            Clip::L1(change.l1 as f64 - 1.0),
            Clip::L2((change.l2_squared as f64).sqrt() - 0.01),
            Clip::LInf(change.linf as f64 - 1.0),
            Clip::L1(1.0),
        ] {
            let mut lie = honest.clone();
            lie.noise.as_mut().unwrap().example_clip = Some(clip);
            let told = site.refusal(&query, lie);
            assert!(
                told.contains("the noise of the task is for"),
                "{clip:?}: {told}"
            );
        }
    }
}

#[test]
fn a_task_of_another_range_than_the_question_s_gets_no_answer() {
    // spec: [stats.query.refuse]
    let (site, query) = (Site::new(), mean(10, 100));
    // noise by member is for the range of the task, noise by example for bits of the question
    for unit in [Unit::Member, Unit::Example] {
        for asked in [mean(10, 1_000), mean(11, 100)] {
            let mut lie = noised(&query, NoiseLaw::Laplace);
            let noise = lie.noise.as_mut().unwrap();
            noise.unit = unit;
            noise.example_clip = example_clip(&query, NoiseLaw::Laplace, unit);
            let told = site.refusal(&asked, lie);
            assert!(told.contains("range"), "{told}");
        }
    }
    let mut lie = noised(&query, NoiseLaw::Laplace);
    lie.encoding = Encoding::Integer { min: 0, max: 1 };
    assert!(site.refusal(&query, lie).contains("range"));
}

/// A coordinator that wants two sums with the same inputs, over different members.
#[test]
fn whoever_asks_the_same_in_other_words_is_told_the_same_by_the_ledger() {
    // spec: [answer.asked] [answer.once]
    let plain = |query: &Query, name: &str| {
        let mut spec = spec(query, "0".parse().unwrap(), "0".parse().unwrap()).unwrap();
        spec.name = Name::try_from(name.to_owned()).unwrap();
        spec
    };
    let query = mean(10, 100);
    let first = Answerer::asked(&asked_in(&query, plain(&query, "first"), 1)).unwrap();
    for (query, name, round) in [
        (query.clone(), "first", 2),
        (query, "second", 1),
        (mean(10, 101), "rows", 1),
        (mean(16, 100), "bits", 1),
    ] {
        let info = asked_in(&query, plain(&query, name), round);
        assert_eq!(Answerer::asked(&info), Some(first), "{name}");
    }
}

/// No row lies between the edges, so both answers are one and the same vector.
#[test]
fn two_questions_with_equal_answers_are_two_questions() {
    // spec: [answer.asked] [answer.once]
    let site = Site::new();
    let (one, other) = (histogram(35.0), histogram(45.0));
    let info = |query: &Query| {
        let spec = spec(query, "0".parse().unwrap(), "0".parse().unwrap()).unwrap();
        asked_in(query, spec, 1)
    };
    let (one, other) = (info(&one), info(&other));
    let answers = [&one, &other].map(|info| site.answerer.answer(info).unwrap());
    assert!(answers[0] == answers[1]);
    assert_ne!(Answerer::asked(&one), Answerer::asked(&other));
    let no_question = RoundInfo { model: None, ..one };
    assert_eq!(Answerer::asked(&no_question), None);
}

//! An asker that asks the same of one row more, and what it gets.

use super::*;
use veilsum_encode::TensorData;
use veilsum_proto::ids::Slot;
use veilsum_sim::{Federation, Honest, Inputs, RunOptions};

const BOUND: &str = "min_rows = 500\n[[columns]]\nname = \"age\"\nkinds = [\"histogram\"]\n";
const PAID: &str = "[privacy]\nrequired = true\nepsilon_total = 8.0\ndelta = 1e-6\n";

fn table(rows: usize) -> String {
    let ages = (0..rows).map(|row| format!("{}\n", row * 37 % 100));
    format!("age\n{}", ages.collect::<String>())
}

fn edges(edges: &[f64], rows: u32) -> Query {
    let parameters = Parameters {
        edges: edges.to_vec(),
        ..Parameters::new(Kind::Histogram, vec!["age".into()], rows)
    };
    Query::new(parameters).unwrap()
}

fn plain(query: &Query) -> TaskSpec {
    spec(query, "0".parse().unwrap(), "0".parse().unwrap()).unwrap()
}

/// Noise in name: a task that anybody may invent.
fn negligible(query: &Query) -> TaskSpec {
    let mut spec = noised(query, NoiseLaw::Laplace);
    spec.noise.as_mut().unwrap().parameter = "0.001".parse().unwrap();
    spec
}

/// Answers of the members, as far as they have any.
struct Answers(Vec<Vec<i64>>);

impl Inputs for Answers {
    fn coordinates(&self) -> usize {
        self.0[0].len()
    }

    fn row(&self, slot: Slot) -> Vec<i64> {
        self.0[slot.index()].clone()
    }
}

fn answers(sites: &[Site], query: &Query, spec: TaskSpec) -> Result<Answers, String> {
    let info = asked_in(query, spec, 1);
    let answers = sites.iter().map(|site| {
        let mut tensors = site.answerer.answer(&info)?;
        let (_, tensor) = tensors.pop_first().unwrap();
        match tensor.data {
            TensorData::I64(values) => Ok(values),
            _ => unreachable!("answers are integers"),
        }
    });
    let answers = answers.collect::<Result<_, Failure>>();
    answers
        .map(Answers)
        .map_err(|failure| failure.message().to_owned())
}

/// The certified sum of a round in which the asker asks all members.
fn certified(sites: &[Site], query: &Query) -> Result<Vec<i64>, String> {
    let spec = plain(query);
    let answers = answers(sites, query, spec.clone())?;
    let federation = Federation::new(3, 0).unwrap();
    let task = Task::new(spec).unwrap();
    let report = federation
        .run(&task, &answers, &RunOptions::default(), &mut Honest)
        .unwrap();
    assert!(report.exact);
    Ok(report.sum.unwrap())
}

fn sites() -> Vec<Site> {
    let open = |rows| Site::open(&table(rows), BOUND, "").unwrap();
    vec![open(300), open(120), open(250)]
}

/// One edge more, which moves nothing between the bins in question, lets `[answer.once]` pass.
#[test]
fn one_row_more_is_nobody_s_to_ask_for_without_noise() {
    // spec: [stats.query.bound]
    let sites = sites();
    for row in [199, 200, 251, 300, 499] {
        let query = edges(&[50.0, 1e6 + f64::from(row)], row);
        let told = certified(&sites, &query).unwrap_err();
        let wanted = format!("at least 500 rows of a member (min_rows), not {row}");
        assert!(told.contains(&wanted), "{told}");
        // nor with noise that nobody pays for
        let told = answers(&sites, &query, negligible(&query));
        assert!(told.err().unwrap().contains(&wanted));
    }
    // what is answered is the same of all rows, however many are asked for
    let one = certified(&sites, &edges(&[50.0, 1e6], 500)).unwrap();
    let more = certified(&sites, &edges(&[50.0, 1e6 + 1.0], 501)).unwrap();
    assert_eq!(one.iter().sum::<i64>(), 300 + 120 + 250);
    assert_eq!(one, more);
}

#[test]
fn a_table_that_has_grown_is_cut_where_its_site_says_and_answers_all_the_same() {
    // spec: [stats.query.bound] [stats.query.rows]
    let sites = sites();
    let grown = sites[0].folder.path().join("t.csv");
    for rows in [500, 501, 700] {
        std::fs::write(&grown, table(rows)).unwrap();
        for asked in [500, 501, 650, 1_000] {
            let query = edges(&[50.0, 1e6 + f64::from(asked)], asked);
            for spec in [plain(&query), negligible(&query)] {
                let answers = answers(&sites, &query, spec).unwrap();
                assert_eq!(answers.0[0].iter().sum::<i64>(), 500, "{rows}, {asked}");
            }
        }
    }
}

#[test]
fn a_table_above_the_bound_and_a_site_without_one_do_not_start() {
    // spec: [stats.query.bound]
    let terms = SITE;
    for (rows, terms, wanted) in [
        (501, BOUND, "found 501 rows"),
        (501, terms, "states no `min_rows`"),
        (0, terms, "states no `min_rows`"),
    ] {
        for privacy in ["", "[privacy]\nrequired = true\n"] {
            let told = Site::open(&table(rows), terms, privacy).err().unwrap();
            assert!(told.message().contains(wanted), "{told}");
        }
        // noise pays for a row more or less
        assert!(Site::open(&table(rows), terms, PAID).is_ok());
    }
}

#[test]
fn where_noise_is_paid_for_a_question_brings_the_rows_it_asks_for_and_never_without() {
    // spec: [stats.query.rows] [stats.query.bound]
    let site = [Site::open(&table(300), SITE, PAID).unwrap()];
    let query = edges(&[50.0], 200);
    let brought = answers(&site, &query, noised(&query, NoiseLaw::Laplace)).unwrap();
    assert_eq!(brought.0[0].iter().sum::<i64>(), 200);
    let told = answers(&site, &query, plain(&query)).err().unwrap();
    assert!(told.contains("with noise alone"), "{told}");
}

/// Two questions that differ in their columns would differ in the rows that have a number in each.
#[test]
fn columns_that_are_asked_for_together_choose_no_row() {
    // spec: [stats.query.bound] [stats.query.missing]
    const TERMS: &str = "min_rows = 100\nempty = \"skip\"\n[[columns]]\nname = \"age\"\nkinds = [\"sum\"]\n[[columns]]\nname = \"income\"\nkinds = [\"sum\"]\n";
    let sum = |columns: &[&str]| {
        let parameters = Parameters {
            bounds: vec![[0.0, 128.0]; columns.len()],
            bits: Some(10),
            ..Parameters::new(
                Kind::Sum,
                columns.iter().map(|name| (*name).into()).collect(),
                100,
            )
        };
        Query::new(parameters).unwrap()
    };
    let site = [Site::open("age,income\n40,9\n59,\n60,8\n61,x1\n", TERMS, "").unwrap()];
    let (one, both) = (sum(&["age"]), sum(&["age", "income"]));
    let answer = |query: &Query| answers(&site, query, negligible(query)).unwrap().0;
    assert_eq!(answer(&one)[0][0], answer(&both)[0][0], "of the same rows");
    // without noise the cell that is no number ends both, and the empty one neither
    for query in [&one, &both] {
        let told = answers(&site, query, plain(query)).err().unwrap();
        assert!(told.contains("line 5, column \"income\""), "{told}");
    }
}

/// Where a table is cut is the same with noise and without.
#[test]
fn blank_lines_have_their_places_in_every_task() {
    // spec: [stats.query.rows]
    let sites = [Site::open(
        "age\n1\n",
        "min_rows = 4\n[[columns]]\nname = \"age\"\nkinds = [\"histogram\"]\n",
        "",
    )
    .unwrap()];
    let path = sites[0].folder.path().join("t.csv");
    std::fs::write(path, "age\n1\n\n2\n\n3\n4\n").unwrap();
    let query = edges(&[50.0], 4);
    for spec in [plain(&query), negligible(&query)] {
        let counted = answers(&sites, &query, spec).unwrap();
        assert_eq!(counted.0[0].iter().sum::<i64>(), 2);
    }
}

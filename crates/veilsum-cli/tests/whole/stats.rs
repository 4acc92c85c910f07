//! Statistics over the network: who asks, who answers, and who refuses.

use crate::support::{Folder, Running};
use serde_json::Value;

const THREE: [&str; 3] = ["alice", "bob", "carol"];

/// Ages of each member: 10 rows each.
fn ages(member: usize) -> Vec<f64> {
    (0..10)
        .map(|row| 20.0 + (member * 17 + row * 7 % 31) as f64)
        .collect()
}

/// A federation that asks a query, whose members allow `allowed` of the column `age`.
fn asking(query: &str, allowed: &str) -> Folder {
    let folder = Folder::new();
    folder.federation(&THREE);
    let told = folder.ok(&format!(
        "stats {query} --members 3 --corrupt 1 --task task.toml"
    ));
    let line = told
        .lines()
        .find(|line| line.starts_with("query = "))
        .unwrap();
    let coordinator = folder.ok("serve --print-example");
    let coordinator = coordinator
        .replace("127.0.0.1:7400", "127.0.0.1:0")
        .replace("\nrounds = 1\n", &format!("\n{line}\n"));
    folder.write("coordinator.toml", &coordinator);
    let member = folder.ok("join --print-example");
    let column = format!("{{ name = \"age\", {allowed} }}");
    folder.write(
        "member.toml",
        &member
            .replace("# min_rows = 1000", "min_rows = 50")
            .replace("columns = [\n", &format!("columns = [\n{column},\n")),
    );
    folder.write(
        "policy.toml",
        &folder.ok("join --print-policy --authority authority.pub"),
    );
    for (index, name) in THREE.iter().enumerate() {
        let rows = ages(index)
            .iter()
            .map(|age| format!("x,{age}\n"))
            .collect::<String>();
        folder.write(&format!("{name}.csv"), &format!("name,age\n{rows}"));
    }
    folder
}

fn members(folder: &Folder, address: &str, rounds: u32) -> [Running; 3] {
    THREE.map(|name| {
        let words = format!("--stats {name}.csv --rounds {rounds} --result {name}.safetensors");
        folder.start(&mut folder.join(name, address, &words))
    })
}

/// The answer that the coordinator published, once everybody ended well.
fn answer(serve: Running, members: [Running; 3], folder: &Folder) -> Value {
    for member in members {
        let (code, _, err) = member.end();
        assert_eq!(code, 0, "{err}");
    }
    let (code, lines, err) = serve.end();
    assert_eq!(code, 0, "{err}");
    let answer = lines
        .iter()
        .find(|line| line["event"] == "answer")
        .unwrap()
        .clone();
    let file = std::fs::read_to_string(folder.path(answer["file"].as_str().unwrap())).unwrap();
    let written: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(written["answer"], answer["answer"]);
    answer
}

#[test]
fn members_answer_a_mean_of_their_tables() {
    // spec: [stats.query.mean]
    let folder = asking(
        "mean --column age --bounds 0:120",
        "kinds = [\"mean\"], bounds = [0, 120]",
    );
    let (serve, address) = folder.serve();
    let members = members(&folder, &address, 1);
    let answer = answer(serve, members, &folder);
    let all: Vec<f64> = (0..3).flat_map(ages).collect();
    let mean = all.iter().sum::<f64>() / 30.0;
    let found = answer["answer"]["columns"][0]["value"].as_f64().unwrap();
    assert!((found - mean).abs() < 1e-4, "{found}, wanted {mean}");
    assert_eq!(answer["answer"]["count"]["value"], 30.0);
    assert!(answer["noise"].is_null());
}

/// No member has a row above the first three thresholds, so its answers to them are one and the same vector; it is in all the sums.
#[test]
fn equal_answers_to_different_questions_make_no_member_absent() {
    // spec: [answer.once]
    let query = "quantile --column age --bounds 0:1024 --steps 4 --rows 50";
    let folder = asking(query, "kinds = [\"quantile\"]");
    let (serve, address) = folder.serve();
    let members = members(&folder, &address, 4);
    let answer = answer(serve, members, &folder);
    let rounds = answer["rounds"].as_array().unwrap();
    let of = |key: &str| Vec::from_iter(rounds.iter().map(|round| round[key].clone()));
    assert_eq!(of("threshold"), [512.0, 256.0, 128.0, 64.0]);
    assert_eq!(of("survivors"), [3, 3, 3, 3]);
}

#[test]
fn quantile_takes_its_rounds_and_says_what_they_cost_together() {
    // spec: [stats.query.quantile]
    let query =
        "quantile --column age --bounds 0:128 --steps 5 --rows 50 --epsilon 40 --delta 1e-5";
    let folder = asking(query, "kinds = [\"quantile\"]");
    // the site bounds what all rounds together cost
    let policy = folder
        .read("policy.toml")
        .replace("required = false", "required = true")
        .replace("# epsilon_total = 8.0", "epsilon_total = 40.0")
        .replace("# delta = 1e-6", "delta = 1e-5");
    folder.write("policy.toml", &policy);
    let (serve, address) = folder.serve();
    let members = members(&folder, &address, 5);
    let answer = answer(serve, members, &folder);
    let mut all: Vec<f64> = (0..3).flat_map(ages).collect();
    all.sort_by(f64::total_cmp);
    assert_eq!(answer["rounds"].as_array().unwrap().len(), 5);
    assert_eq!(answer["rounds"][0]["threshold"], 64.0);
    let found = answer["answer"]["value"].as_f64().unwrap();
    // epsilon 8 a round: one of five directions is wrong only if noise moves a share of 30 rows past a half
    assert!(
        (found - all[14]).abs() < 12.0,
        "{found}, wanted {}",
        all[14]
    );
    let (noise, unit) = (&answer["noise"], &answer["noise"]["unit"]);
    assert_eq!(unit, "example");
    assert!(noise["epsilon"].as_f64().unwrap() <= 40.0);
    assert!(noise["epsilon_per_round"].as_f64().unwrap() <= 40.0);
}

#[test]
fn member_refuses_what_its_configuration_does_not_list() {
    // spec: [stats.query.refuse]
    for (allowed, told) in [
        (
            "kinds = [\"count\", \"histogram\"]",
            "this site answers count, histogram about the column \"age\", not mean",
        ),
        (
            "kinds = [\"mean\"], bounds = [0, 100]",
            "with bounds 0:100, not 0:120",
        ),
    ] {
        let folder = asking("mean --column age --bounds 0:120", allowed);
        let (serve, address) = folder.serve();
        let [alice, others @ ..] = members(&folder, &address, 1);
        let (code, lines, err) = alice.end();
        assert_eq!(code, 3, "{err}");
        assert!(err.contains(told), "{err}");
        assert!(
            lines.iter().any(|line| line["event"] == "refused"),
            "{lines:?}"
        );
        drop((serve, others));
    }
    let folder = asking("mean --column age --bounds 0:120", "kinds = []");
    let ran = folder
        .join("bob", "127.0.0.1:9", "--stats bob.csv")
        .output()
        .unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    assert!(
        err.contains("the configuration allows no statistic"),
        "{err}"
    );
}

#[test]
fn member_without_a_number_of_rows_that_may_be_known_does_not_start() {
    // spec: [stats.query.bound]
    let folder = asking("mean --column age --bounds 0:120", "kinds = [\"mean\"]");
    let member = folder.read("member.toml");
    for (line, told, hint) in [
        (
            "",
            "the configuration states no `min_rows`",
            "min_rows = 100",
        ),
        (
            "min_rows = 9",
            "bob.csv: found 10 rows",
            "such as min_rows = 100",
        ),
    ] {
        folder.write("member.toml", &member.replace("min_rows = 50", line));
        let ran = folder
            .join("bob", "127.0.0.1:9", "--stats bob.csv")
            .output()
            .unwrap();
        let err = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(3), "{err}");
        assert!(err.contains(told) && err.contains(hint), "{err}");
    }
}

#[test]
fn query_that_is_not_of_the_task_does_not_start() {
    let folder = asking("mean --column age --bounds 0:120", "kinds = [\"mean\"]");
    let coordinator = folder.read("coordinator.toml");
    folder.write(
        "coordinator.toml",
        &coordinator.replace("bits = 16,", "bits = 15,"),
    );
    folder.run("serve --config coordinator.toml").assert_error(
        3,
        "`query` does not fit the task: the range of the task is not that of the query",
    );
}

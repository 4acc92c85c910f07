//! `veilsum stats` as a script sees it: results against the same statistic of all rows, computed here.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// Three tables in a folder, and all their ages.
fn tables() -> (TempDir, Vec<f64>) {
    let folder = tempfile::tempdir().unwrap();
    let mut ages = Vec::new();
    for (name, rows) in [("a", 300_u32), ("b", 200), ("c", 250)] {
        let mut text = "id, age ,weight\n".to_owned();
        for row in 0..rows {
            let age = f64::from(18 + (row * 37 + rows) % 71) + f64::from(row % 4) * 0.25;
            text.push_str(&format!("{row},{age},{}.5\n", 40 + row % 60));
            ages.push(age);
        }
        std::fs::write(folder.path().join(format!("{name}.csv")), text).unwrap();
    }
    ages.sort_by(f64::total_cmp);
    (folder, ages)
}

fn stats(folder: &Path, words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veilsum"))
        .arg("stats")
        .args(words.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap()
}

fn json(folder: &Path, words: &str) -> Value {
    let members = "--member a.csv --member b.csv --member c.csv --json";
    let output = stats(folder, &format!("{words} {members}"));
    assert!(
        output.status.success(),
        "{words}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(folder: &Path, words: &str, code: i32, parts: &[&str]) {
    let output = stats(folder, words);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{words}: {told}");
    for part in parts {
        assert!(
            told.contains(part),
            "{words}: wanted {part:?}, found: {told}"
        );
    }
}

fn near(found: &Value, wanted: f64, error: f64) {
    let found = found.as_f64().unwrap();
    assert!(
        (found - wanted).abs() <= error,
        "found {found}, wanted {wanted}"
    );
}

#[test]
fn statistics_without_noise_are_those_of_all_rows() {
    // spec: [stats.query.sum] [stats.query.mean] [stats.query.variance] [stats.query.quantile] [stats.query.count]
    let (folder, ages) = tables();
    let folder = folder.path();
    let n = ages.len() as f64;
    let sum: f64 = ages.iter().sum();
    let mean = sum / n;
    let variance = ages.iter().map(|age| (age - mean).powi(2)).sum::<f64>() / n;
    let column = "--column age --bounds 0:120";
    let found = json(folder, &format!("mean {column}"));
    // three members, each rounded by half a step
    near(
        &found["answer"]["columns"][0]["value"],
        mean,
        1.5 * 120.0 / 65_534.0 / n * 1.01,
    );
    assert_eq!(found["answer"]["count"]["value"], n);
    assert_eq!(found["answer"]["columns"][0]["standard_error"], 0.0);
    assert_eq!(
        (&found["survivors"], &found["members"], &found["noise"]),
        (&Value::from(3), &Value::from(3), &Value::Null)
    );
    near(
        &json(folder, &format!("sum {column}"))["answer"]["columns"][0]["value"],
        sum,
        1.5 * 120.0 / 32_767.0,
    );
    near(
        &json(folder, &format!("variance {column}"))["answer"]["columns"][0]["value"],
        variance,
        3_600.0 * 4.0 / 32_767.0 / n,
    );
    assert_eq!(json(folder, "count")["answer"]["count"]["value"], n);
    let found = json(folder, "histogram --column age --edges 30,50,70");
    let counts = found["answer"]["bins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bin| bin["count"].as_f64().unwrap());
    let wanted = [(0.0, 30.0), (30.0, 50.0), (50.0, 70.0), (70.0, 999.0)];
    let wanted =
        wanted.map(|(from, to)| ages.iter().filter(|age| (from..to).contains(*age)).count() as f64);
    assert_eq!(counts.collect::<Vec<_>>(), wanted);
    let found = json(
        folder,
        &format!("quantile {column} --quantile 0.9 --steps 20"),
    );
    near(
        &found["answer"]["value"],
        ages[(0.9 * n).ceil() as usize - 1],
        120.0 / 1_048_576.0,
    );
    assert_eq!(found["rounds"].as_array().unwrap().len(), 20);
    assert_eq!(found["rounds"][0]["threshold"], 60.0);
    let found = json(
        folder,
        "mean --column age --bounds 0:120 --column weight --bounds 0:200",
    );
    near(&found["answer"]["columns"][0]["value"], mean, 1e-3);
    assert_eq!(found["answer"]["columns"][1]["column"], "weight");
}

/// A number is 8 of its standard errors off with probability below 2e-5 for Laplace noise and 1e-14 for the others; of the six numbers
/// here two carry Laplace noise, so that a false alarm comes once in 20 000 runs.
#[test]
fn noised_statistics_are_within_their_errors_and_say_what_was_spent() {
    // spec: [stats.query.error]
    let (folder, ages) = tables();
    let folder = folder.path();
    let n = ages.len() as f64;
    let mean = ages.iter().sum::<f64>() / n;
    for law in ["laplace", "skellam", "gaussian"] {
        let noise = format!("--epsilon 2 --delta 1e-5 --mechanism {law}");
        let found = json(folder, &format!("mean --column age --bounds 0:120 {noise}"));
        let (answer, spent) = (&found["answer"], &found["noise"]);
        let error = answer["columns"][0]["standard_error"].as_f64().unwrap();
        assert!(error > 0.01 && error < 5.0, "{law}: {error}");
        near(&answer["columns"][0]["value"], mean, 8.0 * error);
        let error = answer["count"]["standard_error"].as_f64().unwrap();
        near(&answer["count"]["value"], n, 8.0 * error);
        let epsilon = spent["epsilon"].as_f64().unwrap();
        assert!(epsilon <= 2.0 && epsilon > 1.99, "{law}: {epsilon}");
        assert_eq!(
            (&spent["unit"], &spent["mechanism"], &spent["delta"]),
            (&"example".into(), &law.into(), &1e-5.into())
        );
    }
    let found = json(
        folder,
        "quantile --column age --bounds 0:128 --steps 6 --epsilon 6",
    );
    near(&found["answer"]["value"], ages[ages.len() / 2], 8.0);
    let spent = &found["noise"];
    assert!(spent["epsilon"].as_f64().unwrap() <= 6.0);
    assert!(spent["epsilon_per_round"].as_f64().unwrap() < 2.0);
    let found = json(folder, "count --epsilon 4 --unit member --rows 400");
    assert_eq!(found["noise"]["unit"], "member");
    let error = found["answer"]["count"]["standard_error"].as_f64().unwrap();
    assert!(error > 100.0, "a member's 400 rows are hidden by {error}");
}

/// The law's deviation is 2.77 at scale 2; that of 64 draws is not between 1.5 and 5 with probability below 1e-4 (by simulation).
#[test]
fn noise_is_drawn_afresh_and_of_the_stated_size() {
    let (folder, ages) = tables();
    let n = ages.len() as f64;
    let mut errors = Vec::new();
    for _ in 0..64 {
        let found = json(folder.path(), "count --epsilon 0.5");
        errors.push(found["answer"]["count"]["value"].as_f64().unwrap() - n);
    }
    let deviation = (errors.iter().map(|error| error * error).sum::<f64>() / 64.0).sqrt();
    assert!((1.5..5.0).contains(&deviation), "{deviation}");
    errors.dedup();
    assert!(errors.len() > 8, "{errors:?}");
}

#[test]
fn bad_tables_are_named_by_file_line_and_column() {
    // spec: [stats.query.missing]
    let (folder, _) = tables();
    let folder = folder.path();
    std::fs::write(folder.join("bad.csv"), "age\n12\nmany\n").unwrap();
    std::fs::write(folder.join("gap.csv"), "age,b\n12,1\n,2\n14,3\n").unwrap();
    let mean = "mean --column age --bounds 0:120 --member a.csv --member b.csv";
    refused(
        folder,
        &format!("{mean} --member bad.csv"),
        2,
        &["error: bad.csv: line 3, column \"age\"", "hint: "],
    );
    refused(
        folder,
        &format!("{mean} --member gap.csv"),
        2,
        &[
            "error: gap.csv: line 3, column \"age\": the cell is empty",
            "--empty skip",
        ],
    );
    refused(
        folder,
        &format!("{mean} --member none.csv"),
        5,
        &["none.csv"],
    );
    refused(
        folder,
        "mean --column height --bounds 0:1 --member a.csv --member b.csv --member c.csv",
        2,
        &[
            "a.csv: line 1: found no column \"height\"",
            "id, age, weight",
        ],
    );
    // spec: [stats.query.bound]
    refused(
        folder,
        &format!("{mean} --member c.csv --rows 299"),
        2,
        &["a.csv: found more than 299 rows", "say --rows"],
    );
    // spec: [stats.query.rows]
    let noised = "--rows 299 --epsilon 20 --json";
    let output = stats(folder, &format!("{mean} --member c.csv {noised}"));
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("a.csv: 1 rows beyond --rows are left out")
    );
    let output = stats(
        folder,
        &format!("{mean} --member gap.csv --empty skip --json"),
    );
    assert!(output.status.success());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["answer"]["count"]["value"], 502.0);
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("gap.csv: 1 rows with an empty cell are left out")
    );
}

#[test]
fn stray_quote_is_named_by_its_line_and_takes_one_row_under_noise() {
    // spec: [stats.query.lines]
    let (folder, _) = tables();
    let folder = folder.path();
    let rows: String = (0..50).map(|row| format!("{row},1\n")).collect();
    let text = format!("age,b\n{}", rows.replace("10,1", "10,\"stray"));
    std::fs::write(folder.join("stray.csv"), text).unwrap();
    let count = "count --column age --member a.csv --member b.csv --member stray.csv";
    refused(
        folder,
        count,
        2,
        &["stray.csv: line 12: found a quoted cell"],
    );
    let output = stats(folder, &format!("{count} --epsilon 20 --json"));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("stray.csv: 1 rows with a cell that is no number"));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    // 549 rows; noise of scale 1/20 is off by 2 with probability below 1e-17
    near(&found["answer"]["count"]["value"], 549.0, 2.0);
}

#[test]
fn what_rounding_may_have_done_is_stated_and_never_called_exact() {
    // spec: [stats.query.round]
    let (folder, _) = tables();
    let folder = folder.path();
    std::fs::write(folder.join("ten.csv"), "v\n10\n").unwrap();
    let members = "--member ten.csv --member ten.csv --member ten.csv";
    for kind in ["sum", "mean", "variance"] {
        let wide = format!("{kind} --column v --bounds 0:1e9 {members}");
        let output = stats(folder, &wide);
        let (out, told) = (output.stdout, String::from_utf8(output.stderr).unwrap());
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("at most by rounding"), "{out}");
        assert!(!out.contains("; exact"), "{out}");
        assert!(told.contains("warning: the number for v"), "{told}");
        let found = stats(folder, &format!("{wide} --json"));
        let found: Value = serde_json::from_slice(&found.stdout).unwrap();
        let column = &found["answer"]["columns"][0];
        let true_value = match kind {
            "sum" => 30.0,
            "mean" => 10.0,
            _ => 0.0,
        };
        near(
            &column["value"],
            true_value,
            column["rounding"].as_f64().unwrap(),
        );
    }
    let output = stats(folder, &format!("count {members}"));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("; exact, without noise")
    );
    let output = stats(folder, &format!("mean --column v --bounds 0:20 {members}"));
    assert_eq!(output.stderr, b"");
    // noise takes a mean out of the range that the bound is for
    let noisy = stats(
        folder,
        &format!("mean --column v --bounds 0:20 {members} --epsilon 8 --json"),
    );
    let noisy: Value = serde_json::from_slice(&noisy.stdout).unwrap();
    assert_eq!(noisy["answer"]["columns"][0]["rounding"], Value::Null);
}

#[test]
fn wrong_queries_say_what_is_wanted() {
    let (folder, _) = tables();
    let folder = folder.path();
    let members = "--member a.csv --member b.csv --member c.csv";
    refused(
        folder,
        &format!("mean --column age {members}"),
        2,
        &["a query of kind mean needs `bounds`"],
    );
    refused(
        folder,
        &format!("mean --column age --bounds 9:1 {members}"),
        2,
        &["upper bound"],
    );
    refused(
        folder,
        &format!("count --edges 1,2 {members}"),
        2,
        &["a query of kind count has no `edges`"],
    );
    refused(
        folder,
        "count --member a.csv --member b.csv",
        3,
        &["2 members: the sum would tell each the other's input"],
    );
    refused(
        folder,
        &format!("count --epsilon 0 {members}"),
        2,
        &["--epsilon is 0"],
    );
    refused(
        folder,
        &format!("count --epsilon 1 --unit member {members}"),
        2,
        &["--unit member needs --rows"],
    );
    refused(
        folder,
        &format!("modus --column age {members}"),
        2,
        &["wanted count, sum, mean"],
    );
    refused(
        folder,
        &format!("count --delta 1e-5 {members}"),
        2,
        &["--epsilon"],
    );
    refused(folder, "count", 2, &["--member"]);
}

#[test]
fn query_file_and_task_file_hold_the_same_query() {
    let (folder, ages) = tables();
    let folder = folder.path();
    let output = stats(folder, "--print-example");
    std::fs::write(folder.join("query.toml"), output.stdout).unwrap();
    let found = json(folder, "--query query.toml");
    near(
        &found["answer"]["columns"][0]["value"],
        ages.iter().sum::<f64>() / ages.len() as f64,
        1e-3,
    );
    let output = stats(
        folder,
        "--query query.toml --members 12 --task task.toml --epsilon 1 --json",
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let task = std::fs::read_to_string(folder.join("task.toml")).unwrap();
    for part in [
        "name = \"mean\"",
        "veilsum.statistic",
        "law = \"laplace\"",
        "unit = \"example\"",
    ] {
        assert!(task.contains(part), "{task}");
    }
    refused(
        folder,
        "--query query.toml --members 12 --task task.toml",
        5,
        &["exists already", "--force"],
    );
}

//! `veilsum bench` as a script sees it. What this build reaches is not judged here: it is not optimised.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use serde_json::Value;
use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veilsum"))
        .arg("bench")
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn a_step_has_its_rate_beside_its_limit() {
    let output = bench(&["--quick", "--json", "--only", "mask-kernel"]);
    assert!(output.status.success());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["machine"]["cores"].as_u64().unwrap() >= 1);
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["quick"], true);
    let row = &report["rows"][0];
    assert_eq!(row["step"], "mask-kernel");
    assert_eq!(
        (&row["unit"], &row["better"]),
        (&"GB/s".into(), &"higher".into())
    );
    let number = |key: &str| row[key].as_f64().unwrap();
    assert!(number("value") > 0.0 && number("limit") > 0.0);
    let ratio = number("value") / number("limit");
    assert!(
        (0.5..2.0).contains(&(number("ratio") / ratio)),
        "medians of the same turns"
    );
    assert_eq!(row["met"], number("ratio") >= number("mark"));
    let progress = String::from_utf8_lossy(&output.stderr);
    assert!(progress.contains("measuring mask-kernel"), "{progress}");
}

#[test]
fn a_member_uploads_and_everything_is_said_in_a_table() {
    let output = bench(&["--quick", "--only", "member-path"]);
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    let row = text
        .lines()
        .find(|line| line.starts_with("member-path "))
        .unwrap();
    assert!(row.contains("GB/s") && row.contains(">= 0.65"), "{row}");
    assert!(text.contains("quick: "), "{text}");
}

#[test]
fn an_unknown_step_is_refused_with_the_list() {
    let output = bench(&["--only", "everything"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    for step in [
        "mask-kernel",
        "member-path",
        "member-rest",
        "unmask",
        "coordinator-rest",
        "ingest",
    ] {
        assert!(text.contains(step), "{step}: {text}");
    }
}

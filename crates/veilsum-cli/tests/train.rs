//! `veilsum train` as a script sees it: what it prints and writes, and that an end that came between changes no bit.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

#[test]
fn a_training_prints_and_writes_what_its_rounds_gave() {
    // spec: [job.evaluation] [job.take]
    let folder = with(&job("fedavg", ROUNDS, ""));
    let out = folder.path().join("out");
    let lines = json(&train(
        &folder,
        &["--json", "--baseline", "--dropout", "0.2"],
    ));
    let (summary, rounds) = lines.split_last().unwrap();
    assert_eq!(rounds.len(), 4);
    for (round, line) in (1..).zip(rounds) {
        assert_eq!(
            (&line["event"], &line["round"]),
            (&"round".into(), &Value::from(round))
        );
        assert_eq!(line["exact"], true);
        assert_eq!(line["survivor_ids"].as_array().unwrap().len(), 4);
        assert_eq!(line["vanished_ids"].as_array().unwrap().len(), 1);
        assert!(line["members"]["accuracy"].as_f64().unwrap() > 0.3);
        assert_eq!(line["privacy"], Value::Null);
        assert!(line["upload_bytes"].as_u64().unwrap() > 2000);
    }
    assert_eq!(summary["event"], "summary");
    let secure = summary["last"]["accuracy"].as_f64().unwrap();
    let plain = summary["plain"]["accuracy"].as_f64().unwrap();
    assert!(
        secure > 0.6 && (secure - plain).abs() < 0.005,
        "{secure} {plain}"
    );
    assert!(summary["pooled"]["accuracy"].as_f64().unwrap() > secure);
    let model = veilsum_learn::Model::from_bytes(&fs::read(out.join("model.safetensors")).unwrap())
        .unwrap();
    assert_eq!(summary["model_sha256"], model.digest().to_string());
    assert_eq!(model.version(), 4);
    assert!(out.join("best.safetensors").exists());
    let history = fs::read_to_string(out.join("history.jsonl")).unwrap();
    let history: Vec<Value> = history
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(history, rounds);
}

#[test]
fn a_paused_training_goes_on_to_the_same_bits() {
    // spec: [job.state] [job.settle] [checkpoint.atomic]
    let text = job(
        "fedadam",
        ROUNDS,
        "[encoding]\nsubset = 0.25\nbits = 8\n[stop]\npatience = 3\n",
    );
    let (whole, cut) = (with(&text), with(&text));
    json(&train(&whole, &["--json", "--dropout", "0.2"]));
    for pauses in 0..4 {
        let mut arguments = vec!["--json", "--dropout", "0.2", "--pause-after", "1"];
        arguments.extend((pauses > 0).then_some("--resume"));
        let output = train(&cut, &arguments);
        assert_eq!(
            output.status.code(),
            Some(if pauses < 3 { 130 } else { 0 }),
            "{output:?}"
        );
    }
    for file in [
        "model.safetensors",
        "best.safetensors",
        "checkpoint",
        "memories-4",
    ] {
        let read = |folder: &TempDir| fs::read(folder.path().join("out").join(file)).unwrap();
        assert!(read(&whole) == read(&cut), "{file}");
    }
    let rounds = |folder: &TempDir| -> Vec<(Value, Value)> {
        let text = fs::read_to_string(folder.path().join("out/history.jsonl")).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|line| (line["model_sha256"].clone(), line["survivor_ids"].clone()))
            .collect()
    };
    assert_eq!(rounds(&whole), rounds(&cut));
    let page = fs::read_to_string(cut.path().join("out/report.html")).unwrap();
    assert!(
        page.contains("equals the plain sum of its survivors"),
        "{page}"
    );
    assert_eq!(
        fs::read_dir(cut.path().join("out")).unwrap().count(),
        7,
        "older memories are gone"
    );
}

#[test]
fn a_signal_ends_a_training_after_its_round_and_keeps_the_checkpoint() {
    // spec: [job.state]
    let text = job("fedavg", 40, "");
    let (whole, cut) = (with(&text), with(&text));
    let mut running = command(&cut, &["--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["round"], 1);
    kill_process(Pid::from_child(&running), Signal::INT).unwrap();
    let told = lines.map(Result::unwrap).count() + 1;
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(told < 40, "{told} rounds before the signal was heard");
    let resumed = json(&train(&cut, &["--json", "--resume"]));
    assert_eq!(resumed.len(), 40 - told + 1);
    json(&train(&whole, &["--json"]));
    let read = |folder: &TempDir| fs::read(folder.path().join("out/checkpoint")).unwrap();
    assert!(read(&whole) == read(&cut));
}

#[test]
fn privacy_is_stated_each_round_and_its_noise_is_not_that_of_the_seed() {
    // spec: [job.noise] [job.bits] [job.budget]
    for (algorithm, mechanism, unit) in [
        ("dp-sgd\"\nclip = 1.0\n#\"", "skellam", "example"),
        (
            "dp-fedavg\"\nclip = 0.5\nadaptive_quantile = 0.5\n#\"",
            "gaussian",
            "member",
        ),
        ("dp-sgd\"\nclip = 1.0\n#\"", "laplace", "example"),
    ] {
        let privacy =
            format!("[privacy]\nepsilon = 8.0\nunit = \"{unit}\"\nmechanism = \"{mechanism}\"\n");
        let text = job(algorithm, 2, &privacy);
        let lines = json(&train(&with(&text), &["--json", "--baseline"]));
        let last = &lines[1];
        for name in ["plain", "pooled", "central"] {
            assert!(lines[2][name]["accuracy"].is_number(), "{name}");
        }
        assert_eq!(last["privacy"]["unit"], unit);
        assert_eq!(last["privacy"]["delta"], 1e-5);
        let total = last["privacy"]["epsilon_total"].as_f64().unwrap();
        let one = last["privacy"]["epsilon"].as_f64().unwrap();
        assert!(total <= 8.0 && total > 7.9, "{mechanism}: {total}");
        assert!(one < total && lines[0]["privacy"]["epsilon_total"].as_f64() == Some(one));
        assert_eq!(last["exact"], true, "{mechanism}");
        assert_eq!(
            last["members"],
            Value::Null,
            "exact evaluations are not for private jobs"
        );
        assert!(last["public"]["accuracy"].as_f64().is_some());
        if mechanism == "skellam" {
            let model =
                |flags: &[&str]| json(&train(&with(&text), flags))[2]["model_sha256"].clone();
            assert_ne!(lines[2]["model_sha256"], model(&["--json"]));
            let seeded = || model(&["--json", "--seeded-noise"]);
            assert_eq!(seeded(), seeded());
        }
    }
}

#[test]
fn noise_of_the_seed_claims_no_epsilon_and_is_not_mixed_with_secret_noise() {
    // spec: [job.noise]
    let privacy = "[privacy]\nepsilon = 8.0\nunit = \"member\"\nmechanism = \"skellam\"\n";
    let text = job("dp-fedavg\"\nclip = 0.5\n#\"", 2, privacy);
    let (seeded, secret) = (with(&text), with(&text));
    let pause = ["--json", "--pause-after", "1"];
    let known = train(&seeded, &[&pause[..], &["--seeded-noise"]].concat());
    assert_eq!(known.status.code(), Some(130), "{known:?}");
    assert_eq!(train(&secret, &pause).status.code(), Some(130));
    for (folder, flags, told) in [
        (
            &seeded,
            &["--resume"][..],
            "round 1 drew its noise and rounding from the seed",
        ),
        (
            &secret,
            &["--resume", "--seeded-noise"],
            "from the operating system",
        ),
    ] {
        let refused = train(folder, flags);
        assert_eq!(refused.status.code(), Some(3), "{refused:?}");
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains(told),
            "{refused:?}"
        );
    }
    let lines = json(&train(&seeded, &["--json", "--resume", "--seeded-noise"]));
    for line in &lines {
        assert_eq!(
            (&line["privacy"], &line["seeded"]),
            (&Value::Null, &true.into())
        );
    }
    let page = fs::read_to_string(seeded.path().join("out/report.html")).unwrap();
    assert!(page.contains("from the seed, nothing is private"), "{page}");
    assert!(!page.contains("no noise, so no epsilon") && !page.contains("epsilon so far"));
    fs::remove_file(secret.path().join("out/history.jsonl")).unwrap();
    let refused = train(&secret, &["--resume"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
}

#[test]
fn more_drop_outs_than_tolerated_end_a_round_and_not_the_training() {
    // spec: [job.skip]
    let folder = with(&job("fedavg", 2, ""));
    let output = train(&folder, &["--json", "--dropout", "0.6"]);
    let told = String::from_utf8_lossy(&output.stderr);
    // nothing came of it: that is no success
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("3 of 5 members vanish in each round, the job tolerates 1"));
    let lines: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines[..2] {
        assert!(line["abort"].is_string(), "{line}");
        assert_eq!(line["version"], 0);
    }
    assert_eq!(
        (&lines[2]["sums"], &lines[2]["exact"]),
        (&0.into(), &Value::Null)
    );
    let refused = train(&folder, &["--dropout", "2", "--out", "none"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!folder.path().join("none").exists());
}

#[test]
fn a_clip_that_leaves_nothing_is_told() {
    let text = job("dp-fedavg", 1, "").replace("\"dp-fedavg\"", "\"dp-fedavg\"\nclip = 1e-6");
    let output = train(&with(&text), &["--json"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("the clip cuts the updates of 100 % of the members"),
        "{told}"
    );
    assert_eq!(json(&output)[0]["clipped"], 1.0);
}

#[test]
fn a_resumed_training_keeps_its_history_byte_for_byte_and_readable() {
    let folder = with(&job("fedavg", 3, "[encoding]\nsubset = 0.5\n"));
    assert_eq!(
        train(&folder, &["--pause-after", "2"]).status.code(),
        Some(130)
    );
    let history = folder.path().join("out/history.jsonl");
    let before = fs::read(&history).unwrap();
    fs::write(
        folder.path().join("out/memories-15"),
        b"of a run that was cut off",
    )
    .unwrap();
    assert!(train(&folder, &["--resume"]).status.success());
    let after = fs::read(&history).unwrap();
    assert_eq!(after[..before.len()], before);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&history).unwrap().permissions().mode();
        assert_ne!(mode & 0o044, 0, "{mode:o}");
    }
    assert!(!folder.path().join("out/memories-15").exists());
    assert!(folder.path().join("out/memories-3").exists());
}

#[test]
fn a_cohort_trains_where_the_job_asks_for_one() {
    let text = job("fedavg", 3, "[encoding]\nsubset = 0.5\n")
        .replace("members = 5", "members = 9\nclients_per_round = 5");
    let lines = json(&train(&with(&text), &["--json", "--dropout", "0.2"]));
    let mut seen = std::collections::BTreeSet::new();
    for line in &lines[..3] {
        let slots = |key: &str| {
            line[key]
                .as_array()
                .unwrap()
                .iter()
                .map(Value::to_string)
                .collect::<Vec<_>>()
        };
        let (survivors, vanished) = (slots("survivor_ids"), slots("vanished_ids"));
        assert_eq!((survivors.len(), vanished.len()), (4, 1));
        assert_eq!(line["exact"], true);
        seen.extend(survivors.into_iter().chain(vanished));
    }
    assert!(seen.len() > 5, "each round draws its own: {seen:?}");
}

#[test]
fn files_of_members_train_where_a_test_file_judges() {
    // spec: [job.csv]
    let folder = tempfile::tempdir().unwrap();
    for member in 0..4 {
        let rows = (0..40).map(|row| {
            let (a, b) = ((row * 7 + member) % 11 - 5, (row * 5 + 3 * member) % 13 - 6);
            format!("{a},{},{b}\n", u8::from(a + b > 0))
        });
        fs::write(
            folder.path().join(format!("{member}.csv")),
            format!("a,ill,b\n{}", rows.collect::<String>()),
        )
        .unwrap();
    }
    let text = "members = 3\nrounds = 12\n[data]\nsource = \"csv\"\nfiles = [\"0.csv\", \"1.csv\", \"2.csv\"]\ntest = \"3.csv\"\nlabel = \"ill\"\n\
        features = 2\nclasses = 2\nmax_examples = 100\n[algorithm]\nname = \"fedavg\"\n[federation]\ncorrupt = 0\ndropout = 0\n";
    fs::write(folder.path().join("train.toml"), text).unwrap();
    let lines = json(&train(&folder, &["--json"]));
    assert!(
        lines[12]["last"]["accuracy"].as_f64().unwrap() > 0.85,
        "{}",
        lines[12]
    );
    fs::write(folder.path().join("1.csv"), "a,ill,b\n1,2,3\n").unwrap();
    let refused = train(&folder, &["--out", "other"]);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        told.contains("1.csv: line 2, column 2: found no label"),
        "{told}"
    );
    fs::write(
        folder.path().join("1.csv"),
        "a,ill,b\n1,1,3\n1,1,\"3\n1,0,3\n",
    )
    .unwrap();
    let refused = train(&folder, &["--out", "other"]);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        told.contains("1.csv: line 3: found a quoted cell"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_trained_is_told_and_nothing_is_overwritten() {
    let folder = with(&job("fedavg", 1, ""));
    json(&train(&folder, &["--json"]));
    let again = train(&folder, &[]);
    assert_eq!(again.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--resume"));
    let other = with(&job("fedavg", 1, "[local]\nrate = 0.25\n"));
    fs::create_dir(other.path().join("out")).unwrap();
    fs::copy(
        folder.path().join("out/checkpoint"),
        other.path().join("out/checkpoint"),
    )
    .unwrap();
    let refused = train(&other, &["--resume"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let wrong = with("members = 5\nround = 1\n");
    let refused = train(&wrong, &[]);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        told.contains("train.toml: line 2: unknown field `round`"),
        "{told}"
    );
}

#[test]
fn the_example_trains() {
    let output = Command::new(env!("CARGO_BIN_EXE_veilsum"))
        .args(["train", "--print-example"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout)
        .unwrap()
        .replace("rounds = 20", "rounds = 2");
    let lines = json(&train(&with(&text), &["--json"]));
    assert_eq!(lines.len(), 3);
}

fn job(algorithm: &str, rounds: u32, more: &str) -> String {
    format!(
        "members = 5\nrounds = {rounds}\n[data]\nsource = \"digits\"\nsplit = {{ dirichlet = 1.0 }}\n[algorithm]\nname = \"{algorithm}\"\n\
         [federation]\ncorrupt = 0\ndropout = 1\n{more}"
    )
}

fn with(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.toml"), text).unwrap();
    folder
}

fn command(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_veilsum"));
    let path: &Path = folder.path();
    command
        .current_dir(path)
        .args(["train", "--config", "train.toml"])
        .args(arguments);
    if !arguments.contains(&"--out") {
        command.args(["--out", "out"]);
    }
    command
}

fn train(folder: &TempDir, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn json(output: &Output) -> Vec<Value> {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const ROUNDS: u32 = 4;

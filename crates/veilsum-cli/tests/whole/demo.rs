//! The demo: real processes, real QUIC, members that vanish.

use crate::support::Folder;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn members_vanish_at_every_point_and_every_sum_is_exact() {
    let folder = Folder::new();
    let mut command = folder.command("demo --members 9 --rounds 4 --vanish");
    let (code, mut lines, err) = folder.start(command.env("TMPDIR", folder.root())).end();
    assert_eq!(code, 0, "{err}");
    let report = lines.remove(0);
    let rounds = report["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 4);
    let mut points = BTreeSet::new();
    for round in rounds {
        assert_eq!(round["exact"], true, "{round}");
        assert_eq!(round["members"], 9);
        let survivors = round["survivor_ids"].as_array().unwrap();
        assert_eq!(round["survivors"], survivors.len());
        for vanished in round["vanished"].as_array().unwrap() {
            let phase = vanished["phase"].as_str().unwrap();
            points.insert(phase.to_owned());
            let uploaded = ["confirm", "reveal"].contains(&phase);
            // a retried round starts afresh with everybody
            if round["attempt"] == 0 {
                assert_eq!(survivors.contains(&vanished["member"]), uploaded, "{round}");
            }
        }
    }
    let all = [
        "advertise",
        "share",
        "upload",
        "mid-upload",
        "confirm",
        "reveal",
    ];
    assert_eq!(points, all.map(str::to_owned).into());
    let accuracy = |name: &str| report[name].as_f64().unwrap();
    assert!(accuracy("accuracy_secure") > 0.75, "{report}");
    let difference = accuracy("accuracy_secure") - accuracy("accuracy_plain");
    assert!(difference.abs() < 0.02, "{report}");
    assert!(accuracy("accuracy_pooled") > 0.9, "{report}");
    assert_eq!(leftovers(&folder), Vec::<String>::new());
}

#[test]
fn output_for_people_tells_of_every_round() {
    let folder = Folder::new();
    let out = folder.ok("demo --members 3 --rounds 2");
    assert_eq!(out.matches("equal in 651 integers").count(), 2, "{out}");
    assert!(
        out.contains("All 2 masked sums equal the plain sums"),
        "{out}"
    );
    assert!(!out.contains('\x1b'));
}

#[test]
fn sums_with_noise_are_exact_too_and_epsilon_grows_to_what_was_asked_for() {
    let folder = Folder::new();
    let report = folder.json("demo --members 8 --rounds 4 --vanish --epsilon 8");
    let mut spent = 0.0;
    for round in report["rounds"].as_array().unwrap() {
        assert_eq!(round["exact"], true, "{round}");
        let total = round["epsilon_total"].as_f64().unwrap();
        assert!(total > spent, "{round}");
        spent = total;
        let alone = round["epsilon"].as_f64().unwrap();
        assert_eq!(alone, report["rounds"][0]["epsilon_total"]);
    }
    assert!((7.5..=8.0).contains(&spent), "{report}");
    assert_eq!(report["epsilon_total"], spent);
    assert_eq!(report["delta"], 1e-5);
    assert_eq!(report["unit"], "example");
    assert!(
        report["accuracy_secure"].as_f64().unwrap() > 0.6,
        "{report}"
    );
}

#[test]
fn every_algorithm_is_exact_and_has_no_epsilon_without_noise() {
    let folder = Folder::new();
    for algorithm in [
        "fedprox",
        "fedsgd",
        "fedavgm",
        "fedadam",
        "fedyogi",
        "fedadagrad",
        "dp-fedavg",
    ] {
        let words = format!("demo --members 3 --rounds 2 --bits 8 --algorithm {algorithm}");
        let report = folder.json(&words);
        for round in report["rounds"].as_array().unwrap() {
            assert_eq!(round["exact"], true, "{algorithm}: {round}");
            assert!(round["epsilon"].is_null() && round["epsilon_total"].is_null());
        }
        for key in ["epsilon_total", "delta", "unit", "report"] {
            assert!(report[key].is_null(), "{algorithm}: {key}");
        }
    }
}

#[test]
fn noise_that_hides_another_unit_than_the_algorithm_does_is_a_usage_error() {
    let folder = Folder::new();
    for words in [
        "demo --delta 0.001",
        "demo --epsilon 0",
        "demo --epsilon 4 --algorithm fedavg",
        "demo --epsilon 4 --unit member --algorithm dp-sgd",
        "demo --epsilon 4 --unit example --algorithm dp-fedavg",
        "demo --bits 3",
    ] {
        let ran = folder.run(words);
        assert_eq!(ran.code, 2, "{words}: {}", ran.err);
    }
}

#[test]
fn report_is_written_where_it_is_wanted_and_over_no_foreign_file() {
    let folder = Folder::new();
    let report = folder.json("demo --members 3 --rounds 2 --report seen");
    assert_eq!(report["report"], "seen/report.html");
    let page = folder.read("seen/report.html");
    assert!(page.contains("All 2 masked sums equal"), "{page}");
    assert_eq!(
        &std::fs::read(folder.path("seen/report.png")).unwrap()[..4],
        b"\x89PNG"
    );

    folder.write("seen/report.html", "mine");
    let refused = folder.run("demo --members 3 --rounds 1 --report seen");
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(
        refused.err.contains("no report of Veilsum"),
        "{}",
        refused.err
    );
    assert_eq!(folder.read("seen/report.html"), "mine");
}

#[test]
fn report_that_nobody_asked_for_does_not_stop_a_demo() {
    let folder = Folder::new();
    let out = folder.ok("demo --members 3 --rounds 1");
    assert!(out.contains("veilsum-demo-report/report.html"), "{out}");
    folder.write("veilsum-demo-report/report.png", "mine");
    let ran = folder.run("demo --members 3 --rounds 1");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("warning: no report: "), "{}", ran.err);
    assert_eq!(folder.read("veilsum-demo-report/report.png"), "mine");
}

#[test]
fn interrupted_demo_leaves_neither_processes_nor_files() {
    let folder = Folder::new();
    let mut command = folder.command("demo --members 5 --rounds 1000");
    let demo = folder.start(command.env("TMPDIR", folder.root()));
    while leftovers(&folder).is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(700));
    let place = folder.path(&leftovers(&folder)[0]);
    assert!(!processes_of(&place.display().to_string()).is_empty());
    demo.signal(Signal::INT);
    let (code, lines, err) = demo.end();
    assert_eq!(code, 130, "{err}");
    assert_eq!(lines, Vec::<Value>::new());
    assert!(err.contains("error: stopped"), "{err}");
    assert_eq!(leftovers(&folder), Vec::<String>::new());
    assert_eq!(
        processes_of(&place.display().to_string()),
        Vec::<String>::new()
    );
}

#[test]
fn demo_of_too_few_or_too_many_is_a_usage_error() {
    let folder = Folder::new();
    for words in ["demo --members 2", "demo --members 101", "demo --rounds 0"] {
        assert_eq!(folder.run(words).code, 2, "{words}");
    }
}

fn leftovers(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.root()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Live processes whose command line names this path.
fn processes_of(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(path) {
            found.push(line);
        }
    }
    found
}

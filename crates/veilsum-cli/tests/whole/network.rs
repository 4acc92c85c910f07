//! Coordinator and members as an operator runs them.

use crate::support::{Folder, Ran, Running};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use veilsum_encode::{TensorData, Tensors};

const THREE: [&str; 3] = ["alice", "bob", "carol"];

#[test]
fn three_members_get_the_mean_of_their_files() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    let (serve, address) = folder.serve();
    let members = THREE.map(|name| {
        folder.start(&mut folder.join(name, &address, &format!("--update {name}.npy")))
    });
    let mut digests = BTreeSet::new();
    for (member, name) in members.into_iter().zip(THREE) {
        let (code, lines, err) = member.end();
        assert_eq!(code, 0, "{err}");
        check_lines(&lines, &JOIN);
        let result = lines.iter().find(|line| line["event"] == "result").unwrap();
        assert_eq!(result["survivor_ids"], serde_json::json!([0, 1, 2]));
        assert_eq!(result["file"], format!("{name}-mean.npy"));
        digests.insert(result["sum_sha256"].as_str().unwrap().to_owned());
    }
    let (code, lines, err) = serve.end();
    assert_eq!(code, 0, "{err}");
    check_lines(&lines, &SERVE);
    let result = lines.iter().find(|line| line["event"] == "result").unwrap();
    digests.insert(result["sum_sha256"].as_str().unwrap().to_owned());
    assert_eq!(digests.len(), 1, "everybody has the same sum");

    let inputs = THREE.map(|name| values(&folder.path(&format!("{name}.npy"))));
    for file in THREE
        .map(|name| format!("{name}-mean.npy"))
        .iter()
        .map(String::as_str)
        .chain([result["file"].as_str().unwrap()])
    {
        for (index, mean) in values(&folder.path(file)).iter().enumerate() {
            let wanted = inputs.iter().map(|input| input[index]).sum::<f32>() / 3.0;
            assert!(
                (mean - wanted).abs() < 1e-4,
                "{file} {index}: {mean}, wanted {wanted}"
            );
        }
    }
}

#[test]
fn trainer_of_any_language_gets_the_model_and_says_its_weight() {
    let folder = Folder::new();
    folder.configured(&THREE, 2);
    folder.ok("task sample task.toml --out first.safetensors --seed 9");
    let task = folder
        .read("task.toml")
        .replace("max_weight = 1", "max_weight = 9");
    // the model grows with each round, and with it the updates
    folder.write("task.toml", &task.replace("l2 = 1.0", "l2 = 8.0"));
    let coordinator = folder.read("coordinator.toml");
    let coordinator = coordinator.replace(
        "# model = \"model.safetensors\"",
        "model = \"first.safetensors\"",
    );
    folder.write("coordinator.toml", &coordinator);
    let (serve, address) = folder.serve();
    // each round contributes the model itself, once by placeholder and once by variable, so the model doubles
    let scripts = [
        "cp {model} {update} && echo 2 > {weight}",
        "cp \"$VEILSUM_MODEL\" \"$VEILSUM_UPDATE\"; echo said on standard output",
        "test {round} -ge 1 && test {task} = example && cp {model} {update}",
    ];
    let members = [0, 1, 2].map(|index| {
        let mut join = folder.join(THREE[index], &address, "--rounds 2 --weight 3");
        join.arg("--exec").arg(scripts[index]);
        join.arg("--result")
            .arg(format!("{}-r{{round}}.safetensors", THREE[index]));
        folder.start(&mut join)
    });
    for member in members {
        let (code, lines, err) = member.end();
        assert_eq!(code, 0, "{err}");
        let results: Vec<&Value> = lines
            .iter()
            .filter(|line| line["event"] == "result")
            .collect();
        assert_eq!(
            results
                .iter()
                .map(|line| &line["weight_sum"])
                .collect::<Vec<_>>(),
            [8, 8]
        );
    }
    let (code, lines, err) = serve.end();
    assert_eq!(code, 0, "{err}");
    let model = lines
        .iter()
        .filter_map(|line| line["model"].as_str())
        .next_back()
        .unwrap();
    let (first, last) = (
        values(&folder.path("first.safetensors")),
        values(&folder.path(model)),
    );
    for (first, last) in first.iter().zip(&last) {
        assert!(
            (first * 4.0 - last).abs() < 1e-3,
            "{first} twice doubled is not {last}"
        );
    }
    assert_eq!(values(&folder.path("bob-r2.safetensors")).len(), 40);
}

#[test]
fn plain_updates_of_a_trainer_are_out_of_reach_and_leave_nothing_behind() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    std::fs::create_dir(folder.path("tmp")).unwrap();
    let (serve, address) = folder.serve();
    let others = ["alice", "bob"].map(|name| {
        folder.start(&mut folder.join(name, &address, &format!("--update {name}.npy")))
    });
    let mut join = folder.join("carol", &address, "--format npy");
    join.env("TMPDIR", folder.path("tmp")).arg("--exec");
    join.arg(
        "cp carol.npy {update} && echo 1 > {weight} && stat -c %a \"$(dirname {update})\" > mode",
    );
    let ran = Ran::of(&join.output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(folder.read("mode").trim(), "700");
    assert_eq!(std::fs::read_dir(folder.path("tmp")).unwrap().count(), 0);
    for other in others {
        assert_eq!(other.end().0, 0);
    }
    assert_eq!(serve.end().0, 0);
}

#[test]
fn failing_trainer_ends_its_member_alone() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    let (serve, address) = folder.serve();
    let others = ["alice", "bob"].map(|name| {
        folder.start(&mut folder.join(name, &address, &format!("--update {name}.npy")))
    });
    std::fs::create_dir(folder.path("tmp")).unwrap();
    let mut join = folder.join("carol", &address, "");
    join.env("TMPDIR", folder.path("tmp"));
    let failed = Ran::of(
        &join
            .args(["--exec", "echo no data >&2; exit 7"])
            .output()
            .unwrap(),
    );
    failed.assert_error(1, "--exec ended with exit status: 7");
    assert!(failed.err.contains("no data"), "{}", failed.err);
    assert_eq!(std::fs::read_dir(folder.path("tmp")).unwrap().count(), 0);
    stop(serve);
    drop(others);
}

#[test]
fn round_without_a_sum_ends_everybody_with_its_code() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    let coordinator = folder
        .read("coordinator.toml")
        .replace("advertise = \"60s\"", "advertise = \"300ms\"");
    folder.write(
        "coordinator.toml",
        &coordinator.replace("linger = \"10s\"", "linger = \"1s\""),
    );
    let (serve, address) = folder.serve();
    let members = ["alice", "bob"].map(|name| {
        folder.start(&mut folder.join(name, &address, &format!("--update {name}.npy")))
    });
    let mut slow = folder.join("carol", &address, "");
    let slow = folder.start(slow.args(["--exec", "sleep 5"]));
    let (code, lines, err) = serve.end();
    assert_eq!(code, 4, "{err}");
    assert!(
        err.contains("error: 1 round ended without a sum") && err.contains("hint: "),
        "{err}"
    );
    let aborts = lines.iter().filter(|line| line["event"] == "abort");
    let aborts: Vec<(&Value, &Value)> = aborts
        .map(|line| (&line["attempt"], &line["reason"]))
        .collect();
    assert_eq!(aborts.len(), 3, "{aborts:?}");
    assert!(
        aborts
            .iter()
            .all(|(_, reason)| *reason == "too_few_adverts")
    );
    for member in members {
        let (code, lines, err) = member.end();
        assert_eq!(code, 4, "{err}");
        check_lines(&lines, &JOIN);
    }
    drop(slow);
}

#[test]
fn coordinator_ends_in_order_on_a_signal() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    for signal in [Signal::INT, Signal::TERM] {
        let (serve, _) = folder.serve();
        serve.signal(signal);
        let (code, _, err) = serve.end();
        assert_eq!((code, err.as_str()), (0, ""));
    }
}

#[test]
fn member_that_is_stopped_says_so() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    let (serve, address) = folder.serve();
    let mut member = folder.start(&mut folder.join("alice", &address, "--update alice.npy"));
    member.until("connected");
    member.signal(Signal::INT);
    let (code, _, err) = member.end();
    assert_eq!(code, 130, "{err}");
    stop(serve);
}

#[test]
fn coordinator_out_of_reach_is_given_up() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    let mut join = folder.join(
        "alice",
        "127.0.0.1:9",
        "--update alice.npy --give-up-after 300ms",
    );
    Ran::of(&join.output().unwrap()).assert_error(6, "coordinator was out of reach for 300ms");
}

#[test]
fn keys_that_are_not_on_the_roster_are_refused_on_both_sides() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    folder.ok("keygen --out mallory.key");
    folder.write("task.npy", "");
    let mut join = folder.join("mallory", "127.0.0.1:9", "--update alice.npy");
    Ran::of(&join.output().unwrap()).assert_error(3, "is not on this member's roster");

    // the member has a newer roster than the coordinator
    let (serve, address) = folder.serve();
    folder.ok("roster add roster.toml --name mallory --key mallory.pub");
    folder.ok("roster sign roster.toml --key authority.key");
    let mut join = folder.command(&format!(
        "join --config member.toml --key mallory.key --ledger m.ledger --new-ledger --coordinator {address} --update alice.npy"
    ));
    Ran::of(&join.output().unwrap())
        .assert_error(3, "your key is not on the roster of this coordinator");
    stop(serve);
}

#[test]
fn policy_that_the_task_falls_short_of_keeps_the_member_out() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    let policy = folder
        .read("policy.toml")
        .replace("required = false", "required = true");
    folder.write("strict.toml", &policy);
    let member = folder
        .read("member.toml")
        .replace("policy.toml", "strict.toml");
    let (serve, address) = folder.serve();
    let others = ["bob", "carol"].map(|name| {
        folder.start(&mut folder.join(name, &address, &format!("--update {name}.npy")))
    });
    folder.write("member.toml", &member);
    let mut join = folder.join("alice", &address, "--update alice.npy");
    Ran::of(&join.output().unwrap()).assert_error(3, "differential privacy");
    stop(serve);
    drop(others);
}

/// The task of the folder with noise that hides members.
fn with_noise(folder: &Folder) {
    let noise = "[noise]\nlaw = \"skellam\"\nparameter = 100000000\nunit = \"member\"\ndelta = 0.00001\n\n[[tensors]]";
    let task = folder.read("task.toml").replacen("[[tensors]]", noise, 1);
    folder.write("task.toml", &task);
}

#[test]
fn noise_and_what_it_costs_are_in_the_lines_of_both_sides() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    with_noise(&folder);
    let (serve, address) = folder.serve();
    let members = THREE.map(|name| {
        folder.start(&mut folder.join(name, &address, &format!("--update {name}.npy")))
    });
    let mut said = Vec::new();
    for member in members {
        let (code, lines, err) = member.end();
        assert_eq!(code, 0, "{err}");
        check_lines(&lines, &JOIN);
        let of = |event: &str| {
            lines
                .iter()
                .position(|line| line["event"] == event)
                .unwrap()
        };
        assert!(of("charged") < of("uploading"), "{lines:?}");
        let (charged, result) = (&lines[of("charged")], &lines[of("result")]);
        assert_eq!(result["certified"], true);
        for field in ["unit", "epsilon", "epsilon_total", "delta"] {
            assert_eq!(charged[field], result["privacy"][field]);
        }
        said.push(result["privacy"].clone());
    }
    let (code, lines, err) = serve.end();
    assert_eq!(code, 0, "{err}");
    check_lines(&lines, &SERVE);
    let result = lines.iter().find(|line| line["event"] == "result").unwrap();
    let noise = &result["noise"];
    let privacy = serde_json::json!({
        "unit": "member", "epsilon": noise["epsilon"], "epsilon_total": noise["epsilon"], "delta": 1e-5,
    });
    assert!(noise["epsilon"].as_f64().unwrap() > 0.0);
    assert_eq!(said, [privacy.clone(), privacy.clone(), privacy]);
    // 3 / 2 of the target, for 1 corrupt member of 3
    let variance = noise["variance"].as_f64().unwrap();
    assert!((variance / 1.5e8 - 1.0).abs() < 1e-9, "{variance}");
    assert!(noise["deviation"].as_f64().unwrap() > 0.0);
    assert_eq!(noise["unremoved"], serde_json::json!([]));
    let receipt: Value =
        serde_json::from_str(&folder.read(result["receipt"].as_str().unwrap())).unwrap();
    assert_eq!(receipt["noise"], *noise);
}

#[test]
fn member_whose_budget_does_not_allow_a_round_ends_with_what_it_would_cost() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    with_noise(&folder);
    let policy = folder
        .read("policy.toml")
        .replace("required = false", "required = true")
        .replace("# epsilon_total = 8.0", "epsilon_total = 0.5")
        .replace("# delta = 1e-6", "delta = 1e-6");
    folder.write("frugal.toml", &policy);
    let member = folder
        .read("member.toml")
        .replace("policy.toml", "frugal.toml");
    let (serve, address) = folder.serve();
    let others = ["bob", "carol"].map(|name| {
        folder.start(&mut folder.join(name, &address, &format!("--update {name}.npy")))
    });
    folder.write("member.toml", &member);
    let mut join = folder.join("alice", &address, "--update alice.npy");
    Ran::of(&join.output().unwrap()).assert_error(
        3,
        "would be spent on all tasks together with this round, this site's budget is epsilon 0.5",
    );
    stop(serve);
    drop(others);
}

#[test]
fn ledger_is_made_once_and_never_missing() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    let words =
        "join --config member.toml --key alice.key --ledger alice.ledger --update alice.npy";
    let words = format!("{words} --coordinator 127.0.0.1:9 --give-up-after 1ms");
    let missing = folder.run(&words);
    missing.assert_error(3, "no ledger at");
    assert!(
        missing
            .err
            .contains("hint: for a key that never joined a round: add --new-ledger"),
        "{}",
        missing.err
    );
    folder
        .run(&format!("{words} --new-ledger"))
        .assert_error(6, "out of reach");
    folder
        .run(&format!("{words} --new-ledger"))
        .assert_error(3, "exists already");
    folder.run(&words).assert_error(6, "out of reach");
    std::fs::remove_file(folder.path("alice.ledger")).unwrap();
    folder.run(&words).assert_error(3, "but its mark");
}

#[test]
fn update_that_was_summed_before_is_refused() {
    let folder = Folder::new();
    folder.configured(&THREE, 2);
    let (serve, address) = folder.serve();
    // the same file in two rounds
    let members = THREE.map(|name| {
        folder.start(&mut folder.join(name, &address, &format!("--update {name}.npy --rounds 2")))
    });
    for member in members {
        let (code, lines, err) = member.end();
        assert_eq!(code, 3, "{err}");
        assert!(
            err.contains("error: update already used in round 1"),
            "{err}"
        );
        assert!(lines.iter().any(|line| line["event"] == "result"));
    }
    stop(serve);
}

#[test]
fn updates_that_do_not_fit_the_task_are_refused_before_anything_is_sent() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    folder.ok("task new other.toml --tensor update:f32:41");
    folder.ok("task sample other.toml --out long.npy");
    let (serve, address) = folder.serve();
    let others = ["bob", "carol"].map(|name| {
        folder.start(&mut folder.join(name, &address, &format!("--update {name}.npy")))
    });
    let mut join = folder.join("alice", &address, "--update long.npy --json");
    let ran = Ran::of(&join.output().unwrap());
    ran.assert_error(3, "the update does not fit the task");
    let told = ran.out.matches("\"event\":\"refused\"").count();
    assert_eq!(told, 1, "{}", ran.out);
    stop(serve);
    drop(others);
}

#[test]
fn integers_out_of_range_are_held_to_it_and_counted() {
    // spec: [encode.integer.range]
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    for (task, range) in [("task.toml", "0..10"), ("other.toml", "1000..2000")] {
        folder.ok(&format!(
            "task new {task} --force --corrupt 1 --dropout 0 --tensor update:i64:4 --integer {range}"
        ));
    }
    for name in ["bob", "carol"] {
        folder.ok(&format!("task sample task.toml --out {name}.npy --force"));
    }
    folder.ok("task sample other.toml --out alice.npy --force");
    let (serve, address) = folder.serve();
    let others = ["bob", "carol"].map(|name| {
        folder.start(&mut folder.join(name, &address, &format!("--update {name}.npy")))
    });
    let alice = folder.start(&mut folder.join("alice", &address, "--update alice.npy"));
    let (code, lines, err) = alice.end();
    assert_eq!(code, 0, "{err}");
    let of = |event: &str| lines.iter().find(|line| line["event"] == event).unwrap();
    assert_eq!(of("saturated")["count"], 4);
    assert_eq!(of("result")["survivor_ids"], serde_json::json!([0, 1, 2]));
    for other in others {
        let (code, lines, err) = other.end();
        assert_eq!(code, 0, "{err}");
        assert!(lines.iter().all(|line| line["event"] != "saturated"));
    }
    stop(serve);
}

#[test]
fn result_that_the_coordinator_cannot_write_is_no_success() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    let (serve, address) = folder.serve();
    std::fs::remove_dir_all(folder.path("results")).unwrap();
    folder.write("results", "a file now");
    let members = THREE.map(|name| {
        folder.start(&mut folder.join(name, &address, &format!("--update {name}.npy")))
    });
    for member in members {
        let (code, _, err) = member.end();
        assert_eq!(code, 0, "members have the sum: {err}");
    }
    let (code, lines, err) = serve.end();
    assert_eq!(code, 5, "{err}");
    assert!(
        err.contains("error: results: the result of round 1 is not written"),
        "{err}"
    );
    let result = lines.iter().find(|line| line["event"] == "result").unwrap();
    assert_eq!(result["file"], Value::Null);
}

#[test]
fn configurations_are_strict() {
    let folder = Folder::new();
    folder.configured(&THREE, 1);
    folder.write(
        "typo.toml",
        &folder
            .read("coordinator.toml")
            .replace("staging_budget", "stagging_budget"),
    );
    folder
        .run("serve --config typo.toml")
        .assert_error(2, "stagging_budget");
    folder.write(
        "typo.toml",
        &folder.read("member.toml").replace("ledger =", "legder ="),
    );
    folder
        .run("join --config typo.toml --update alice.npy")
        .assert_error(2, "legder");
    folder.write(
        "policy.toml",
        &folder
            .read("policy.toml")
            .replace("min_survivors", "min_survivor"),
    );
    folder
        .run("join --config member.toml --key alice.key --update alice.npy")
        .assert_error(2, "min_survivor");
    folder
        .run("serve --config none.toml")
        .assert_error(5, "none.toml");
    folder.run("join --config member.toml").assert_error(2, "");
    folder.write(
        "own.toml",
        &folder
            .read("coordinator.toml")
            .replace("\"coordinator.key\"", "\"alice.key\""),
    );
    folder
        .run("serve --config own.toml")
        .assert_error(3, "coordinator's identity is");
}

fn stop(serve: Running) {
    serve.signal(Signal::TERM);
    let (code, _, err) = serve.end();
    assert_eq!(code, 0, "{err}");
}

/// Every line has the fields that the documentation names for its event.
fn check_lines(lines: &[Value], documented: &[(&str, &[&str])]) {
    let text = include_str!("../../../../docs/events.md");
    for line in lines {
        let event = line["event"].as_str().unwrap();
        let known = documented.iter().find(|(known, _)| *known == event);
        let (_, fields) = known.unwrap_or_else(|| panic!("event {event} is not documented"));
        let found: BTreeSet<&str> = line
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let wanted: BTreeSet<&str> = fields.iter().copied().chain(["event"]).collect();
        assert_eq!(found, wanted, "{line}");
        assert!(
            text.contains(&format!("| `{event}` |")),
            "docs/events.md lacks {event}"
        );
    }
}

const SERVE: [(&str, &[&str]); 6] = [
    ("connected", &["id", "name"]),
    ("disconnected", &["id", "name"]),
    ("phase", &["task", "round", "attempt", "phase"]),
    ("fault", &["id", "name", "kind", "text"]),
    (
        "result",
        &[
            "task",
            "round",
            "attempt",
            "survivor_ids",
            "weight_sum",
            "sum_sha256",
            "noise",
            "file",
            "receipt",
            "sum",
            "model",
            "vanished",
            "upload_bytes",
            "download_bytes",
            "wall_s",
        ],
    ),
    (
        "abort",
        &["task", "round", "attempt", "reason", "phase", "text"],
    ),
];

const JOIN: [(&str, &[&str]); 9] = [
    (
        "model",
        &["task", "round", "by", "fetched_bytes", "bytes", "sha256"],
    ),
    ("connected", &["address"]),
    ("phase", &["task", "round", "attempt", "phase"]),
    ("sending", &["task", "round", "attempt", "message"]),
    ("uploading", &["task", "round", "attempt", "sent", "total"]),
    (
        "result",
        &[
            "task",
            "round",
            "attempt",
            "survivor_ids",
            "weight_sum",
            "sum_sha256",
            "certified",
            "privacy",
            "file",
        ],
    ),
    (
        "charged",
        &["task", "round", "unit", "epsilon", "epsilon_total", "delta"],
    ),
    ("abort", &["task", "round", "attempt", "reason", "phase"]),
    ("disconnected", &["reason"]),
];

fn values(path: &Path) -> Vec<f32> {
    let tensors: Tensors = veilsum_learn::files::read(path).unwrap();
    match &tensors["update"].data {
        TensorData::F32(values) => values.clone(),
        other => panic!("found {}", other.dtype()),
    }
}

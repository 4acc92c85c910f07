//! A job over a network: `serve` and `join --train` with the task that `train --write-task` writes.

use crate::support::{Folder, Ran, Running};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use veilsum_learn::{Checkpoint, CoordinatorHalf, Job, Model, evaluate};

const THREE: [&str; 3] = ["alice", "bob", "carol"];

/// A federation of three whose tasks are those of a job.
fn founded(job: &str) -> Folder {
    let folder = Folder::new();
    folder.configured(&THREE, 9);
    folder.write("train.toml", job);
    folder.write("member-train.toml", "job = \"train.toml\"\n");
    let written = folder.json("train --config train.toml --write-task tasks");
    assert!(written["file"].is_string());
    folder.ok("roster allow roster.toml --task tasks/training.task.toml");
    let judging = "tasks/training.eval.task.toml";
    let mut keys = "task = \"tasks/training.task.toml\"\njob = \"train.toml\"".to_owned();
    if folder.path(judging).exists() {
        folder.ok(&format!("roster allow roster.toml --task {judging}"));
        keys.push_str(&format!("\nevaluation = \"{judging}\""));
    }
    folder.ok("roster sign roster.toml --key authority.key");
    let coordinator = folder.read("coordinator.toml");
    let coordinator = coordinator.replace("task = \"task.toml\"", &keys);
    let coordinator = coordinator.replace("linger = \"10s\"", "linger = \"2s\"");
    folder.write("coordinator.toml", &coordinator);
    folder
}

fn job(algorithm: &str, more: &str) -> String {
    format!(
        "members = 3\nrounds = 3\n[data]\nsource = \"digits\"\nsplit = \"iid\"\n[algorithm]\n{algorithm}\n\
         [local]\nepochs = 2\nrate = 0.5\n[federation]\ncorrupt = 1\ndropout = 0\n{more}"
    )
}

/// Runs the rounds; the lines of the coordinator.
fn rounds(folder: &Folder) -> Vec<Value> {
    let (serve, address) = folder.serve();
    for member in members(folder, &address, "--train member-train.toml --rounds 3") {
        ended(member);
    }
    ended(serve)
}

/// Three members; one that has a ledger goes on with it.
fn members(folder: &Folder, address: &str, words: &str) -> [Running; 3] {
    THREE.map(|name| {
        let new = match folder.path(&format!("{name}.ledger")).exists() {
            true => "",
            false => "--new-ledger",
        };
        folder.start(&mut folder.command(&format!(
            "join --config member.toml --key {name}.key --ledger {name}.ledger {new} --coordinator {address} --result {name}.safetensors {words}"
        )))
    })
}

/// The lines of a command that ends well.
fn ended(running: Running) -> Vec<Value> {
    let (code, lines, err) = running.end();
    assert_eq!(code, 0, "{err}");
    lines
}

fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

/// Lines of the history of a training in one process.
fn history(folder: &Folder) -> Vec<Value> {
    let lines = folder.read("here/history.jsonl");
    let lines = lines.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// What an evaluation found, out of a line of the history or of the coordinator.
fn found(line: &Value, judgement: &Value) -> [Value; 6] {
    let [round, version, model, best] =
        ["round", "version", "model_sha256", "best"].map(|key| line[key].clone());
    let [accuracy, loss] = ["accuracy", "loss"].map(|key| judgement[key].clone());
    assert!(accuracy.is_f64() && loss.is_f64(), "{line}");
    [round, version, model, best, accuracy, loss]
}

/// Asserts that a training over a network came to the very bytes of one in a process.
fn assert_same(folder: &Folder) {
    for (network, here) in [
        ("results/training-checkpoint", "here/checkpoint"),
        (
            "results/training-model.safetensors",
            "here/model.safetensors",
        ),
        ("results/training-best.safetensors", "here/best.safetensors"),
    ] {
        let [network, here] = [network, here].map(|name| fs::read(folder.path(name)).unwrap());
        assert!(
            network == here,
            "{} bytes and {}",
            network.len(),
            here.len()
        );
    }
}

const SEEDED: &str = "job = \"train.toml\"\nseeded_rounding = true\n";

fn accuracy(folder: &Folder, job: &Job) -> f64 {
    let bytes = fs::read(folder.path("results/training-model.safetensors")).unwrap();
    let checkpoint = Checkpoint::read(&folder.path("results/training-checkpoint")).unwrap();
    assert_eq!((checkpoint.round, checkpoint.job), (3, job.digest()));
    assert_eq!(Model::from_bytes(&bytes).unwrap().version(), 3);
    let test = job.test().unwrap().unwrap();
    evaluate(&checkpoint.model, &test).unwrap().accuracy
}

#[test]
fn a_job_over_a_network_learns_what_it_learns_in_one_process() {
    // spec: [job.member] [job.settle] [job.fits]
    let text = job(
        "name = \"fedavgm\"\nmomentum = 0.5",
        "[encoding]\nsubset = 0.5\n",
    );
    let folder = founded(&text);
    let summary = folder.json("train --config train.toml --out here");
    rounds(&folder);
    let job = Job::from_toml(&text).unwrap();
    let (network, here) = (
        accuracy(&folder, &job),
        summary["last"]["accuracy"].as_f64().unwrap(),
    );
    assert!(
        network > 0.6 && (network - here).abs() < 0.03,
        "{network} {here}"
    );
    for name in THREE {
        assert!(folder.path(&format!("{name}.ledger.memory")).exists());
    }
}

#[test]
fn a_private_job_carries_its_noise_over_a_network() {
    // spec: [job.noise] [job.clip]
    let text = job(
        "name = \"dp-fedavg\"\nclip = 1.0\nadaptive_quantile = 0.5",
        "[privacy]\nepsilon = 20.0\n",
    );
    let folder = founded(&text);
    let lines = rounds(&folder);
    let results = of(&lines, "result");
    assert_eq!(results.len(), 3);
    // members hold nothing out: public examples judge
    let judged = of(&lines, "evaluation");
    assert_eq!(judged.len(), 3);
    assert!(
        judged
            .iter()
            .all(|line| line["on"] == "public" && line["examples"] == 359)
    );
    let noise = &results[2]["noise"];
    assert_eq!(noise["unit"], "member");
    let total = noise["epsilon_total"].as_f64().unwrap();
    assert!(total <= 20.0 && total > 19.5, "{total}");
    let checkpoint = Checkpoint::read(&folder.path("results/training-checkpoint")).unwrap();
    assert_ne!(checkpoint.clip.unwrap().clip(), 1.0);
    accuracy(&folder, &Job::from_toml(&text).unwrap());
}

#[test]
fn a_member_refuses_a_task_that_is_not_its_jobs() {
    // spec: [job.fits]
    let folder = founded(&job("name = \"fedavg\"", ""));
    folder.write(
        "other.toml",
        &job("name = \"fedavg\"", "[encoding]\nclip = 3.0\n"),
    );
    folder.write("other-train.toml", "job = \"other.toml\"\n");
    let (serve, address) = folder.serve();
    let others = ["bob", "carol"]
        .map(|name| folder.start(&mut folder.join(name, &address, "--train member-train.toml")));
    let refused = folder
        .join("alice", &address, "--train other-train.toml")
        .output()
        .unwrap();
    Ran::of(&refused).assert_error(3, "the task has another clip than the job");
    drop((serve, others));
}

#[test]
fn members_judge_over_a_network_as_in_one_process_bit_for_bit_and_training_stops_where_it_stops_there()
 {
    // spec: [job.evaluation] [job.evaluation.order] [progress.stop]
    let folder = founded(&job(
        "name = \"fedavgm\"\nmomentum = 0.5",
        "[encoding]\nbits = 8\n[evaluation]\non = \"members\"\n[stop]\npatience = 1\nmin_delta = 0.15\nwatch = \"loss\"\n",
    ).replace("rounds = 3", "rounds = 9"));
    folder.write("member-train.toml", SEEDED);
    let summary = folder.json("train --config train.toml --out here --seeded-noise");
    assert_eq!(summary["ending"], "nothing became better");
    let history = history(&folder);
    assert!((2..9).contains(&history.len()), "{}", history.len());

    let (serve, address) = folder.serve();
    let members = members(&folder, &address, "--train member-train.toml --rounds 0");
    let lines = ended(serve);
    let judged = of(&lines, "evaluation");
    let network: Vec<_> = judged.iter().map(|line| found(line, line)).collect();
    let here: Vec<_> = history
        .iter()
        .map(|line| found(line, &line["members"]))
        .collect();
    assert_eq!(network, here);
    let last = judged.last().unwrap();
    assert_eq!(
        (&last["stopped"], &last["patience_left"], &last["on"]),
        (&true.into(), &0.into(), &"members".into())
    );
    assert_same(&folder);
    // each member sees the same numbers
    for member in members {
        member.signal(Signal::TERM);
        let lines = ended(member);
        let seen = of(&lines, "evaluation");
        assert_eq!(seen.len(), judged.len());
        for (seen, line) in seen.iter().zip(&judged) {
            for key in ["task", "round", "examples", "accuracy", "loss"] {
                assert_eq!(seen[key], line[key], "{key}");
            }
        }
        let of_evaluation = |line: &&&Value| line["task"] == "training.eval";
        let results = of(&lines, "result");
        let files = results
            .iter()
            .filter(of_evaluation)
            .map(|line| &line["file"]);
        assert!(files.clone().count() == judged.len() && files.clone().all(Value::is_null));
    }
}

#[test]
fn an_evaluation_that_was_owed_when_the_coordinator_ended_comes_first_afterwards() {
    // spec: [job.evaluation.owed]
    let text = job("name = \"fedavg\"", "");
    let folder = founded(&text);
    // as an earlier process left it that ended before anybody judged what round 1 made
    let job = Job::from_toml(&text).unwrap();
    let mut coordinator = CoordinatorHalf::start(&job).unwrap();
    let mean = coordinator.model().tensors().clone();
    coordinator.take(1, &mean).unwrap();
    fs::create_dir(folder.path("results")).unwrap();
    let checkpoint = coordinator.checkpoint();
    checkpoint
        .write(&folder.path("results/training-checkpoint"))
        .unwrap();

    let (serve, address) = folder.serve();
    for member in members(&folder, &address, "--train member-train.toml --rounds 2") {
        ended(member);
    }
    let lines = ended(serve);
    let (training, judging) = ("training", "training.eval");
    let wanted = [
        (judging, 1),
        (training, 2),
        (judging, 2),
        (training, 3),
        (judging, 3),
    ];
    assert_eq!(order(&lines), wanted);
    let first = of(&lines, "evaluation")[0];
    assert_eq!(
        first["model_sha256"],
        checkpoint.model.id().digest.to_string()
    );
    assert_eq!(
        (&first["version"], &first["best"]),
        (&1.into(), &true.into())
    );
}

#[test]
fn an_evaluation_in_which_the_coordinator_died_is_over_and_training_goes_on() {
    // spec: [job.evaluation.owed] [service.restart]
    let folder = founded(&job("name = \"fedavg\"", ""));
    let (mut serve, address) = folder.serve();
    let first = members(&folder, &address, "--train member-train.toml --rounds 0");
    while serve.until("phase")["task"] != "training.eval" {}
    serve.signal(Signal::KILL);
    drop(serve);
    for member in first {
        member.signal(Signal::TERM);
        ended(member);
    }
    let (serve, address) = folder.serve();
    for member in members(&folder, &address, "--train member-train.toml --rounds 2") {
        ended(member);
    }
    let (code, lines, err) = serve.end();
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("warning: the model of round 1 is not judged"),
        "{err}"
    );
    let (training, judging) = ("training", "training.eval");
    let wanted = [(training, 2), (judging, 2), (training, 3), (judging, 3)];
    assert_eq!(order(&lines), wanted);
}

/// Tasks and rounds of the sums.
fn order(lines: &[Value]) -> Vec<(&str, u64)> {
    let results = of(lines, "result").into_iter();
    results
        .map(|line| {
            (
                line["task"].as_str().unwrap(),
                line["round"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_job_that_members_judge_does_not_start_without_the_task_for_that() {
    // spec: [job.evaluation.task]
    let folder = founded(&job("name = \"fedavg\"", ""));
    let with = folder.read("coordinator.toml");
    let key = "evaluation = \"tasks/training.eval.task.toml\"";
    folder.write("coordinator.toml", &with.replace(key, ""));
    let refused = folder.run("serve --config coordinator.toml");
    refused.assert_error(3, "no task for that is configured");
    for part in [
        "--write-task DIR",
        "training.eval.task.toml",
        "roster allow",
        "`evaluation`",
    ] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    let other = with.replace(key, "evaluation = \"task.toml\"");
    folder.write("coordinator.toml", &other);
    let refused = folder.run("serve --config coordinator.toml");
    refused.assert_error(3, "not the task that judges the models of the job");
    // a task that the authority does not list
    folder.ok("roster disallow roster.toml --task tasks/training.eval.task.toml");
    folder.ok("roster sign roster.toml --key authority.key");
    folder.write("coordinator.toml", &with);
    folder
        .run("serve --config coordinator.toml")
        .assert_error(3, "training.eval");
    let public = job("name = \"fedavg\"", "[evaluation]\non = \"public\"\n");
    folder.write("train.toml", &public);
    folder
        .run("serve --config coordinator.toml")
        .assert_error(2, "not judged at the members");
}

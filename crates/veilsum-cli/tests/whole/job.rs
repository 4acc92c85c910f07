//! A job over a network: `serve` and `join --train` with the task that `train --write-task` writes.

use crate::support::{Folder, Ran};
use serde_json::Value;
use std::fs;
use veilsum_learn::{Checkpoint, Job, Model, evaluate};

const THREE: [&str; 3] = ["alice", "bob", "carol"];

/// A federation of three whose task is that of a job.
fn founded(job: &str) -> Folder {
    let folder = Folder::new();
    folder.configured(&THREE, 3);
    folder.write("train.toml", job);
    folder.write("member-train.toml", "job = \"train.toml\"\n");
    let written = folder.json("train --config train.toml --write-task tasks");
    assert!(written["file"].is_string());
    folder.ok("roster allow roster.toml --task tasks/training.task.toml");
    folder.ok("roster sign roster.toml --key authority.key");
    let coordinator = folder.read("coordinator.toml").replace(
        "task = \"task.toml\"",
        "task = \"tasks/training.task.toml\"\njob = \"train.toml\"",
    );
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
    let members = THREE.map(|name| {
        let words = format!("--train member-train.toml --rounds 3 --result {name}.safetensors");
        folder.start(&mut folder.join(name, &address, &words))
    });
    for member in members {
        let (code, _, err) = member.end();
        assert_eq!(code, 0, "{err}");
    }
    let (code, lines, err) = serve.end();
    assert_eq!(code, 0, "{err}");
    lines
}

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
    let results: Vec<&Value> = lines
        .iter()
        .filter(|line| line["event"] == "result")
        .collect();
    assert_eq!(results.len(), 3);
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

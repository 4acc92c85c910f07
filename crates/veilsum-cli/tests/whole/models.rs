//! Models on their way from the coordinator's command to the members' commands, over rounds, absences and restarts.

use crate::support::{Folder, Running};
use serde_json::Value;
use std::collections::BTreeMap;

const FOUR: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Four members of whom one may be absent, and a model of 4000 values that grows by a thousandth in each round.
fn federation(rounds: u32) -> Folder {
    let folder = Folder::new();
    folder.configured(&FOUR, rounds);
    folder.ok("task new task.toml --force --corrupt 1 --dropout 1 --tensor update:f32:4000");
    folder.ok("task sample task.toml --out first.safetensors --seed 9");
    let coordinator = folder.read("coordinator.toml");
    let coordinator = coordinator
        .replace(
            "# model = \"model.safetensors\"",
            "model = \"first.safetensors\"",
        )
        .replace("# step = 1.0", "step = 0.001")
        .replace("# members = 3", "members = 3")
        // what a round waits for a member that is away
        .replace("advertise = \"60s\"", "advertise = \"3s\"");
    folder.write("coordinator.toml", &coordinator);
    folder
}

/// A member that contributes the model itself.
fn join(folder: &Folder, name: &str, address: &str, words: &str) -> Running {
    let mut join = folder.command(&format!(
        "join --config member.toml --key {name}.key --ledger {name}.ledger --coordinator {address} {words}"
    ));
    join.args(["--exec", "cp {model} {update}", "--result"]);
    join.arg(format!("{name}-{{round}}.safetensors"));
    folder.start(&mut join)
}

/// What a member told of the models it got, by round.
fn models(member: Running) -> BTreeMap<u64, Value> {
    let (code, lines, err) = member.end();
    assert_eq!(code, 0, "{err}");
    let models = lines.into_iter().filter(|line| line["event"] == "model");
    models
        .map(|line| (line["round"].as_u64().unwrap(), line))
        .collect()
}

fn by(model: &Value) -> &str {
    model["by"].as_str().unwrap()
}

// spec: [sync.choice] [sync.end] [sync.keep] [model.delta] [model.report] [service.model.count]
#[test]
fn member_away_for_five_rounds_and_members_of_before_a_restart_go_on_by_delta_to_the_same_bits() {
    let folder = federation(8);
    let (mut serve, address) = folder.serve();
    // who is there first is in the first round
    let mut dave = join(&folder, "dave", &address, "--new-ledger --rounds 1");
    dave.until("connected");
    let always = ["alice", "bob", "carol"]
        .map(|name| join(&folder, name, &address, "--new-ledger --rounds 8"));
    let before = models(dave);
    assert_eq!(before.keys().collect::<Vec<_>>(), [&1]);
    let mut sent = Vec::new();
    while sent.len() < 6 {
        sent.push(serve.until("result")["download_bytes"].clone());
    }
    let back = models(join(&folder, "dave", &address, "--rounds 1"));
    let (&round, after) = back.first_key_value().unwrap();
    assert!(round >= 7, "away for five rounds, back in round {round}");
    assert_eq!(by(after), "delta");
    let size = after["bytes"].as_u64().unwrap();
    assert!(after["fetched_bytes"].as_u64().unwrap() < size, "{after}");

    for member in always {
        let models = models(member);
        assert_eq!(models.len(), 8);
        assert_eq!(models[&1]["sha256"], before[&1]["sha256"]);
        assert_eq!(models[&round]["sha256"], after["sha256"]);
        assert_eq!(by(&models[&1]), "full");
        assert!((2..=8).all(|round| by(&models[&round]) == "delta"));
    }
    let (code, _, err) = serve.end();
    assert_eq!(code, 0, "{err}");
    // the first round has no version before it; of the others nobody needs a model whole
    assert_eq!(sent[0]["full"].as_u64().unwrap(), 4 * size);
    assert_eq!(sent[0]["delta"], 0);
    for sent in &sent[1..] {
        assert_eq!(sent["full"], 0);
        let delta = sent["delta"].as_u64().unwrap();
        assert!(delta > 0 && delta < 3 * size, "{sent}");
    }

    // the coordinator and all members start again
    let coordinator = folder.read("coordinator.toml");
    folder.write(
        "coordinator.toml",
        &coordinator.replace("rounds = 8", "rounds = 1"),
    );
    let (serve, address) = folder.serve();
    let members = FOUR.map(|name| join(&folder, name, &address, "--rounds 1"));
    let last = members.map(|member| models(member)[&9].clone());
    for model in &last {
        assert_eq!(by(model), "delta");
        assert_eq!(model["sha256"], last[0]["sha256"]);
    }
    assert_eq!(serve.end().0, 0);
}

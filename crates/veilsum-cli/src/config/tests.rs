use super::coordinator::CoordinatorFile;
use super::member::MemberFile;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use veilsum_proto::message::Deadlines;
use veilsum_server::Gather;

fn folder_with(name: &str, text: &str) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn example_of_the_coordinator_says_the_defaults() {
    let (folder, path) = folder_with("c.toml", CoordinatorFile::example());
    let file = CoordinatorFile::read(&path).unwrap();
    assert_eq!(file.key, folder.path().join("coordinator.key"));
    assert_eq!(
        Path::new(&file.authority),
        folder.path().join("authority.pub")
    );
    assert_eq!(file.limits.limits(), veilsum_quic::Limits::default());
    let [task] = file.tasks.as_slice() else {
        panic!("one task")
    };
    assert_eq!(task.deadlines.deadlines(), Deadlines::default());
    assert_eq!(task.gather.gather(), Gather::default());
    assert_eq!(
        (task.rounds, task.step, task.pause()),
        (Some(1), 1.0, Duration::ZERO)
    );
}

#[test]
fn example_of_a_member_says_the_defaults() {
    let (folder, path) = folder_with("m.toml", MemberFile::example());
    let file = MemberFile::read(&path).unwrap();
    assert_eq!(file.ledger, folder.path().join("member.ledger"));
    assert_eq!(file.limits.limits(), veilsum_quic::Limits::default());
    assert_eq!(file.reconnect.backoff(), veilsum_client::Backoff::default());
}

/// Every commented key of an example is a key.
#[test]
fn commented_keys_of_the_examples_are_known() {
    let uncommented = |text: &str| {
        let line = |line: &str| match line.strip_prefix("# ") {
            Some(key)
                if key.contains(" = ")
                    && !["Rounds", "query", "job", "evaluation"]
                        .contains(&key.split(' ').next().unwrap_or_default()) =>
            {
                key.to_owned()
            }
            _ => line.to_owned(),
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    let (_folder, path) = folder_with("c.toml", &uncommented(CoordinatorFile::example()));
    let file = CoordinatorFile::read(&path).unwrap();
    assert_eq!(file.tasks.first().unwrap().pause(), Duration::from_secs(10));
    let (_folder, path) = folder_with("m.toml", &uncommented(MemberFile::example()));
    assert!(MemberFile::read(&path).unwrap().second_mark.is_some());
}

/// The job of the example with the task that judges its models, in the place of its model.
#[test]
fn job_and_evaluation_of_the_example_go_together() {
    let with = |keys: &[&str]| {
        let key =
            |text: String, key: &&str| text.replace(&format!("# {key} = "), &format!("{key} = "));
        let text = keys.iter().fold(CoordinatorFile::example().to_owned(), key);
        let (_folder, path) = folder_with("c.toml", &text);
        CoordinatorFile::read(&path)
    };
    let file = with(&["job", "evaluation"]).unwrap();
    let table = file.tasks.first().unwrap();
    assert!(table.job.is_some() && table.evaluation.is_some());
    assert!(with(&["job"]).is_ok());
    let told = with(&["evaluation"]).unwrap_err();
    assert!(
        told.message().contains("`evaluation` without `job`"),
        "{told}"
    );
}

/// The query of the example, in the place of its model.
#[test]
fn query_of_the_example_is_one() {
    let example = CoordinatorFile::example().replace("# query = ", "query = ");
    let (_folder, path) = folder_with("c.toml", &example);
    let file = CoordinatorFile::read(&path).unwrap();
    assert_eq!(
        file.tasks
            .first()
            .unwrap()
            .query
            .as_ref()
            .unwrap()
            .columns(),
        ["age"]
    );
    let quantile = "query = { kind = \"quantile\", columns = [\"a\"], rows = 9, bounds = [[0, 1]], quantile = 0.5, steps = 8 }\n# query = ";
    let (_folder, path) = folder_with(
        "c.toml",
        &CoordinatorFile::example().replace("# query = ", quantile),
    );
    let told = CoordinatorFile::read(&path).unwrap_err().to_string();
    assert!(told.contains("`rounds` is 1, the query takes 8"), "{told}");
    let (_folder, path) = folder_with(
        "c.toml",
        &example.replace("bits = 16", "bits = 16, size = 3"),
    );
    let told = CoordinatorFile::read(&path).unwrap_err().to_string();
    assert!(told.contains("size"), "{told}");
}

#[test]
fn unknown_keys_are_named_wherever_they_stand() {
    let example = CoordinatorFile::example();
    for (wrong, named) in [
        (example.replace("listen =", "listens ="), "listens"),
        (example.replace("share = ", "shares = "), "shares"),
        (example.replace("rounds = 1", "round = 1"), "round"),
        (
            example.replace("keep_alive = ", "keepalive = "),
            "keepalive",
        ),
    ] {
        let (_folder, path) = folder_with("c.toml", &wrong);
        let told = CoordinatorFile::read(&path).unwrap_err().to_string();
        assert!(told.contains(named) && told.contains("c.toml"), "{told}");
    }
}

#[test]
fn wrong_values_are_named_with_their_key() {
    let example = CoordinatorFile::example();
    for (wrong, parts) in [
        (
            example.replace("wait = \"60s\"", "wait = \"60\""),
            ["wait", "wanted a time such as"],
        ),
        (
            example.replace("\"1 GiB\"", "\"1 GB\""),
            ["staging_budget", ""],
        ),
        (
            example.replace("\"127.0.0.1:7400\"", "\"localhost\""),
            ["listen", "socket address"],
        ),
        (
            example.replace("# step = 1.0", "step = -1.0"),
            ["step", "above 0"],
        ),
        (
            example.replace("rounds = 1", "rounds = 0"),
            ["`rounds` is 0", "until stopped"],
        ),
        (
            example.replace("confirm = \"30s\"", "confirm = \"0s\""),
            ["`deadlines.confirm` is 0", "at least 1ms"],
        ),
    ] {
        let (_folder, path) = folder_with("c.toml", &wrong);
        let told = CoordinatorFile::read(&path).unwrap_err().to_string();
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
    }
}

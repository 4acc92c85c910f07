//! `veilsum status`: what a coordinator and its members say of themselves, while they run and after.

use crate::support::Folder;
use rustix::process::Signal;

#[test]
fn a_folder_without_a_status_or_a_ledger_is_named() {
    let folder = Folder::new();
    folder
        .run("status --dir .")
        .assert_error(5, "found neither status.json nor a ledger");
    folder.write("status.json", "{");
    folder
        .run("status --dir .")
        .assert_error(2, "status.json: not a status");
}

#[test]
fn a_coordinator_shows_its_rounds_and_members_show_their_ledgers() {
    let folder = Folder::new();
    folder.configured(&["alice", "bob", "carol"], 1);
    let (serve, address) = folder.serve();
    let members = ["alice", "bob", "carol"].map(|name| {
        let words = format!("--update {name}.npy");
        folder.start(&mut folder.join(name, &address, &words))
    });
    for member in members {
        let (code, _, err) = member.end();
        assert_eq!(code, 0, "{err}");
    }
    let (code, _, err) = serve.end();
    assert_eq!(code, 0, "{err}");

    let status = folder.json("status --dir state");
    assert_eq!(status["kind"], "coordinator");
    assert_eq!(
        (&status["running"], &status["members"]),
        (&false.into(), &3.into())
    );
    let task = &status["tasks"][0];
    assert_eq!((&task["phase"], &task["sums"]), (&"over".into(), &1.into()));
    assert_eq!(task["last_sum"]["round"], 1);
    assert_eq!(
        task["last_sum"]["survivor_ids"],
        serde_json::json!([0, 1, 2])
    );
    assert!(task["privacy"].is_null() && task["last_error"].is_null());
    let text = folder.ok("status --dir state");
    assert!(text.contains("round 1, 3 of 3 members"), "{text}");

    let alice = folder.ok("status --dir . --json");
    let alice: serde_json::Value = serde_json::from_str(alice.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&alice["kind"], &alice["tasks"][0]["rounds"]),
        (&"member".into(), &1.into())
    );
    assert_eq!(alice["tasks"][0]["task"], "example");
    assert!(alice["tasks"][0]["privacy"].is_null());
}

#[test]
fn a_coordinator_that_is_killed_does_not_say_that_it_has_ended() {
    let folder = Folder::new();
    folder.configured(&["alice", "bob", "carol"], 1);
    let (serve, address) = folder.serve();
    while !folder.path("state/status.json").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let status = folder.json("status --dir state");
    assert_eq!(status["running"], true);
    assert_eq!(status["tasks"][0]["phase"], "waiting");
    serve.signal(Signal::KILL);
    serve.end();
    assert_eq!(folder.json("status --dir state")["running"], true);
    assert!(!address.is_empty());
}

//! What commands say of numbers that are allowed and unwise, and of those that are not.

use crate::support::{Folder, Ran};
use serde_json::Value;

fn json(ran: &Ran) -> Value {
    serde_json::from_str(ran.out.trim()).unwrap()
}

#[test]
fn a_sum_of_two_is_never_plainly_ok() {
    let folder = Folder::new();
    let of_two = "a sum of 2 members tells each the other's input";
    let plan = folder.run("plan --members 3 --json");
    assert_eq!(plan.code, 0, "{}", plan.err);
    let plan = json(&plan);
    assert_eq!(plan["verdict_kind"], "sum-of-two");
    assert!(plan["verdict"].as_str().unwrap().contains(of_two));
    assert_eq!(plan["warnings"].as_array().unwrap().len(), 2, "{plan}");
    let text = folder.ok("plan --members 3");
    assert!(text.contains("lower the tolerance to 0"), "{text}");
    assert!(!text.contains("ok: q=2 t=2, tolerates 1"), "{text}");
    let text = folder.ok("simulate --members 3 --dim 5");
    assert!(text.contains(of_two), "{text}");
    let plan = folder.json("plan --members 12");
    assert_eq!(plan["verdict_kind"], "ok");
    assert_eq!(plan["warnings"], Value::Array(vec![]));
}

#[test]
fn a_task_that_members_refuse_by_default_says_so() {
    let folder = Folder::new();
    folder.ok("task new task.toml --corrupt 0");
    let check = folder.json("task check task.toml --members 5");
    let warnings = check["warnings"].to_string();
    assert!(warnings.contains("min_corrupt"), "{warnings}");
    let text = folder.ok("task check task.toml --members 5");
    assert!(text.contains("\nwarning: members with the default policy refuse this task"));
}

#[test]
fn the_task_of_a_query_reckons_with_the_corrupt_members_of_the_default_policy() {
    let folder = Folder::new();
    for (members, corrupt) in [
        (3, "corrupt = 1\n"),
        (5, "corrupt = 1\n"),
        (25, "corrupt = 2\n"),
    ] {
        let words = format!("stats count --members {members} --task task.toml --force");
        let ran = folder.run(&words);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(ran.err, "");
        assert!(folder.read("task.toml").contains(corrupt), "{members}");
    }
    let ran = folder.run("stats count --members 5 --corrupt 0 --task other.toml");
    assert!(ran.err.contains("`min_corrupt` is 1"), "{}", ran.err);
}

#[test]
fn epsilons_beyond_the_accountant_are_refused_alike() {
    let folder = Folder::new();
    folder.write("a.csv", "a\n1\n2\n");
    let tables = "--member a.csv --member a.csv --member a.csv";
    for epsilon in ["1000", "41", "0"] {
        for words in [
            format!("stats count {tables} --epsilon {epsilon}"),
            format!("plan --members 20 --epsilon {epsilon}"),
            format!("task new t.toml --members 20 --epsilon {epsilon}"),
            format!("demo --members 4 --rounds 1 --epsilon {epsilon}"),
        ] {
            folder.run(&words).assert_error(2, "at most 40");
        }
    }
    let inf = folder.run("plan --members 20 --epsilon inf");
    assert_eq!(inf.code, 2, "{}", inf.out);
}

#[test]
fn a_refusal_of_plan_is_a_verdict_in_json_whatever_refuses() {
    let folder = Folder::new();
    for words in [
        "plan --members 2 --json",
        "plan --members 20 --dim 1000000 --epsilon 0.001 --mechanism laplace --json",
    ] {
        let ran = folder.run(words);
        assert_eq!(ran.code, 3, "{words}: {}", ran.err);
        let found = json(&ran);
        assert_eq!(found["verdict_kind"], "refused");
        assert!(found["verdict"].as_str().unwrap().starts_with("refused: "));
        assert!(found["refusal"].is_string());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_path_that_is_no_utf8_loses_no_result() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new();
    let name = std::ffi::OsStr::from_bytes(b"k\xff.key");
    let ran = folder
        .command("keygen --json --out")
        .arg(name)
        .output()
        .unwrap();
    let ran = Ran::of(&ran);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(json(&ran)["file"], "k\u{fffd}.key");
}

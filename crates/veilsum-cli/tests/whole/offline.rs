//! Commands that need no network, run as a user runs them.

use crate::support::{Folder, Ran};

#[test]
fn secret_key_is_readable_by_its_owner_only_and_never_printed() {
    let folder = Folder::new();
    let out = folder.ok("keygen --out alice.key");
    let secret = folder.read("alice.key");
    let secret = secret
        .lines()
        .find_map(|line| line.strip_prefix("secret "))
        .unwrap();
    assert!(!out.contains(secret));
    assert!(!folder.read("alice.pub").contains(secret));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path("alice.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn keys_are_not_replaced_unless_forced() {
    let folder = Folder::new();
    let first = folder.json("keygen --out alice.key")["public"].clone();
    let kept = folder.read("alice.key");
    folder
        .run("keygen --out alice.key")
        .assert_error(5, "alice.key exists already");
    assert_eq!(folder.read("alice.key"), kept);
    std::fs::remove_file(folder.path("alice.key")).unwrap();
    folder
        .run("keygen --out alice.key")
        .assert_error(5, "alice.pub exists already");
    let second = folder.json("keygen --out alice.key --force")["public"].clone();
    assert_ne!(first, second);
    assert!(folder.read("alice.pub").contains(second.as_str().unwrap()));
    folder
        .run("keygen --out alice.pub --force")
        .assert_error(2, "cannot be in a .pub file");
    folder
        .run("keygen --out none/alice.key")
        .assert_error(5, "none/alice.key");
}

#[test]
fn loose_secret_key_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    folder.federation(&["alice"]);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path("authority.key"), open).unwrap();
    let ran = folder.run("roster sign roster.toml --key authority.key");
    assert_eq!(ran.code, 0);
    assert!(
        ran.err
            .contains("warning: authority.key holds a secret key and has mode 644"),
        "{}",
        ran.err
    );
}

#[test]
fn roster_goes_from_draft_to_signed_and_back_with_every_edit() {
    let folder = Folder::new();
    folder.federation(&["alice", "bob", "carol"]);
    let signed = folder.json("roster show roster.toml --authority authority.key");
    assert_eq!(signed["signed"], true);
    assert_eq!(signed["authority_given"], true);
    let names: Vec<&str> = signed["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["alice", "bob", "carol"]);

    folder.ok("roster remove roster.toml --name bob");
    let draft = folder.json("roster show roster.toml");
    assert_eq!(draft["signed"], false);
    assert_eq!(draft["members"][1]["name"], "carol");
    assert_eq!(draft["members"][1]["slot"], 1);
    folder
        .run("roster show roster.toml --authority authority.pub")
        .assert_error(3, "roster is not signed");

    folder.ok("roster sign roster.toml --key authority.key");
    let first = folder.read("roster.toml");
    folder.ok("roster sign roster.toml --key authority.key");
    assert_ne!(
        folder.read("roster.toml"),
        first,
        "every signing draws new randomness"
    );
}

#[test]
fn roster_lists_tasks_by_file_or_digest_and_loses_its_signature_by_it() {
    let folder = Folder::new();
    folder.federation(&["alice", "bob", "carol"]);
    folder.ok("task new task.toml");
    folder.ok("roster allow roster.toml --task task.toml");
    let draft = folder.json("roster show roster.toml");
    assert_eq!(draft["signed"], false);
    let digest = folder.json("task show task.toml")["digest"].clone();
    assert_eq!(draft["tasks"], serde_json::json!([digest]));
    folder
        .run("roster allow roster.toml --task task.toml")
        .assert_error(3, "already");
    folder.ok("roster sign roster.toml --key authority.key");
    let signed = folder.json("roster show roster.toml --authority authority.pub");
    assert_eq!(signed["tasks"], serde_json::json!([digest]));
    let digest = digest.as_str().unwrap();
    folder.ok(&format!("roster disallow roster.toml --task {digest}"));
    assert!(folder.json("roster show roster.toml")["tasks"].is_null());
}

#[test]
fn roster_refusals_have_codes_and_hints() {
    let folder = Folder::new();
    folder.federation(&["alice"]);
    let refusals = [
        (
            "roster add roster.toml --name alice --key authority.pub",
            3,
            "same name alice",
        ),
        (
            "roster add roster.toml --name bob --key alice.pub",
            3,
            "same key",
        ),
        (
            "roster remove roster.toml --name bob",
            3,
            "no member named \"bob\"",
        ),
        (
            "roster sign roster.toml --key alice.key",
            3,
            "is not the roster's authority",
        ),
        (
            "roster show roster.toml --authority alice.pub",
            3,
            "the accepted one is",
        ),
        ("roster show none.toml", 5, "none.toml"),
        ("roster show alice.key", 2, "roster file"),
        (
            "roster sign roster.toml --key alice.pub",
            2,
            "not a secret key file",
        ),
        (
            "roster add roster.toml --name bob --key nobody",
            5,
            "nobody",
        ),
        (
            "roster init roster.toml --federation f --authority authority.pub --coordinator alice.pub",
            5,
            "exists already",
        ),
        (
            "roster init new.toml --federation f --authority alice.pub --coordinator alice.pub",
            3,
            "same key",
        ),
    ];
    for (words, code, part) in refusals {
        let ran = folder.run(words);
        ran.assert_error(code, part);
        assert!(
            ran.err.contains("\nhint: "),
            "{words} has no hint: {}",
            ran.err
        );
    }
    let changed = folder
        .read("roster.toml")
        .replace("name = \"alice\"", "name = \"mallory\"");
    folder.write("roster.toml", &changed);
    folder
        .run("roster show roster.toml")
        .assert_error(3, "changed after signing");
}

#[test]
fn weak_keys_are_refused() {
    let folder = Folder::new();
    folder.federation(&["alice"]);
    let identity_point = format!("01{}", "00".repeat(31));
    folder
        .run(&format!(
            "roster add roster.toml --name bob --key {identity_point}"
        ))
        .assert_error(3, "small order");
}

#[test]
fn task_is_written_shown_checked_and_sampled() {
    let folder = Folder::new();
    folder.federation(&["alice", "bob", "carol", "dave", "erin", "frank", "grace"]);
    let new = folder
        .json("task new task.toml --name digits --corrupt 1 --dropout 1 --tensor update:f32:3x5");
    let shown = folder.json("task show task.toml");
    assert_eq!(new["digest"], shown["digest"]);
    assert_eq!(shown["coordinates"], 15);
    let check = folder.ok("task check task.toml --roster roster.toml");
    assert!(
        check.ends_with("ok: q=5 t=5, tolerates 1 drop-out even if 1 corrupt member refuses\n"),
        "{check}"
    );
    let check = folder.json("task check task.toml --members 7");
    assert_eq!(check["parameters"]["q"], 5);
    assert_eq!(check["lane_bits"], 19);
    // 15 coordinates of 19 bits, in whole limbs
    assert_eq!(check["update_bytes"], 40);
    folder.ok("task sample task.toml --out update.npy --seed 1");
    folder.ok("task sample task.toml --out again.npy --seed 1");
    assert_eq!(
        std::fs::read(folder.path("update.npy")).unwrap(),
        std::fs::read(folder.path("again.npy")).unwrap()
    );
    let from =
        folder.json("task new copy.toml --name digits --corrupt 1 --dropout 1 --from update.npy");
    assert_eq!(from["digest"], new["digest"]);
}

#[test]
fn task_refusals_have_codes() {
    let folder = Folder::new();
    folder.ok("task new task.toml");
    let refusals = [
        ("task new task.toml", 5, "exists already"),
        ("task new a.toml --bits 1", 2, "1"),
        ("task new a.toml --clip-l2 nan", 2, "clip"),
        ("task new a.toml --attempts 0", 2, "max_attempts"),
        ("task new a.toml --tensor update:f32", 2, ""),
        ("task new a.toml --tensor update:i8:3", 3, "update"),
        ("task new a.toml --from task.toml", 2, "extension"),
        ("task new a.toml --from none.npy", 5, "none.npy"),
        ("task check none.toml --members 3", 5, "none.toml"),
        ("task sample task.toml --out update.txt", 2, "extension"),
    ];
    for (words, code, part) in refusals {
        folder.run(words).assert_error(code, part);
    }
    folder.write(
        "typo.toml",
        &folder.read("task.toml").replace("dropout", "drop_out"),
    );
    folder
        .run("task show typo.toml")
        .assert_error(2, "unknown field `drop_out`");
}

#[test]
fn plan_prints_the_lines_for_small_cohorts() {
    let folder = Folder::new();
    let lines = [
        (
            7,
            1,
            1,
            0,
            "ok: q=5 t=5, tolerates 1 drop-out even if 1 corrupt member refuses",
        ),
        (
            5,
            1,
            1,
            0,
            "warning: tolerates 1 drop-out, but one corrupt member that refuses ends the round",
        ),
        (3, 1, 0, 0, "warning: all 3 members must answer"),
        (
            3,
            1,
            1,
            3,
            "refused: n=3 c=1 d=1: needs c + 2d < n; lower the tolerance to 0",
        ),
        (
            2,
            0,
            0,
            3,
            "refused: 2 members: the sum would tell each the other's input",
        ),
        (1, 0, 0, 3, "refused: 1 member: the sum would be its input"),
        (0, 0, 0, 3, "refused: 0 members: there is nothing to sum"),
    ];
    for (members, corrupt, dropout, code, line) in lines {
        let words = format!("plan --members {members} --corrupt {corrupt} --dropout {dropout}");
        let ran = folder.run(&words);
        assert_eq!(ran.code, code, "{words}");
        assert_eq!(
            ran.out.lines().filter(|found| *found == line).count(),
            1,
            "{words}: {}",
            ran.out
        );
        let ran = folder.run(&format!("{words} --json"));
        let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(json["verdict"], line);
    }
}

#[test]
fn plan_derives_the_numbers_of_the_rules() {
    let folder = Folder::new();
    for (members, corrupt, dropout, numbers) in [
        (1000, "0.1", "0.1", [66, 31, 16, 145, 94]),
        (1000, "0.05", "0.05", [42, 20, 10, 53, 36]),
        (1000, "0.1", "0.3", [136, 45, 24, 1000, 551]),
        (10_000, "0.2", "0.1", [0, 0, 0, 1201, 769]),
    ] {
        let plan = folder.json(&format!(
            "plan --members {members} --corrupt {corrupt} --dropout {dropout}"
        ));
        let found =
            ["k", "t", "h", "m", "q"].map(|name| plan["parameters"][name].as_u64().unwrap());
        for (found, wanted) in found
            .into_iter()
            .zip(numbers)
            .filter(|(_, wanted)| *wanted > 0)
        {
            assert_eq!(found, wanted, "n={members} c={corrupt} d={dropout}");
        }
        assert_eq!(plan["graph"], "ring");
    }
    folder
        .run("plan --members 1000 --graph 68 --json")
        .assert_error(3, "no round can have these numbers");
    folder
        .run("plan --members 10 --rounds 0")
        .assert_error(2, "wanted a whole number from 1 to 4294967296");
    for numbers in [
        "plan --members 4000000000",
        "plan --members 20 --cohort 4000000000",
        "task new --epsilon 8 --members 1048577",
        "simulate --members 4294967295 --dim 10",
        "stats count --members 2000000 --task task.toml",
    ] {
        let most = "wanted a whole number from 0 to 1048576 (a roster has no more members)";
        folder.run(numbers).assert_error(2, most);
    }
    folder
        .run("plan --members 20 --dim 18446744073709551615")
        .assert_error(2, "wanted a whole number from 1 to 1099511627776");
    assert_eq!(folder.run("plan --members -1").code, 2);
    assert_eq!(folder.run("plan --members 10 --corrupt 1.5").code, 2);
}

#[test]
fn plan_chooses_noise_that_the_task_then_has() {
    let folder = Folder::new();
    let numbers = "--members 20 --epsilon 4 --rounds 50";
    let plan = folder.json(&format!("plan {numbers} --dim 1000"));
    let privacy = &plan["privacy"];
    let total = privacy["epsilon_total"].as_f64().unwrap();
    assert!(total <= 4.0 && total > 3.99, "{total}");
    assert!(privacy["epsilon"].as_f64().unwrap() < total);
    assert_eq!(
        (&privacy["unit"], &privacy["rounds"]),
        (&"member".into(), &50.into())
    );
    let mean = privacy["mean"].as_array().unwrap();
    assert_eq!(
        (&mean[0]["survivors"], &mean[1]["survivors"]),
        (&20.into(), &18.into())
    );
    assert!(mean[0]["deviation"].as_f64() < mean[1]["deviation"].as_f64());

    // pasted into a task of the same numbers, it says the same
    let bits = &privacy["precision_bits"];
    folder.ok(&format!("task new plain.toml --bits {bits}"));
    let table = privacy["toml"].as_str().unwrap();
    let plain = folder.read("plain.toml");
    folder.write("pasted.toml", &format!("{plain}\n{table}"));
    let check = folder.json("task check pasted.toml --members 20 --rounds 50");
    assert_eq!(check["privacy"]["epsilon_total"], privacy["epsilon_total"]);
    assert_eq!(check["lane_bits"], plan["lane_bits"]);

    // and `task new` writes it in itself
    let new = folder.json(&format!("task new noisy.toml {numbers}"));
    assert_eq!(new["noise"]["parameter"], privacy["parameter"]);
    assert_eq!(
        folder.json("task show pasted.toml")["digest"],
        new["digest"]
    );
    let text = folder.ok("task check noisy.toml --members 20");
    for part in [
        "per member  epsilon ",
        " over 100 rounds, at delta 1e-6",
        " times clip / sqrt(d)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = folder.ok(&format!("plan {numbers} --dim 1000"));
    assert!(text.contains("\n\n[noise]\nlaw = \"skellam\"\n"), "{text}");
}

#[test]
fn a_task_whose_noise_hides_an_example_is_over_f64_and_a_narrower_one_is_told_how() {
    let folder = Folder::new();
    let noise = "--members 10 --epsilon 3 --unit example --example-clip l2=0.01";
    let task = folder.json(&format!("task new {noise}"));
    assert_eq!(task["tensors"][0]["dtype"], "f64");
    let tensors = "--tensor w:f32:3x5 --tensor b:f64:5";
    let refused = folder.run(&format!("task new other.toml {tensors} {noise}"));
    refused.assert_error(3, "f32 in a float task with the unit example");
    let instead = "task new other.toml --tensor 'w:f64:3x5' --tensor 'b:f64:5'";
    assert!(refused.err.contains(instead), "{}", refused.err);
    folder.ok(&format!("{} {noise}", instead.replace('\'', "")));
    // a file of narrow floats is told the same
    folder.ok("task sample other.toml --out wide.safetensors");
    folder.ok("task new narrow.toml --tensor w:f32:3x5 --tensor b:f32:5");
    folder.ok("task sample narrow.toml --out narrow.safetensors");
    folder.ok(&format!(
        "task new wide.toml --from wide.safetensors {noise}"
    ));
    let refused = folder.run(&format!(
        "task new a.toml --from narrow.safetensors {noise}"
    ));
    refused.assert_error(3, "f32 in a float task with the unit example");
    assert!(
        refused
            .err
            .contains("in the place of --from narrow.safetensors")
    );
    // integers have nothing to round
    folder.ok("task new sums.toml --integer 0..9 --members 10 --epsilon 3 --unit example --example-clip l2=2");
}

#[test]
fn every_mechanism_and_unit_can_be_planned() {
    let folder = Folder::new();
    for words in [
        "--dim 1000 --mechanism gaussian",
        "--dim 1000 --mechanism skellam --sharing local --clip-linf 0.01",
        "--dim 1000 --rounding conditional --rotation",
        "--dim 20 --mechanism laplace --clip-l1 1.0",
        "--dim 1000 --unit example --example-clip l2=0.01 --adjacency replace",
    ] {
        let plan = folder.json(&format!(
            "plan --members 10 --epsilon 3 --delta 1e-5 --rounds 2 {words}"
        ));
        let total = plan["privacy"]["epsilon_total"].as_f64().unwrap();
        assert!(total <= 3.0 && total > 2.98, "{words}: {total}");
        assert_eq!(plan["privacy"]["delta"], 1e-5);
    }
}

#[test]
fn noise_that_cannot_be_is_refused_with_what_can() {
    let folder = Folder::new();
    let refusals = [
        ("--epsilon 0", 2, "wanted a number above 0"),
        ("--epsilon 1 --delta 1.5", 2, "`delta` of the noise is 1.5"),
        ("--epsilon 1 --bits 40", 3, "take at most 13 bits"),
        ("--epsilon 1 --max-weight 2", 3, "`max_weight` is 2"),
        ("--epsilon 1 --unit example", 3, "example clip"),
        (
            "--epsilon 1 --mechanism gaussian --sharing dropout-exact",
            3,
            "do not add up",
        ),
        (
            "--epsilon 1 --mechanism laplace --dim 1000000",
            3,
            "--sharing",
        ),
        (
            "--epsilon 1 --mechanism cauchy",
            2,
            "laplace, skellam or gaussian",
        ),
        (
            "--epsilon 1 --sharing some",
            2,
            "dropout-exact or shared or local",
        ),
        ("--delta 1e-6", 2, "--epsilon"),
    ];
    for (words, code, part) in refusals {
        let ran = folder.run(&format!("plan --members 10 --rounds 1 {words}"));
        ran.assert_error(code, "");
        assert!(ran.err.contains(part), "{words}: {}", ran.err);
    }
    let ran = folder.run("task new a.toml --epsilon 1");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--members"), "{}", ran.err);
    assert_eq!(folder.run("plan --members 2 --epsilon 1").code, 3);
}

#[test]
fn output_to_a_closed_pipe_is_no_error() {
    let folder = Folder::new();
    let mut child = folder
        .command("plan --members 12")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn nothing_has_terminal_codes_when_nobody_watches() {
    let folder = Folder::new();
    for words in [
        "--help",
        "plan --help",
        "plan --members 12",
        "plan",
        "keygen --out a.key",
    ] {
        let ran = folder.run(words);
        assert!(
            !ran.out.contains('\x1b') && !ran.err.contains('\x1b'),
            "{words}"
        );
    }
}

#[test]
fn result_that_cannot_be_printed_is_no_success() {
    let folder = Folder::new();
    for words in ["plan --members 12", "plan --members 12 --json", "--help"] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let ran = folder.command(words).stdout(full).output().unwrap();
        Ran::of(&ran).assert_error(5, "standard output: ");
    }
}

#[test]
fn sample_of_a_task_beyond_every_memory_is_refused() {
    let folder = Folder::new();
    folder.ok("task new task.toml --corrupt 0 --dropout 0 --tensor w:f32:99999999999999");
    folder
        .run("task sample task.toml --out w.safetensors")
        .assert_error(
            3,
            "the task has 99999999999999 coordinates, a sample has at most 1073741824",
        );
}

#[test]
fn keys_of_other_parties_are_no_members() {
    let folder = Folder::new();
    folder.federation(&["alice"]);
    let kept = folder.read("roster.toml");
    for party in ["authority", "coordinator"] {
        let ran = folder.run(&format!(
            "roster add roster.toml --name bob --key {party}.key"
        ));
        ran.assert_error(3, &format!("slot 1 has the {party}'s key"));
    }
    assert_eq!(folder.read("roster.toml"), kept);
    let ran = folder.run("roster sign roster.toml --key alice.pub");
    assert!(!ran.err.contains("warning"), "{}", ran.err);
}

#[test]
fn coordinator_that_could_not_do_its_work_does_not_start() {
    let folder = Folder::new();
    folder.configured(&["alice", "bob", "carol"], 1);
    let good = folder.read("coordinator.toml");
    folder.write("taken", "a file");
    for (wrong, code, part) in [
        (
            good.replace("results = \"results\"", "results = \"taken\""),
            5,
            "taken",
        ),
        (
            good.replace("# members = 3", "members = 4"),
            3,
            "`gather.members` is 4, the roster has 3 members",
        ),
    ] {
        folder.write("coordinator.toml", &wrong);
        folder
            .run("serve --config coordinator.toml")
            .assert_error(code, part);
    }
}

#[test]
fn member_that_could_not_do_its_work_does_not_start_and_says_so_in_json() {
    let folder = Folder::new();
    folder.configured(&["alice", "bob", "carol"], 1);
    for (address, words, code, part) in [
        (
            "localhost",
            "",
            2,
            "`coordinator` is \"localhost\", wanted HOST:PORT",
        ),
        ("127.0.0.1:1", "--result none/mean.npy", 5, "none"),
        ("127.0.0.1:1", "--result mean.txt", 2, "mean.txt"),
    ] {
        let mut join = folder.join("alice", address, &format!("--update alice.npy {words}"));
        let ran = Ran::of(&join.output().unwrap());
        ran.assert_error(code, part);
        assert!(!folder.path("alice.ledger").exists(), "nothing is made yet");
    }
    let ran = folder.run(
        "join --config member.toml --key alice.key --ledger none.ledger --update alice.npy --json",
    );
    assert_eq!(ran.code, 3, "{}", ran.err);
    let line: serde_json::Value = serde_json::from_str(ran.out.trim()).unwrap();
    assert_eq!(line["event"], "refused");
    assert_eq!(line["kind"], "refused");
    assert!(ran.err.contains(line["text"].as_str().unwrap()));
}

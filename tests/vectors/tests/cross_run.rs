//! Rounds between programs: members and coordinator of the reference model and ours, in every mixture, over the relay of the model.
//!
//! Needs Python with the package `cryptography`, by the name in `PYTHON` or as `python3`. Without it the rounds are listed as ignored;
//! with `PYTHON` set it must be there.

#![expect(clippy::expect_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};
use veilsum_vectors::file::{File, Outcome, folder, walk};

/// Who is ours.
#[derive(Clone, Copy, Debug)]
enum Ours {
    Members,
    Coordinator,
    EveryOtherMember,
    CoordinatorAndEveryOtherMember,
}

impl Ours {
    const ALL: [Self; 4] = [
        Self::Members,
        Self::Coordinator,
        Self::EveryOtherMember,
        Self::CoordinatorAndEveryOtherMember,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Members => "our_members_under_a_coordinator_of_the_model",
            Self::Coordinator => "members_of_the_model_under_our_coordinator",
            Self::EveryOtherMember => "every_other_member_is_ours_under_a_coordinator_of_the_model",
            Self::CoordinatorAndEveryOtherMember => {
                "every_other_member_is_ours_under_our_coordinator"
            }
        }
    }
}

fn main() -> ExitCode {
    let python = python();
    let mut trials = Vec::new();
    for path in walk(&folder()).expect("the vectors can be walked") {
        let file = File::read(&path).expect("a file of vectors");
        let rounds = file
            .tests()
            .filter(|(group, test)| group.r#type == "Round" && test.result == Outcome::Valid);
        for (group, test) in rounds {
            let case = test.case(group).expect("a case");
            let members = case.input["members"].as_array().expect("members").len();
            let round = path.file_stem().unwrap_or_default().to_string_lossy();
            for ours in Ours::ALL {
                let (python, path, id) = (python.clone(), path.clone(), test.tc_id);
                let trial = Trial::test(format!("{}/{round}/{id}", ours.name()), move || {
                    let python = python.ok_or("found no Python with the package `cryptography`")?;
                    run(&python, &path, id, members, ours);
                    Ok(())
                });
                trials.push(trial);
            }
        }
    }
    assert!(!trials.is_empty(), "no rounds");
    if python.is_none() {
        eprintln!("NOT RUN: found no Python with the package `cryptography`");
        trials = trials
            .into_iter()
            .map(|trial| trial.with_ignored_flag(true))
            .collect();
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn run(python: &str, path: &Path, test: u64, members: usize, ours: Ours) {
    let program = env!("CARGO_BIN_EXE_veilsum-vectors");
    let member = |slot: &str| format!("{slot}={program} member {{file}} {{test}} {{slot}}");
    let coordinator = format!("coordinator={program} coordinator {{file}} {{test}}");
    let every_other = (0..members)
        .step_by(2)
        .map(|slot| member(&slot.to_string()));
    let parties = match ours {
        Ours::Members => vec![member("members")],
        Ours::Coordinator => vec![coordinator],
        Ours::EveryOtherMember => every_other.collect(),
        Ours::CoordinatorAndEveryOtherMember => every_other.chain([coordinator]).collect(),
    };
    let made = Command::new(python)
        .current_dir(root())
        .args(["spec/reference", "cross-run"])
        .arg(path)
        .arg(test.to_string())
        .args(&parties)
        .output()
        .expect("python runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        made.status.success(),
        "{} {test}, {ours:?} ours: {}{}",
        path.display(),
        said(&made.stdout),
        said(&made.stderr)
    );
}

fn python() -> Option<String> {
    let named = std::env::var("PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let found = Command::new(&python)
        .args(["-c", "import cryptography"])
        .output();
    let found = found.is_ok_and(|made| made.status.success());
    assert!(
        found || named.is_none(),
        "{python} has no package `cryptography`"
    );
    found.then_some(python)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

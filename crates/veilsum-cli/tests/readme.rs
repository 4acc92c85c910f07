//! The quick start of the README, run as it stands.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// The shell block of the section "Quick start".
fn quick_start() -> String {
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("## Quick start").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.to_owned()
}

#[test]
fn the_quick_start_gives_the_mean_of_the_three_updates() {
    let script = quick_start();
    assert!(
        script.lines().count() <= 20,
        "the quick start promises to be short"
    );
    let folder = tempfile::tempdir().unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    std::os::unix::fs::symlink(repository.join("examples"), folder.path().join("examples"))
        .unwrap();
    let binaries = Path::new(env!("CARGO_BIN_EXE_veilsum")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-e", "-u", "-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let (printed, told) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{printed}\n{told}");
    for who in ["alice", "bob", "carol"] {
        let file = fs::read(folder.path().join(format!("quick/{who}-mean.npy"))).unwrap();
        let mean = file[file.len() - 32..].chunks_exact(8);
        let mean = mean.map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()));
        // 16 bits of a range of -4 to 4, rounded at random by each member
        let step = 8.0 / 65535.0;
        for (found, wanted) in mean.zip([1.25 / 3.0, 1.0, 2.75 / 3.0, 1.0]) {
            assert!(
                (found - wanted).abs() <= step,
                "{who}: found {found}, wanted {wanted}"
            );
        }
    }
    let last = printed.lines().rev().take(2).collect::<Vec<_>>();
    assert!(last.iter().any(|line| line.contains("0.41")), "{printed}");
}

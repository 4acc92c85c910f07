//! `veilsum simulate` as a script sees it: what it prints and writes is checked from outside.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use ndarray::{Array1, Array2};
use ndarray_npy::{read_npy, write_npy};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::process::{Command, Output};

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veilsum"))
        .arg("simulate")
        .args(arguments)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The stated formula, written down a second time.
fn value(seed: u64, slot: u64, coordinate: u64, bits: u32) -> i64 {
    let index = seed
        .wrapping_add(slot << 32)
        .wrapping_add(coordinate)
        .wrapping_add(1);
    let mut z = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> (64 - bits)) as i64
}

fn digest(sum: &[i64]) -> String {
    let bytes = sum
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect::<Vec<_>>();
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn the_written_sum_is_that_of_the_formula_over_the_named_survivors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sum.npy");
    let arguments = [
        "--members",
        "20",
        "--dim",
        "700",
        "--bits",
        "12",
        "--dropout",
        "0.1",
        "--late-dropout",
        "0.05",
    ];
    let output = simulate(
        &[
            &arguments[..],
            &["--seed", "5", "--json", "--sum", path.to_str().unwrap()],
        ]
        .concat(),
    );
    let result = json(&output);
    let survivors = result["survivor_ids"].as_array().unwrap();
    let survivors = survivors
        .iter()
        .map(|id| id.as_u64().unwrap())
        .collect::<Vec<_>>();
    let plain = (0..700).map(|j| survivors.iter().map(|slot| value(5, *slot, j, 12)).sum());
    let plain = plain.collect::<Vec<i64>>();
    let sum: Array1<i64> = read_npy(&path).unwrap();
    assert_eq!(sum.to_vec(), plain);
    assert_eq!(result["sum_sha256"], digest(&plain));
    assert_eq!(result["exact"], true);
    assert_eq!(
        survivors.len(),
        18,
        "two of twenty vanish in Upload, one after it"
    );
    let phases = result["dropped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dropped| dropped["phase"].as_str().unwrap());
    let mut phases = phases.collect::<Vec<_>>();
    phases.sort_unstable();
    assert_eq!(phases, ["confirm", "upload", "upload"]);
}

#[test]
fn inputs_come_from_a_file_of_any_integer_type() {
    let folder = tempfile::tempdir().unwrap();
    let (inputs, sum) = (
        folder.path().join("inputs.npy"),
        folder.path().join("sum.npy"),
    );
    let matrix = Array2::from_shape_fn((4, 9), |(slot, j)| (slot * 100 + j) as u16);
    write_npy(&inputs, &matrix).unwrap();
    let (inputs, sum) = (inputs.to_str().unwrap(), sum.to_str().unwrap());
    let output = simulate(&[
        "--members",
        "4",
        "--inputs",
        inputs,
        "--dropout",
        "0",
        "--json",
        "--sum",
        sum,
    ]);
    assert_eq!(json(&output)["survivors"], 4);
    let found: Array1<i64> = read_npy(sum).unwrap();
    let wanted = (0..9).map(|j| 600 + 4 * j).collect::<Vec<i64>>();
    assert_eq!(found.to_vec(), wanted);

    let output = simulate(&[
        "--members",
        "4",
        "--inputs",
        inputs,
        "--bits",
        "8",
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("input of member 2 at coordinate 56 is 256")
            || text.contains("input of member 3"),
        "{text}"
    );
}

#[test]
fn the_same_seed_gives_the_same_round() {
    let run = |seed| {
        let result = json(&simulate(&[
            "--members",
            "6",
            "--dim",
            "50",
            "--seed",
            seed,
            "--json",
        ]));
        (result["sum_sha256"].clone(), result["dropped"].clone())
    };
    assert_eq!(run("9"), run("9"));
    assert_ne!(run("9").0, run("10").0);
}

#[test]
fn too_many_drop_outs_are_a_clean_abort_with_its_own_exit_code() {
    let output = simulate(&[
        "--members",
        "10",
        "--dim",
        "20",
        "--dropout",
        "0.5",
        "--tolerance",
        "0.2",
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(4));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["abort"]["reason"], "too_few_updates");
    assert_eq!(result["exact"], false);
    assert_eq!(result["sum_sha256"], Value::Null);
    assert_eq!(result["attempt"], 2, "three attempts were made");
}

#[test]
fn federations_that_cannot_be_private_are_refused() {
    for (members, text) in [
        ("0", "refused: 0 members"),
        ("1", "refused: 1 member"),
        (
            "2",
            "refused: 2 members: the sum would tell each the other's input",
        ),
    ] {
        let output = simulate(&["--members", members, "--dim", "5"]);
        assert_eq!(output.status.code(), Some(3), "{members}");
        let found = String::from_utf8(output.stderr).unwrap();
        assert!(found.contains(text), "{found}");
    }
}

#[test]
fn the_text_says_what_the_parameters_withstand() {
    for (arguments, line) in [
        (vec!["--members", "12", "--dim", "5"], "ok: q="),
        (
            vec![
                "--members",
                "3",
                "--dim",
                "5",
                "--dropout",
                "0",
                "--tolerance",
                "0",
                "--corrupt",
                "0.4",
            ],
            "warning: all 3 members must answer",
        ),
    ] {
        let output = simulate(&arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.lines().any(|found| found.starts_with(line)), "{text}");
        let json = simulate(&[&arguments[..], &["--json"]].concat());
        let told = String::from_utf8(json.stderr).unwrap();
        assert_eq!(told.contains(line), line.starts_with("warning"), "{told}");
    }
}

#[test]
fn numbers_beyond_every_machine_are_refused_in_words() {
    for (arguments, code, part) in [
        (
            ["--members", "3", "--dim", "9999999999999", "--bits", "8"],
            2,
            "--dim is 9999999999999, wanted at most 1073741824",
        ),
        (
            ["--members", "3", "--dim", "5", "--bits", "62"],
            2,
            "1..=61",
        ),
        (
            ["--members", "8", "--dim", "5", "--bits", "61"],
            3,
            "error: ",
        ),
    ] {
        let output = simulate(&arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn inputs_are_held_against_their_file_before_memory_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inputs.npy");
    let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (4, 99999999999999), }\n";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend([0; 64]);
    std::fs::write(&path, bytes).unwrap();
    for (inputs, code, part) in [
        (
            path.to_str().unwrap(),
            2,
            "has 64 bytes of values, its header wants 3199999999999968",
        ),
        (folder.path().to_str().unwrap(), 5, "directory"),
    ] {
        let output = simulate(&["--members", "4", "--inputs", inputs]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_sum_that_cannot_be_written_is_a_failure_that_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sum.npy");
    let limited = format!(
        "ulimit -f 1; exec {} simulate --members 3 --dim 9000 --sum {}",
        env!("CARGO_BIN_EXE_veilsum"),
        path.display()
    );
    let output = Command::new("sh").args(["-c", &limited]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert!(text.contains("sum.npy"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let output = simulate(&["--members", "3", "--dim", "5", "--sum", "/dev/full"]);
    assert_eq!(output.status.code(), Some(5));
}

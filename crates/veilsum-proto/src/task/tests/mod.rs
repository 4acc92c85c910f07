//! Tests of the task, by theme.

mod any;
mod bytes;
mod caps;
mod content;
mod derived;
mod noise;
mod text;

use super::*;

const FLOAT: &str = r#"
version = 1
name = "digits"
corrupt = 1
dropout = 0.1
floor = 5
graph = "auto"
electorate = "all"

[encoding]
kind = "float"
clip = { l2 = 1.5 }
precision_bits = 16
rotation = true
max_weight = 500

[[tensors]]
name = "weight"
shape = [10, 64]
dtype = "f32"

[[tensors]]
name = "bias"
shape = [10]
dtype = "f32"
"#;

const INTEGER: &str = r#"
version = 1
name = "counts"
corrupt = "0.25"
dropout = 0
graph = 66
cohort = 1000
max_attempts = 1

[encoding]
kind = "integer"
min = -3
max = 1000

[[tensors]]
name = "n"
shape = []
dtype = "i64"
"#;

/// A float task whose noise hides members.
fn noisy() -> String {
    const NOISE: &str = r#"
[noise]
law = "skellam"
parameter = 250000.5
unit = "member"
delta = 0.000001

[[tensors]]
"#;
    FLOAT
        .replace("max_weight = 500", "rounding = \"conditional\"")
        .replacen("[[tensors]]\n", NOISE.trim_start(), 1)
}

/// A float task whose noise hides examples, every choice another than in [`noisy`].
fn by_example() -> String {
    const NOISE: &str = r#"
[noise]
law = "laplace"
parameter = "1.23456789012345678"
sharing = "shared"
unit = "example"
adjacency = "replace"
example_clip = { l1 = 0.25 }
delta = "0.000000000000000001"

[[tensors]]
"#;
    FLOAT
        .replace("max_weight = 500", "")
        .replace("rotation = true", "")
        .replace("l2 = 1.5", "linf = 1.5")
        .replace("f32", "f64")
        .replacen("[[tensors]]\n", NOISE.trim_start(), 1)
}

fn task(text: &str) -> Task {
    Task::from_toml(text).unwrap()
}

fn refusal(text: &str, from: &str, to: &str) -> TaskError {
    assert!(text.contains(from), "{from}");
    Task::from_toml(&text.replacen(from, to, 1)).unwrap_err()
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = hex::encode(bytes);
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    hex::decode(text.replace(from, to)).unwrap()
}

// spec: [task.text] [task.rates]
#[test]
fn rates_that_no_float_is_are_written_as_strings() {
    // the neighbour of a float's shortest decimal: found by the fuzzer
    let text = FLOAT.replacen("dropout = 0.1", "dropout = \"0.18295873570078976\"", 1);
    let task = task(&text);
    let written = task.to_toml();
    assert!(
        written.contains("dropout = \"0.18295873570078976\""),
        "{written}"
    );
    assert_eq!(Task::from_toml(&written).unwrap(), task);
}

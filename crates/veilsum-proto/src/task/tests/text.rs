use super::*;
use veilsum_encode::{Clip, FloatEncoding, Range};

// spec: [task.text]
#[test]
fn what_the_file_says_is_what_the_task_holds() {
    let float = FloatEncoding::new(Clip::L2(1.5), 16)
        .rotated()
        .weighted(500);
    let float = FloatEncoding {
        range: Range::Spread { deviations: 6 },
        ..float
    };
    assert_eq!(*task(FLOAT).encoding(), Encoding::Float(float));
    assert_eq!(task(FLOAT).max_attempts(), DEFAULT_ATTEMPTS);
    assert_eq!(task(FLOAT).max_weight(), 500);
    assert_eq!(task(FLOAT).manifest().tensors()[0].name, "bias");
    assert_eq!(
        *task(INTEGER).encoding(),
        Encoding::Integer { min: -3, max: 1000 }
    );
    assert_eq!(task(INTEGER).spec().graph, GraphChoice::Degree(66));
    assert_eq!(task(INTEGER).max_weight(), 1);
}

// spec: [task.text]
#[test]
fn a_task_comes_back_from_its_text() {
    for text in [FLOAT, INTEGER, &noisy(), &by_example()] {
        let written = task(text).to_toml();
        assert!(written.starts_with("# Task of a Veilsum federation"));
        assert_eq!(task(&written), task(text));
        assert_eq!(task(&written).to_toml(), written);
    }
}

// spec: [task.text]
#[test]
fn the_range_fits_the_rotation_unless_given() {
    let range = |from: &str, to: &str| match task(&FLOAT.replace(from, to)).encoding() {
        Encoding::Float(float) => float.range,
        Encoding::Integer { .. } => panic!("a float task"),
    };
    assert_eq!(
        range("rotation = true", "rotation = true"),
        Range::Spread { deviations: 6 }
    );
    assert_eq!(range("rotation = true", "rotation = false"), Range::Full);
    assert_eq!(range("rotation = true", ""), Range::Full);
    assert_eq!(range("rotation = true", "range = \"auto\""), Range::Full);
    assert_eq!(
        range("rotation = true", "rotation = true\nrange = \"full\""),
        Range::Full
    );
    assert_eq!(
        range("rotation = true", "range = { fixed = 0.25 }"),
        Range::Fixed(0.25)
    );
    assert_eq!(
        range("rotation = true", "range = { deviations = 8 }"),
        Range::Spread { deviations: 8 }
    );
}

// spec: [task.text]
#[test]
fn text_that_is_no_task_says_what_was_found_and_where() {
    for (from, to, says) in [
        ("floor = 5", "flor = 5", "line 6: unknown field `flor`"),
        ("rotation = true", "rotate = true", "unknown field `rotate`"),
        (
            "shape = [10]",
            "shape = [10]\nunit = 3",
            "unknown field `unit`",
        ),
        ("dropout = 0.1", "", "missing field `dropout`"),
        (
            "clip = { l2 = 1.5 }",
            "clip = { l3 = 1.5 }",
            "unknown variant `l3`",
        ),
        (
            "kind = \"float\"",
            "kind = \"complex\"",
            "unknown variant `complex`",
        ),
        (
            "dtype = \"f32\"",
            "dtype = \"f31\"",
            "unknown variant `f31`",
        ),
        ("\"digits\"", "\"di gits\"", "name has the character ' '"),
        (
            "graph = \"auto\"",
            "graph = \"star\"",
            "found `star`, wanted auto, complete or a degree",
        ),
        ("electorate = \"all\"", "electorate = \"some\"", "some"),
        ("floor = 5", "floor = -5", "-5"),
        ("version = 1", "version = 7", "task has version 7, wanted 1"),
        (
            "clip = { l2 = 1.5 }",
            "",
            "encoding of kind `float` lacks `clip`",
        ),
        (
            "precision_bits = 16",
            "",
            "encoding of kind `float` lacks `precision_bits`",
        ),
        (
            "rotation = true",
            "min = 3",
            "encoding of kind `float` has `min`",
        ),
    ] {
        let error = refusal(FLOAT, from, to).to_string();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
        assert_eq!(error.lines().count(), 1, "{error:?}");
    }
    for (from, to, says) in [
        ("min = -3", "", "encoding of kind `integer` lacks `min`"),
        (
            "min = -3",
            "min = -3\nrounding = \"stochastic\"",
            "encoding of kind `integer` has `rounding`",
        ),
        (
            "min = -3",
            "min = -3\nmax_weight = 2",
            "encoding of kind `integer` has `max_weight`",
        ),
    ] {
        let error = refusal(INTEGER, from, to).to_string();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
    }
}

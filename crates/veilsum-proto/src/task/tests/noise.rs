use super::*;
use crate::parameters::Decimal;
use veilsum_dp::{Adjacency, LawError, Rational, SensitivityError, Sharing, Unit};
use veilsum_encode::{Clip, Dtype, PlanError};

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn noise(text: &str) -> NoiseSpec {
    *task(text).noise().unwrap()
}

/// What the noise is refused for.
fn refused(from: &str, to: &str) -> NoiseSpecError {
    match refusal(&noisy(), from, to) {
        TaskError::Noise(error) => error,
        other => panic!("{other}"),
    }
}

// spec: [task.noise], [task.text]
#[test]
fn what_is_left_out_of_the_table_is_what_most_want() {
    let wanted = NoiseSpec {
        law: NoiseLaw::Skellam,
        parameter: decimal("250000.5"),
        sharing: Sharing::DropoutExact,
        unit: Unit::Member,
        adjacency: Adjacency::ZeroOut,
        example_clip: None,
        delta: decimal("0.000001"),
    };
    assert_eq!(noise(&noisy()), wanted);
    let gaussian = noise(&noisy().replace("skellam", "gaussian"));
    assert_eq!(gaussian.sharing, Sharing::Shared);
}

// spec: [task.text]
#[test]
fn every_choice_can_be_written() {
    let wanted = NoiseSpec {
        law: NoiseLaw::Laplace,
        parameter: decimal("1.23456789012345678"),
        sharing: Sharing::Shared,
        unit: Unit::Example,
        adjacency: Adjacency::Replace,
        example_clip: Some(Clip::L1(0.25)),
        delta: decimal("0.000000000000000001"),
    };
    assert_eq!(noise(&by_example()), wanted);
    let local = noise(&noisy().replace("delta", "sharing = \"local\"\ndelta"));
    assert_eq!(local.sharing, Sharing::Local);
}

// spec: [task.decimals]
#[test]
fn numbers_are_the_decimals_that_were_written() {
    for (text, wanted) in [
        ("1e-6", "0.000001"),
        ("\"0.000001\"", "0.000001"),
        ("0.1", "0.1"),
    ] {
        let found = noise(&noisy().replace("0.000001", text)).delta;
        assert_eq!(found, decimal(wanted));
        assert_eq!(found.to_f64(), wanted.parse::<f64>().unwrap());
    }
    let parameter = |text: &str| noise(&noisy().replace("250000.5", text)).parameter;
    assert_eq!(parameter("700"), decimal("700"));
    assert_eq!(
        parameter("0.1").to_rational(),
        Rational::new(1, 10).unwrap()
    );
    for text in [
        "-1", "-0.5", "nan", "inf", "\"1e3\"", "true", "\"\"", "1e-30",
    ] {
        let found = refusal(&noisy(), "250000.5", text);
        assert!(matches!(found, TaskError::Toml(_)), "{text}: {found}");
    }
}

// spec: [task.decimals]
#[test]
fn a_decimal_that_no_float_holds_is_written_as_a_string() {
    let text = task(&by_example()).to_toml();
    assert!(
        text.contains("parameter = \"1.23456789012345678\"\n"),
        "{text}"
    );
    assert!(text.contains("delta = 0.000000000000000001\n"), "{text}");
    let text = task(&noisy()).to_toml();
    assert!(text.contains("parameter = 250000.5\n"), "{text}");
}

#[test]
fn unknown_keys_and_missing_ones_are_named() {
    for (from, to, says) in [
        ("law = \"skellam\"", "", "missing field `law`"),
        ("\"skellam\"", "\"cauchy\"", "unknown variant `cauchy`"),
        ("unit = \"member\"", "", "missing field `unit`"),
        (
            "unit = \"member\"",
            "unit = \"patient\"",
            "unknown variant `patient`",
        ),
        ("delta = 0.000001", "", "missing field `delta`"),
        ("parameter = 250000.5", "", "missing field `parameter`"),
        (
            "delta = 0.000001",
            "delta = 0.000001\nepsilon = 1.0",
            "unknown field `epsilon`",
        ),
        (
            "delta = 0.000001",
            "delta = 0.000001\nsharing = \"some\"",
            "unknown variant `some`",
        ),
    ] {
        let error = refusal(&noisy(), from, to).to_string();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
    }
}

// spec: [task.noise.parameter]
#[test]
fn a_parameter_that_no_law_has_is_refused() {
    let (most, above) = ("1099511627776", "\"1099511627776.000001\"");
    assert!(Task::from_toml(&noisy().replace("250000.5", most)).is_ok());
    for law in ["laplace", "skellam", "gaussian"] {
        for (text, wanted) in [("0", "wanted a positive"), (above, "wanted 2^-64 to 2^40")] {
            let text = noisy().replace("250000.5", text).replace("skellam", law);
            let error = Task::from_toml(&text).unwrap_err();
            assert!(matches!(
                &error,
                TaskError::Noise(NoiseSpecError::Parameter(
                    LawError::Zero { .. } | LawError::OutOfRange { .. }
                ))
            ));
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }
}

// spec: [task.noise.sharing]
#[test]
fn a_gaussian_with_removal_is_refused() {
    let exact = "\"gaussian\"\nsharing = \"dropout-exact\"";
    assert_eq!(
        refused("\"skellam\"", exact),
        NoiseSpecError::GaussianRemoval
    );
}

// spec: [task.noise.weights]
#[test]
fn weights_in_a_task_with_noise_are_refused() {
    let found = refused("precision_bits", "max_weight = 2\nprecision_bits");
    assert_eq!(found, NoiseSpecError::Weights { found: 2 });
}

// spec: [task.noise.delta]
#[test]
fn a_delta_that_is_no_probability_is_refused() {
    for text in ["0", "0.0", "1", "1.5"] {
        let found = decimal(text);
        assert_eq!(refused("0.000001", text), NoiseSpecError::Delta { found });
    }
}

// spec: [task.noise.unit]
#[test]
fn an_example_without_a_bound_and_a_member_with_two_are_refused() {
    assert_eq!(
        refusal(&noisy(), "\"member\"", "\"example\""),
        TaskError::Plan(PlanError::ExampleClipMissing)
    );
    assert_eq!(
        refusal(
            &noisy(),
            "\"member\"",
            "\"member\"\nexample_clip = { l2 = 1.0 }"
        ),
        TaskError::Plan(PlanError::ExampleClipOfMember)
    );
    let example = "\"example\"\nexample_clip = { l2 = 1.0 }";
    assert_eq!(
        refusal(&noisy(), "\"member\"", example),
        TaskError::Plan(PlanError::Sensitivity(
            SensitivityError::ConditionalByExample
        ))
    );
}

// spec: [task.noise.unit]
#[test]
fn an_example_clip_in_a_norm_that_clipping_may_stretch_is_refused() {
    for (example, whole, good) in [
        ("l1", "l1", false),
        ("l2", "l1", false),
        ("linf", "l1", false),
        ("l1", "l2", false),
        ("l2", "l2", true),
        ("linf", "l2", false),
        ("l1", "linf", true),
        ("l2", "linf", true),
        ("linf", "linf", true),
    ] {
        let text = by_example()
            .replace("clip = { linf", &format!("clip = {{ {whole}"))
            .replace(
                "example_clip = { l1",
                &format!("example_clip = {{ {example}"),
            );
        match Task::from_toml(&text) {
            Ok(_) => assert!(good, "{example} under {whole}"),
            Err(error) => {
                let refused = PlanError::ExampleClipNorm { example, whole };
                assert_eq!((error, good), (TaskError::Plan(refused), false));
            }
        }
    }
}

// spec: [task.noise]
#[test]
fn codes_of_the_noise_without_meaning_are_refused() {
    let bytes = task(&noisy()).encode().to_vec();
    let end = bytes.len();
    // law, parameter (9), sharing, unit, adjacency, no example clip, delta (9)
    for (place, field, wanted) in [
        (end - 23, "law of the noise", "1 to 3"),
        (end - 13, "sharing of the noise", "1 to 3"),
        (end - 12, "unit of the noise", "1 or 2"),
        (end - 11, "adjacency of the noise", "1 or 2"),
    ] {
        for found in [0, 4] {
            let mut bytes = bytes.clone();
            bytes[place] = found;
            let refused = TaskError::Code {
                field,
                found,
                wanted,
            };
            assert_eq!(Task::decode(&bytes), Err(refused));
        }
    }
    for place in [end - 24, end - 10] {
        let mut bytes = bytes.clone();
        bytes[place] = 2;
        assert!(
            matches!(Task::decode(&bytes), Err(TaskError::Codec(_))),
            "{place}"
        );
    }
}

// spec: [task.noise]
#[test]
fn refused_in_text_is_refused_in_bytes() {
    let bytes = task(&noisy()).encode().to_vec();
    let end = bytes.len();
    let decoded = |place: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[place] = value;
        Task::decode(&bytes)
    };
    assert_eq!(
        decoded(end - 23, 3),
        Err(TaskError::Noise(NoiseSpecError::GaussianRemoval))
    );
    assert_eq!(
        decoded(end - 12, 1),
        Err(TaskError::Plan(PlanError::ExampleClipMissing))
    );
    // one millionth becomes one
    assert_eq!(
        decoded(end - 1, 0),
        Err(TaskError::Noise(NoiseSpecError::Delta {
            found: decimal("1")
        }))
    );
}

#[test]
fn every_field_of_the_noise_is_in_the_digest() {
    let text = noisy();
    let mut digests: Vec<_> = [
        ("", ""),
        ("\"skellam\"", "\"laplace\""),
        ("250000.5", "250000.6"),
        ("delta", "sharing = \"shared\"\ndelta"),
        ("delta", "sharing = \"local\"\ndelta"),
        ("delta", "adjacency = \"replace\"\ndelta"),
        ("0.000001", "0.000002"),
    ]
    .into_iter()
    .map(|(from, to)| task(&text.replacen(from, to, 1)).digest())
    .collect();
    let example = by_example();
    for (from, to) in [
        ("", ""),
        ("l1 = 0.25", "l1 = 0.5"),
        ("l1 = 0.25", "linf = 0.25"),
    ] {
        digests.push(task(&example.replacen(from, to, 1)).digest());
    }
    let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
}

// spec: [task.noise.unit] [noise.sensitivity.dtype]
#[test]
fn examples_in_elements_that_were_rounded_before_the_clip_are_refused() {
    for (dtype, found) in [
        ("f32", Dtype::F32),
        ("f16", Dtype::F16),
        ("bf16", Dtype::Bf16),
    ] {
        let text = by_example().replacen("f64", dtype, 1);
        let refused = PlanError::ExampleDtype { found };
        assert_eq!(Task::from_toml(&text), Err(TaskError::Plan(refused)));
    }
    // a member is clipped after its rounding
    assert!(Task::from_toml(&noisy()).is_ok());
}

// spec: [task.noise.unit] [noise.sensitivity.whole]
#[test]
fn an_integer_task_with_an_example_clip_below_one_is_refused() {
    let with = |clip: &str| {
        let noise = format!(
            "[noise]\nlaw = \"skellam\"\nparameter = 0.001\nunit = \"example\"\nexample_clip = {{ {clip} }}\ndelta = 0.000001\n\n[[tensors]]"
        );
        Task::from_toml(&INTEGER.replacen("[[tensors]]", &noise, 1))
    };
    for clip in ["l1 = 0.5", "l2 = 0.999", "linf = 0.25"] {
        let error = with(clip).unwrap_err();
        assert!(
            matches!(
                error,
                TaskError::Plan(PlanError::ExampleClipBelowOne { .. })
            ),
            "{error}"
        );
    }
    assert!(with("l2 = 1.0").is_ok());
}

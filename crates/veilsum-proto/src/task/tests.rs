use super::*;
use proptest::prelude::*;
use veilsum_encode::{Clip, Dtype, FloatEncoding, ManifestError, PlanError, Range, TensorSpec};

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

const FLOAT_BYTES: &str = "00010664696769747328046269617308000000000000000a010677656967687410000000000000000a\
    00000000000000400101013ff800000000000010010206000001f4020000000101000000000000000101010000000501020000000003\
    00";
const FLOAT_DIGEST: &str = "6d9a9235a44d734a09487e2cdaa3ab2574a336c6aa3ecb9091a83ab01da40e50";
const INTEGER_BYTES: &str = "000106636f756e747304016e000802fffffffffffffffd00000000000003e8010000000000000019\
    0202000000000003000000420101000003e80000000100";
const INTEGER_DIGEST: &str = "9324185f14ab8a3a863ef663ec5748ef819929413fb433753feb490d91fadef4";

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

// spec: [task.canonical], [task.digest]
#[test]
fn bytes_and_digests_of_two_small_tasks_are_fixed() {
    // The values come from a few lines of another language.
    for (text, bytes, digest) in [
        (FLOAT, FLOAT_BYTES, FLOAT_DIGEST),
        (INTEGER, INTEGER_BYTES, INTEGER_DIGEST),
    ] {
        assert_eq!(hex::encode(task(text).encode()), bytes);
        assert_eq!(task(text).digest().to_string(), digest);
        assert_eq!(Task::decode(&hex::decode(bytes).unwrap()), Ok(task(text)));
    }
}

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
    for text in [FLOAT, INTEGER] {
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

// spec: [task.rates]
#[test]
fn rates_are_the_decimals_that_were_written() {
    let c = |amount: &str| {
        let demand =
            task(&FLOAT.replace("corrupt = 1", &format!("corrupt = {amount}"))).demand(100);
        demand.corrupt.floor_of(100)
    };
    assert_eq!(c("0.29"), 29, "a binary float would give 28");
    assert_eq!(c("\"0.29\""), 29);
    assert_eq!(c("29"), 29);
}

// spec: [task.rates]
#[test]
fn rates_beyond_one_are_refused() {
    assert!(matches!(
        refusal(FLOAT, "dropout = 0.1", "dropout = 1.1"),
        TaskError::Toml(_)
    ));
    assert!(matches!(
        refusal(FLOAT, "dropout = 0.1", "dropout = -0.1"),
        TaskError::Toml(_)
    ));
    assert!(matches!(
        refusal(FLOAT, "dropout = 0.1", "dropout = nan"),
        TaskError::Toml(_)
    ));
    // 0.1 as 1 unit of the first place becomes 11 units of it
    let bytes = replaced(
        task(FLOAT).encode(),
        "01000000000000000101",
        "01000000000000000b01",
    );
    assert_eq!(
        Task::decode(&bytes),
        Err(TaskError::Rate {
            key: "dropout",
            found: "1.1".parse().unwrap()
        })
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
            "min = -3\nmax_weight = 2",
            "encoding of kind `integer` has `max_weight`",
        ),
    ] {
        let error = refusal(INTEGER, from, to).to_string();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
    }
}

// spec: [task.encoding]
#[test]
fn numbers_that_make_no_plan_are_refused() {
    for bound in ["0.0", "-0.0", "-1.0", "nan", "inf", "-inf", "1e-40", "1e40"] {
        let found = refusal(FLOAT, "l2 = 1.5", &format!("l2 = {bound}"));
        assert!(
            matches!(found, TaskError::Plan(PlanError::Clip { .. })),
            "{bound}: {found}"
        );
        let found = refusal(
            FLOAT,
            "rotation = true",
            &format!("range = {{ fixed = {bound} }}"),
        );
        assert!(
            matches!(found, TaskError::Plan(PlanError::Range { .. })),
            "{bound}: {found}"
        );
    }
    for (from, to, want) in [
        (
            "precision_bits = 16",
            "precision_bits = 1",
            PlanError::Precision { found: 1 },
        ),
        ("max_weight = 500", "max_weight = 0", PlanError::NoWeight),
        (
            "rotation = true",
            "range = { deviations = 0 }",
            PlanError::Deviations { found: 0 },
        ),
    ] {
        assert_eq!(refusal(FLOAT, from, to), TaskError::Plan(want));
    }
    assert_eq!(
        refusal(INTEGER, "min = -3", "min = 1000"),
        TaskError::Plan(PlanError::EmptyRange {
            min: 1000,
            max: 1000
        })
    );
    assert!(matches!(
        refusal(FLOAT, "dtype = \"f32\"", "dtype = \"i8\""),
        TaskError::Plan(PlanError::IntegerTensor { .. })
    ));
}

// spec: [task.encoding]
#[test]
fn floats_that_are_no_numbers_are_refused_in_bytes_too() {
    let task = task(FLOAT);
    let bytes = task.encode();
    for bits in [
        "7ff8000000000000",
        "7ff0000000000000",
        "bff8000000000000",
        "8000000000000000",
    ] {
        let found = Task::decode(&replaced(bytes, "3ff8000000000000", bits));
        assert!(
            matches!(found, Err(TaskError::Plan(PlanError::Clip { .. }))),
            "{bits}"
        );
    }
}

#[test]
fn a_task_without_or_with_twice_named_tensors_is_refused() {
    let none = &INTEGER[..INTEGER.find("[[tensors]]").unwrap()];
    let none = none.replace("max_attempts = 1", "max_attempts = 1\ntensors = []");
    assert_eq!(
        Task::from_toml(&none),
        Err(TaskError::Manifest(ManifestError::Empty))
    );
    assert_eq!(
        refusal(FLOAT, "\"weight\"", "\"bias\""),
        TaskError::Manifest(ManifestError::TwiceNamed {
            tensor: "bias".into()
        })
    );
}

// spec: [task.attempts]
#[test]
fn attempts_are_one_to_sixteen() {
    for (attempts, good) in [(0, false), (1, true), (16, true), (17, false)] {
        let text = INTEGER.replace("max_attempts = 1", &format!("max_attempts = {attempts}"));
        match Task::from_toml(&text) {
            Ok(task) => assert!(good && task.max_attempts() == attempts),
            Err(error) => assert_eq!(
                (error, good),
                (TaskError::Attempts { found: attempts }, false)
            ),
        }
    }
}

// spec: [task.dtypes]
#[test]
fn element_types_have_the_codes_of_the_spec() {
    let names = [
        "f32", "f64", "f16", "bf16", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64",
    ];
    for (code, name) in (1..).zip(names) {
        let base = if name.contains('f') { FLOAT } else { INTEGER };
        let text = base
            .replace("\"i64\"", &format!("\"{name}\""))
            .replace("\"f32\"", &format!("\"{name}\""));
        let task = task(&text);
        let tensors = if name.contains('f') {
            "000000000000000a"
        } else {
            "016e00"
        };
        assert!(
            hex::encode(task.encode()).contains(&format!("{tensors}{code:02x}")),
            "{name}"
        );
        assert_eq!(Task::decode(task.encode()), Ok(task));
    }
}

// spec: [task.canonical]
#[test]
fn left_over_bytes_are_refused() {
    let mut bytes = task(FLOAT).encode().to_vec();
    bytes.extend_from_slice(&[0, 0]);
    assert_eq!(Task::decode(&bytes), Err(TaskError::LeftOver { found: 2 }));
}

// spec: [task.canonical]
#[test]
fn truncated_bytes_are_refused() {
    for text in [FLOAT, INTEGER] {
        let task = task(text);
        for length in 0..task.encode().len() {
            assert!(Task::decode(&task.encode()[..length]).is_err(), "{length}");
        }
    }
}

// spec: [task.canonical]
#[test]
fn a_second_encoding_of_the_same_task_is_refused() {
    let task = task(FLOAT);
    let bytes = task.encode();
    let longer_length = replaced(bytes, "0001066469", "000140066469");
    assert_eq!(Task::decode(&longer_length), Err(TaskError::NotCanonical));
    let bias = "046269617308000000000000000a01";
    let weight = "0677656967687410000000000000000a000000000000004001";
    let other_order = replaced(
        bytes,
        &format!("{bias}{weight}"),
        &format!("{weight}{bias}"),
    );
    assert_eq!(Task::decode(&other_order), Err(TaskError::NotCanonical));
}

// spec: [task.canonical]
#[test]
fn codes_without_meaning_are_refused() {
    let float = task(FLOAT).encode().to_vec();
    let code = |field, found, wanted| {
        Err(TaskError::Code {
            field,
            found,
            wanted,
        })
    };
    for dtype in ["00", "0d", "ff"] {
        let bytes = replaced(
            &float,
            "00000000000000400101",
            &format!("0000000000000040{dtype}01"),
        );
        let found = u8::from_str_radix(dtype, 16).unwrap();
        assert_eq!(Task::decode(&bytes), code("element type", found, "1 to 12"));
    }
    let rotation = replaced(&float, "10010206", "10020206");
    assert_eq!(Task::decode(&rotation), code("rotation", 2, "0 or 1"));
    for unknown in [
        replaced(&float, "0101013ff8", "0100013ff8"), // encoding
        replaced(&float, "01013ff8", "01033ff8"),     // clip
        replaced(&float, "10010206", "10010406"),     // range
        replaced(&float, "000001f402", "000001f403"), // corrupt
        replaced(&float, "0100000005", "0200000005"), // floor
    ] {
        assert!(matches!(Task::decode(&unknown), Err(TaskError::Codec(_))));
    }
}

// spec: [task.noise]
#[test]
fn a_task_with_noise_is_refused() {
    let mut bytes = task(FLOAT).encode().to_vec();
    *bytes.last_mut().unwrap() = 1;
    assert_eq!(
        Task::decode(&bytes),
        Err(TaskError::Code {
            field: "noise",
            found: 1,
            wanted: "0 (none)"
        })
    );
}

#[test]
fn a_task_of_another_version_is_refused() {
    let bytes = [&[0, 2], &task(FLOAT).encode()[2..]].concat();
    assert_eq!(
        Task::decode(&bytes),
        Err(TaskError::Version {
            found: 2,
            wanted: 1
        })
    );
}

#[test]
fn a_tensor_name_that_is_not_utf8_is_refused() {
    let bytes = replaced(task(FLOAT).encode(), "0462696173", "04ff696173");
    assert_eq!(
        Task::decode(&bytes),
        Err(TaskError::TensorName { index: 0 })
    );
}

// spec: [task.caps]
#[test]
fn a_length_of_2_to_the_30_minus_1_without_a_body_is_refused() {
    const LENGTH: &str = "bfffffff";
    for prefix in [
        "0001",
        "000106646967697473",
        "0001066469676974732804",
        "00010664696769747328046269617308",
    ] {
        let bytes = hex::decode(format!("{}{LENGTH}", &prefix[..prefix.len() - 2])).unwrap();
        assert!(Task::decode(&bytes).is_err());
        let bytes = hex::decode(format!("{prefix}{LENGTH}")).unwrap();
        assert!(
            matches!(Task::decode(&bytes), Err(TaskError::Codec(_))),
            "{prefix}"
        );
    }
}

// spec: [task.caps]
#[test]
fn more_bytes_than_any_task_has_are_refused_unread() {
    let found = MAX_BYTES + 1;
    assert_eq!(
        Task::decode(&vec![0xff; found]),
        Err(TaskError::TooLong { found })
    );
}

// spec: [task.caps]
#[test]
fn more_tensors_than_any_task_has_are_refused() {
    let tensors = |count: usize, name: &dyn Fn(usize) -> String| {
        let tensor = |index| TensorSpec {
            name: name(index),
            shape: vec![1],
            dtype: Dtype::I8,
        };
        Task::new(TaskSpec {
            manifest: Manifest::new((0..count).map(tensor).collect()).unwrap(),
            ..task(INTEGER).into_spec()
        })
    };
    let most = tensors(MAX_TENSORS, &|index| format!("{index:05}")).unwrap();
    assert_eq!(Task::decode(most.encode()).unwrap(), most);
    let found = MAX_TENSORS + 1;
    assert_eq!(
        tensors(found, &|index| format!("{index:05}")),
        Err(TaskError::Tensors { found })
    );
    let long = tensors(20_000, &|index| format!("{index:0500}"));
    assert!(matches!(long, Err(TaskError::TooLong { .. })));
    // the same list in bytes: 2^16 + 1 tensors of 16 bytes each
    let mut list = most.encode()[9..].to_vec();
    list.drain(..4);
    let body = MAX_TENSORS * 16;
    let tensor = list[..16].to_vec();
    list.splice(body..body, tensor);
    let length = u32::try_from(body + 16).unwrap() | 0x8000_0000;
    let bytes = [&most.encode()[..9], &length.to_be_bytes(), &list].concat();
    assert_eq!(
        Task::decode(&bytes).unwrap_err().to_string(),
        "task cannot be decoded: found more than 65536 tensors"
    );
}

#[test]
fn every_field_is_in_the_digest() {
    let digests: Vec<_> = [
        ("digits", "digit5"),
        ("corrupt = 1", "corrupt = 2"),
        ("corrupt = 1", "corrupt = 1.0"),
        ("dropout = 0.1", "dropout = 0.2"),
        ("floor = 5", "floor = 6"),
        ("floor = 5", ""),
        ("\"auto\"", "\"complete\""),
        ("\"all\"", "\"auto\""),
        ("floor = 5", "floor = 5\ncohort = 9"),
        ("floor = 5", "floor = 5\nmax_attempts = 4"),
        ("l2 = 1.5", "linf = 1.5"),
        ("l2 = 1.5", "l2 = 1.25"),
        ("precision_bits = 16", "precision_bits = 17"),
        (
            "rotation = true",
            "rotation = false\nrange = { deviations = 6 }",
        ),
        ("rotation = true", "rotation = true\nrange = \"full\""),
        ("max_weight = 500", "max_weight = 501"),
        ("\"bias\"", "\"bia5\""),
        ("shape = [10]", "shape = [11]"),
        ("dtype = \"f32\"", "dtype = \"f16\""),
        ("", ""),
    ]
    .into_iter()
    .map(|(from, to)| task(&FLOAT.replacen(from, to, 1)).digest())
    .collect();
    let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
    assert_eq!(digests.last().unwrap().to_string(), FLOAT_DIGEST);
}

#[test]
fn parameters_follow_from_task_and_roster() {
    let parameters = task(FLOAT).parameters(12).unwrap();
    // c = 1, d = ceil(1.2) = 2, all of 12 slots: q = floor(13 / 2) + 1
    assert_eq!((parameters.n, parameters.c, parameters.d), (12, 1, 2));
    assert_eq!((parameters.q, parameters.f), (7, 5));
    assert!(matches!(
        task(FLOAT).parameters(2),
        Err(TaskError::Parameters(_))
    ));
}

#[test]
fn lanes_are_wide_enough_for_all_that_take_part() {
    let counts = task(&INTEGER.replace("cohort = 1000\n", ""));
    assert_eq!(counts.plan(1000).unwrap().enrolled(), 1000);
    // 1003 values more than the least, times the members
    assert_eq!(counts.plan(1).unwrap().lane_bits(), 10);
    assert_eq!(counts.plan(1000).unwrap().lane_bits(), 20);
    assert!(matches!(
        counts.plan(0),
        Err(TaskError::Plan(PlanError::NobodyEnrolled))
    ));
}

// spec: [task.cohort]
#[test]
fn a_cohort_takes_the_place_of_the_roster() {
    let counts = task(INTEGER);
    assert_eq!(counts.slots(5000), 1000);
    assert_eq!(counts.plan(5000).unwrap().enrolled(), 1000);
    let demand = counts.demand(5000);
    assert_eq!(demand.slots, 1000);
    let expected = crate::parameters::cohort_corrupt(5000, 1250, 1000);
    assert!(expected > 250);
    assert_eq!(demand.corrupt, Amount::Count(expected));
}

// spec: [task.cohort]
#[test]
fn a_cohort_larger_than_the_roster_is_refused() {
    let refused = TaskError::Cohort {
        cohort: 1000,
        slots: 999,
    };
    assert_eq!(task(INTEGER).plan(999), Err(refused.clone()));
    assert_eq!(task(INTEGER).parameters(999).err(), Some(refused));
    assert!(task(INTEGER).plan(1000).is_ok());
}

fn any_amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        any::<u32>().prop_map(Amount::Count),
        (0_u32..=1_000_000).prop_map(|part| Amount::Rate(
            format!("{}.{:06}", part / 1_000_000, part % 1_000_000)
                .parse()
                .unwrap()
        )),
    ]
}

fn any_encoding() -> impl Strategy<Value = Encoding> {
    let clip = prop_oneof![
        (1e-20..1e20).prop_map(Clip::L2),
        (1e-20..1e20).prop_map(Clip::LInf)
    ];
    let range = prop_oneof![
        Just(Range::Full),
        (1_u8..=64).prop_map(|deviations| Range::Spread { deviations }),
        (1e-20..1e20).prop_map(Range::Fixed)
    ];
    (clip, 2_u8..=30, any::<bool>(), range, 1_u32..=1000).prop_map(
        |(clip, precision_bits, rotation, range, max_weight)| {
            Encoding::Float(FloatEncoding {
                clip,
                precision_bits,
                rotation,
                range,
                max_weight,
            })
        },
    )
}

fn any_manifest() -> impl Strategy<Value = Manifest> {
    let shape = prop::collection::vec(1_u64..20, 0..4);
    let dtype = prop::sample::select(vec![Dtype::F32, Dtype::F64, Dtype::F16, Dtype::Bf16]);
    prop::collection::btree_map("[\\PC\"\\\\]{1,12}", (shape, dtype), 1..5).prop_map(|tensors| {
        let tensors = tensors.into_iter();
        Manifest::new(
            tensors
                .map(|(name, (shape, dtype))| TensorSpec { name, shape, dtype })
                .collect(),
        )
        .unwrap()
    })
}

fn any_task() -> impl Strategy<Value = Task> {
    let graph = prop_oneof![
        Just(GraphChoice::Auto),
        Just(GraphChoice::Complete),
        any::<u32>().prop_map(GraphChoice::Degree)
    ];
    let electorate = prop::sample::select(vec![ElectorateChoice::Auto, ElectorateChoice::All]);
    let rest = (
        graph,
        electorate,
        any::<Option<u32>>(),
        any::<Option<u32>>(),
        1..=MAX_ATTEMPTS,
    );
    (
        "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        any_manifest(),
        any_encoding(),
        any_amount(),
        any_amount(),
        rest,
    )
        .prop_map(
            |(
                name,
                manifest,
                encoding,
                corrupt,
                dropout,
                (graph, electorate, floor, cohort, max_attempts),
            )| {
                Task::new(TaskSpec {
                    name: name.parse().unwrap(),
                    manifest,
                    encoding,
                    corrupt,
                    dropout,
                    floor,
                    graph,
                    electorate,
                    cohort,
                    max_attempts,
                })
                .unwrap()
            },
        )
}

proptest! {
    #[test]
    fn bytes_and_text_come_back(task in any_task()) {
        prop_assert_eq!(&Task::decode(task.encode()).unwrap(), &task);
        prop_assert_eq!(&Task::from_toml(&task.to_toml()).unwrap(), &task);
    }

    #[test]
    fn decoding_any_bytes_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Task::decode(&bytes);
        bytes.splice(0..0, [0, 1]);
        let _ = Task::decode(&bytes);
    }

    #[test]
    fn shapes_of_any_size_are_refused_or_planned(
        shape in prop::collection::vec(prop_oneof![any::<u64>(), 0_u64..5, (0..64_u32).prop_map(|bit| 1 << bit)], 0..5),
        float: bool,
        rotation: bool,
    ) {
        let (encoding, dtype) = match float {
            true => (Encoding::Float(FloatEncoding { rotation, ..FloatEncoding::new(Clip::L2(1.0), 16) }), Dtype::F32),
            false => (Encoding::Integer { min: i64::MIN, max: i64::MAX }, Dtype::I64),
        };
        if let Ok(manifest) = Manifest::new(vec![TensorSpec { name: "t".into(), shape, dtype }]) {
            let spec = TaskSpec { manifest, encoding, ..task(INTEGER).into_spec() };
            if let Ok(task) = Task::new(spec) {
                prop_assert_eq!(Task::decode(task.encode()), Ok(task));
            }
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_another_task(position in 0_usize..142, byte: u8, integer: bool) {
        let task = task(if integer { INTEGER } else { FLOAT });
        let mut bytes = task.encode().to_vec();
        let position = position % bytes.len();
        bytes[position] = byte;
        if let Ok(found) = Task::decode(&bytes) {
            prop_assert_eq!(found.encode(), &bytes[..]);
            prop_assert_eq!(found.digest() == task.digest(), bytes == task.encode());
        }
    }

    #[test]
    fn reading_any_text_never_panics(text in "\\PC{0,200}") {
        prop_assert!(Task::from_toml(&text).is_err());
    }
}

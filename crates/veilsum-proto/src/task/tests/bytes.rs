use super::*;
use std::collections::BTreeSet;

// spec: [task.canonical], [task.digest]
#[test]
fn bytes_and_digests_of_small_tasks_are_fixed() {
    // The values come from a few lines of another language.
    for (text, bytes, digest) in [
        (FLOAT, FLOAT_BYTES, FLOAT_DIGEST),
        (INTEGER, INTEGER_BYTES, INTEGER_DIGEST),
        (&noisy(), NOISY_BYTES, NOISY_DIGEST),
        (&by_example(), BY_EXAMPLE_BYTES, BY_EXAMPLE_DIGEST),
    ] {
        assert_eq!(hex::encode(task(text).encode()), bytes);
        assert_eq!(task(text).digest().to_string(), digest);
        assert_eq!(Task::decode(&hex::decode(bytes).unwrap()), Ok(task(text)));
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
    let rotation = replaced(&float, "1001020601", "1002020601");
    assert_eq!(Task::decode(&rotation), code("rotation", 2, "0 or 1"));
    for rounding in [0, 3] {
        let bytes = replaced(&float, "1001020601", &format!("10010206{rounding:02x}"));
        let refused = code("rounding", rounding, "1 or 2");
        assert_eq!(Task::decode(&bytes), refused);
    }
    for unknown in [
        replaced(&float, "0101013ff8", "0100013ff8"), // encoding
        replaced(&float, "01013ff8", "01043ff8"),     // clip
        replaced(&float, "1001020601", "1001040601"), // range
        replaced(&float, "000001f402", "000001f403"), // corrupt
        replaced(&float, "0100000005", "0200000005"), // floor
    ] {
        assert!(matches!(Task::decode(&unknown), Err(TaskError::Codec(_))));
    }
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
        ("l2 = 1.5", "l1 = 1.5"),
        ("l2 = 1.5", "l2 = 1.25"),
        ("precision_bits = 16", "precision_bits = 17"),
        (
            "rotation = true",
            "rotation = false\nrange = { deviations = 6 }",
        ),
        ("rotation = true", "rotation = true\nrange = \"full\""),
        ("max_weight = 500", "max_weight = 501"),
        (
            "max_weight = 500",
            "max_weight = 500\nrounding = \"conditional\"",
        ),
        ("\"bias\"", "\"bia5\""),
        ("shape = [10]", "shape = [11]"),
        ("dtype = \"f32\"", "dtype = \"f16\""),
        ("", ""),
    ]
    .into_iter()
    .map(|(from, to)| task(&FLOAT.replacen(from, to, 1)).digest())
    .collect();
    let distinct: BTreeSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
    assert_eq!(digests.last().unwrap().to_string(), FLOAT_DIGEST);
}

const FLOAT_BYTES: &str = "00010664696769747328046269617308000000000000000a010677656967687410000000000000000a\
    00000000000000400101013ff80000000000001001020601000001f40200000001010000000000000001010100000005010200000000\
    0300";
const FLOAT_DIGEST: &str = "22980489e1fa766696b491c6d6fa3c34a03bd365b8109c589203dcaca9f9a057";
const INTEGER_BYTES: &str = "000106636f756e747304016e000802fffffffffffffffd00000000000003e8010000000000000019\
    0202000000000003000000420101000003e80000000100";
const INTEGER_DIGEST: &str = "9324185f14ab8a3a863ef663ec5748ef819929413fb433753feb490d91fadef4";
const NOISY_BYTES: &str = "00010664696769747328046269617308000000000000000a010677656967687410000000000000000a\
    00000000000000400101013ff8000000000000100102060200000001020000000101000000000000000101010000000501020000000003\
    010200000000002625a50103020100000000000000000106";
const NOISY_DIGEST: &str = "f241481efca1830469f4e0e92cca401dbe31cc12f1ec56d700da673501f9806a";
const BY_EXAMPLE_BYTES: &str = "00010664696769747328046269617308000000000000000a02067765696768741000000000000000\
    0a00000000000000400201023ff80000000000001000010100000001020000000101000000000000\
    000101010000000501020000000003010101b69b4ba630f34e1102010201033fd000000000000000\
    0000000000000112";
const BY_EXAMPLE_DIGEST: &str = "a92c12eb7366c100d6fca055c62647aff25612d0e318d95ffd45fa7fc2f43375";

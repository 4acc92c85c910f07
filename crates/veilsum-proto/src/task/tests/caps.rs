use super::*;
use veilsum_encode::{Dtype, TensorSpec};

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

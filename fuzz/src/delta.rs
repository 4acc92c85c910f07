//! Deltas between models: what a peer sends leads to the model that it names or to an error in words; every step that was made
//! goes both ways, and steps that were merged lead where the steps led.

use crate::source::{Source, expand};
use std::fmt::Display;
use veilsum_encode::{Tensor, TensorData, Tensors};
use veilsum_learn::delta::{Delta, History, Sync};
use veilsum_learn::{Checkpoint, Model, ServerState};

/// Bytes from a peer or from the disk; models of one form and the steps between them.
pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    match source.below(4) {
        0 => stored(source.rest()),
        1 => received(&mut source),
        _ => stepped(&mut source),
    }
}

/// What a coordinator reads from its own disk.
fn stored(bytes: &[u8]) {
    if let Some(checkpoint) = told(Checkpoint::from_bytes(bytes)) {
        let written = checkpoint.to_bytes().expect("what was read can be written");
        assert_eq!(written, bytes, "decode is not the inverse of encode");
    }
    if let Some(state) = told(ServerState::from_bytes(bytes)) {
        let written = state.to_bytes().expect("what was read can be written");
        let again = ServerState::from_bytes(&written).expect("what was written can be read");
        assert_eq!(again.to_bytes().expect("twice"), written);
    }
}

/// Any bytes, for a member with a model; also under an id that would fit, as a coordinator that lies sends them.
fn received(source: &mut Source) {
    let have = base();
    let (fitting, to) = (source.below(2) == 0, source.array::<40>());
    let packed = source.rest();
    let bytes = match fitting {
        true => {
            let from = [&have.version().to_le_bytes()[..], &have.digest().0].concat();
            let length = (packed.len() as u64).to_le_bytes();
            [LABEL, &from, &to, &length, packed].concat()
        }
        false => packed.to_vec(),
    };
    if let Some(delta) = Delta::from_bytes(&bytes) {
        assert_eq!(
            delta.to_bytes(),
            bytes,
            "decode is not the inverse of encode"
        );
        if let Some(model) = told(delta.apply(&have)) {
            assert_eq!(model.id(), delta.end());
            assert_eq!(delta.undo(&model).expect("the way back"), have);
        }
        told(delta.undo(&have));
        told(delta.then(&delta, have.tensors()));
    }
    let sync = Sync::from_bytes(bytes.clone());
    assert_eq!(sync.bytes(), bytes);
    for have in [None, Some(&have)] {
        if let Some(model) = told(sync.follow(have)) {
            let same = sync.apply(have, model.id()).expect("the model it leads to");
            assert_eq!(same.digest(), model.digest());
        }
    }
}

/// A few versions of one form, and a history that keeps some of the steps.
fn stepped(source: &mut Source) {
    let count = 2 + source.below(4);
    let keep = source.below(5);
    let form = (0..1 + source.below(3)).map(|_| (source.below(12), source.below(9) as u64));
    let form = form.collect::<Vec<_>>();
    let models = (0..count as u64).map(|version| {
        let tensors = form.iter().enumerate().map(|(index, (dtype, length))| {
            let data = values(*dtype, *length, source);
            (
                format!("t{index}"),
                Tensor {
                    shape: vec![*length],
                    data,
                },
            )
        });
        Model::new(version, tensors.collect()).ok()
    });
    // A tensor without values is no tensor of a model.
    let Some(models) = models.collect::<Option<Vec<_>>>() else {
        return;
    };
    let steps = models.windows(2).map(|pair| {
        let step = Delta::between(&pair[0], &pair[1]).expect("the next of the same form");
        assert_eq!(same(&step.apply(&pair[0])), pair[1].id());
        assert_eq!(same(&step.undo(&pair[1])), pair[0].id());
        assert_eq!(Delta::from_bytes(&step.to_bytes()).as_ref(), Some(&step));
        assert!(Delta::between(&pair[1], &pair[0]).is_err(), "backwards");
        step
    });
    let steps = steps.collect::<Vec<_>>();
    let (first, last) = (&models[0], &models[count - 1]);
    let merged = steps[1..].iter().fold(steps[0].clone(), |sum, step| {
        sum.then(step, first.tensors()).expect("steps in a row")
    });
    assert_eq!(same(&merged.apply(first)), last.id());
    assert_eq!(same(&merged.undo(last)), first.id());
    let mut history = History::new(first.clone(), keep).expect("a model");
    for model in &models[1..] {
        history.push(model.clone()).expect("the next");
    }
    assert_eq!(history.reach(), keep.min(count - 1));
    for have in models.iter().map(Some).chain([None]) {
        let sync = history
            .sync(have.map(Model::id))
            .expect("own steps")
            .clone();
        assert_eq!(same(&sync.apply(have, last.id())), last.id());
        let cut = source.below(1 + sync.bytes().len());
        let mut other = sync.bytes().to_vec();
        other.truncate(cut);
        // A list that ends early may lead to an earlier version, never to this one.
        let other = Sync::from_bytes(other);
        assert!(cut == sync.bytes().len() || told(other.apply(have, last.id())).is_none());
    }
    let resumed = History::resume(last.clone(), steps, keep, |_| {}).expect("a model");
    assert_eq!(resumed.reach(), keep.min(count - 1));
}

fn same(outcome: &Result<Model, impl Display>) -> veilsum_learn::ModelId {
    match outcome {
        Ok(model) => model.id(),
        Err(error) => panic!("a step that was made is refused: {error}"),
    }
}

/// The model of a member that answers come to.
pub fn base() -> Model {
    let tensor = |shape: &[u64], data| Tensor {
        shape: shape.to_vec(),
        data,
    };
    let tensors = Tensors::from([
        (
            "b".to_owned(),
            tensor(&[2], TensorData::F64(vec![0.5, -1.0])),
        ),
        ("i".to_owned(), tensor(&[], TensorData::I16(vec![7]))),
        (
            "w".to_owned(),
            tensor(&[2, 2], TensorData::F32(vec![1.0, 2.0, 3.0, 4.0])),
        ),
    ]);
    Model::new(3, tensors).expect("filled tensors")
}

/// Values near each other as a rule, as those of models after a round are.
fn values(dtype: usize, length: u64, source: &mut Source) -> TensorData {
    let (seed, near) = (u64::from(source.byte()), source.below(3) != 0);
    let words = expand(seed).take(length as usize);
    let words = words.map(|word| if near { word % 5 } else { word });
    match dtype {
        0 => TensorData::F32(words.map(|word| f32::from_bits(word as u32)).collect()),
        1 => TensorData::F64(words.map(f64::from_bits).collect()),
        2 => TensorData::I8(words.map(|word| word as i8).collect()),
        3 => TensorData::I16(words.map(|word| word as i16).collect()),
        4 => TensorData::I32(words.map(|word| word as i32).collect()),
        5 => TensorData::I64(words.map(|word| word as i64).collect()),
        6 => TensorData::U8(words.map(|word| word as u8).collect()),
        7 => TensorData::U16(words.map(|word| word as u16).collect()),
        8 => TensorData::U32(words.map(|word| word as u32).collect()),
        _ => TensorData::U64(words.collect()),
    }
}

fn told<T>(outcome: Result<T, impl Display>) -> Option<T> {
    outcome
        .map_err(|error| assert!(!error.to_string().is_empty()))
        .ok()
}

const LABEL: &[u8] = b"veilsum/v1 deltas\0";

//! Deltas between consecutive versions, and members that were away.

use proptest::prelude::*;
use veilsum_encode::{Tensor, TensorData, Tensors};

use super::*;
use crate::files::testing::every_type;
use crate::{LocalSgd, LocalTrainer, Network, RunSeed, digits, plain_round};

const NETWORK: Network = Network::Softmax {
    inputs: 64,
    classes: 10,
};

#[test]
fn steps_are_exact_for_every_type() {
    // spec: [delta.rank] [delta.zigzag] [delta.planes]
    for (index, data) in every_type().into_iter().enumerate() {
        let mut turned = to_le_bytes_of(&data);
        turned.reverse();
        let reversed = crate::tensors::from_le_bytes(data.dtype(), &turned);
        let (before, after) = (model(0, data), model(1, reversed));
        let step = Delta::between(&before, &after).unwrap();
        let found = step.apply(&before).unwrap();
        assert_eq!(found.id(), after.id(), "type {index}");
    }
}

#[test]
fn nan_infinity_and_negative_zero_keep_their_bits() {
    let before = [0.0, -0.0, f32::NAN, f32::INFINITY, 1.0, -f32::NAN];
    let after = [-0.0, 0.0, f32::MIN, f32::NAN, -1.0, 1e-45];
    let [before, after] = [before, after].map(|values| TensorData::F32(values.to_vec()));
    let (before, after) = (model(3, before), model(4, after));
    let step = Delta::between(&before, &after).unwrap();
    assert_eq!(step.apply(&before).unwrap().id(), after.id());
    let back = Model::new(5, before.tensors().clone()).unwrap();
    let step = Delta::between(&after, &back).unwrap();
    assert_eq!(step.apply(&after).unwrap().id(), back.id());
}

/// The planes were written down by hand: values 1.0 and -2.0, one unit up and one unit of the last place away from zero.
#[test]
fn planes_of_a_small_step_are_pinned() {
    // spec: [delta.rank] [delta.zigzag] [delta.planes]
    let up = f32::from_bits(1.0_f32.to_bits() + 1);
    let down = f32::from_bits((-2.0_f32).to_bits() + 1);
    let before = model(0, TensorData::F32(vec![1.0, -2.0]));
    let after = model(1, TensorData::F32(vec![up, down]));
    let step = Delta::between(&before, &after).unwrap();
    let planes = miniz_oxide::inflate::decompress_to_vec(&step.packed).unwrap();
    assert_eq!(planes, [2, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn steps_over_versions_and_forms_are_refused() {
    // spec: [delta.step]
    let ones = |version, count| model(version, TensorData::U8(vec![1; count]));
    for (before, after) in [(2, 1), (1, 1), (u64::MAX, 0)] {
        let refused = Delta::between(&ones(before, 2), &ones(after, 2));
        assert!(matches!(refused, Err(DeltaError::Version { .. })));
    }
    let refused = Delta::between(&ones(0, 2), &ones(1, 3));
    assert!(matches!(refused, Err(DeltaError::Form(_))));
    let step = Delta::between(&ones(0, 2), &ones(1, 2)).unwrap();
    // spec: [delta.base]
    assert!(matches!(
        step.apply(&ones(1, 2)),
        Err(DeltaError::Base { .. })
    ));
}

#[test]
fn a_bomb_is_stopped_at_the_size_of_the_model() {
    // spec: [delta.bomb]
    let before = model(0, TensorData::U8(vec![0; 100]));
    let bomb = |length: usize| Delta {
        from: before.id(),
        to: ModelId {
            version: 1,
            ..before.id()
        },
        packed: miniz_oxide::deflate::compress_to_vec(&vec![0; length], 9),
    };
    assert!(bomb(1 << 24).packed_len() < 1 << 15);
    for length in [0, 99, 101, 1 << 24] {
        let refused = bomb(length).apply(&before);
        assert!(matches!(
            refused,
            Err(DeltaError::Packed {
                from: 0,
                wanted: 100
            })
        ));
    }
    assert_eq!(bomb(100).apply(&before).unwrap().version(), 1);
    let mut rest = bomb(100);
    rest.packed.push(0);
    assert!(matches!(
        rest.apply(&before),
        Err(DeltaError::Packed { .. })
    ));
}

#[test]
fn member_away_for_five_rounds_has_the_same_bits() {
    // spec: [sync.choice] [sync.end] [delta.verify]
    let models = trained(7);
    let mut history = History::new(models[0].clone(), 6).unwrap();
    let mut always_there = models[0].clone();
    for next in &models[1..] {
        history.push(next.clone()).unwrap();
        let answer = history.sync(Some(always_there.id())).unwrap();
        assert!(matches!(answer, Sync::Deltas(_)), "one step is smaller");
        always_there = answer.apply(Some(&always_there), next.id()).unwrap();
    }
    let newest = models.last().unwrap();
    for away in 0..=7 {
        let have = &models[7 - away];
        let answer = Sync::from_bytes(history.sync(Some(have.id())).unwrap().bytes().to_vec());
        let found = answer.apply(Some(have), newest.id()).unwrap();
        assert_eq!(
            found.to_bytes().unwrap(),
            always_there.to_bytes().unwrap(),
            "away {away}"
        );
    }
}

#[test]
fn step_of_one_round_and_of_five_is_smaller_than_the_model() {
    let models = trained(10);
    let sizes: Vec<usize> = models
        .windows(2)
        .map(|pair| Delta::between(&pair[0], &pair[1]).unwrap().packed_len())
        .collect();
    let full = models[0].to_bytes().unwrap().len();
    let merged = Delta::between(&models[5], &models[10])
        .unwrap()
        .packed_len();
    println!("full {full}, steps {sizes:?}, five at once {merged}");
    assert!(sizes[9] * 10 < full * 7 && merged * 10 < full * 7);
}

#[test]
fn too_far_behind_other_digest_and_no_model_get_the_whole_model() {
    // spec: [sync.choice]
    let mut history = History::new(counting(0), 3).unwrap();
    for version in 1..=5 {
        history.push(counting(version)).unwrap();
    }
    assert_eq!(history.reach(), 3);
    let mut is_full = |from| matches!(history.sync(from), Ok(Sync::Full(_)));
    assert!(is_full(None));
    assert!(is_full(Some(counting(1).id())));
    assert!(!is_full(Some(counting(2).id())));
    assert!(!is_full(Some(counting(5).id())));
    let mut foreign = counting(4).id();
    foreign.digest.0[0] ^= 1;
    assert!(is_full(Some(foreign)));
    foreign.version = 9;
    assert!(is_full(Some(foreign)));
    let full = history
        .sync(None)
        .unwrap()
        .apply(None, counting(5).id())
        .unwrap();
    assert_eq!(full, counting(5));
}

#[test]
fn a_step_is_undone_to_the_bit() {
    let before = mixed(3, &[0, 7, u32::MAX]);
    let after = mixed(4, &[1, 0x8000_0000, 2]);
    let step = Delta::between(&before, &after).unwrap();
    let undone = step.undo(&after).unwrap();
    assert_eq!(undone.to_bytes().unwrap(), before.to_bytes().unwrap());
    assert!(matches!(step.undo(&before), Err(DeltaError::Base { .. })));
    assert_eq!(Delta::from_bytes(&step.to_bytes()), Some(step));
    assert_eq!(Delta::from_bytes(&to_bytes(counting(0).id(), [])), None);
}

// spec: [sync.choice]
#[test]
fn a_history_read_from_steps_answers_like_the_one_that_made_them() {
    let models = trained(6);
    let (first, others) = models.split_first().unwrap();
    let mut lived = History::new(first.clone(), 4).unwrap();
    let mut steps = Vec::new();
    for next in others {
        lived.push(next.clone()).unwrap();
        steps.push(lived.last_step().unwrap().clone());
    }
    let newest = models.last().unwrap().clone();
    let mut seen = Vec::new();
    let read = History::resume(newest.clone(), steps.clone(), 4, |model| {
        seen.push(model.id())
    });
    let read = read.unwrap();
    assert_eq!((read.reach(), lived.reach()), (4, 4));
    assert_eq!(
        seen,
        [5, 4, 3, 2].map(|version: usize| models[version].id())
    );
    for have in &models {
        assert_eq!(
            read.deltas(have.id()).unwrap(),
            lived.deltas(have.id()).unwrap()
        );
        if let Some(deltas) = read.deltas(have.id()).unwrap() {
            let followed = Sync::from_bytes(deltas).follow(Some(have)).unwrap();
            assert_eq!(followed, newest);
        }
    }

    // a step that is damaged, or missing, ends the history
    let mut damaged = steps.clone();
    damaged[3].packed = vec![0];
    for (steps, reach) in [
        (damaged, 2),
        ([&steps[..4], &steps[5..]].concat(), 1),
        (vec![], 0),
    ] {
        let read = History::resume(newest.clone(), steps, 4, |_| {}).unwrap();
        assert_eq!(read.reach(), reach);
    }
}

#[test]
fn whole_model_is_chosen_when_it_is_smaller() {
    // spec: [sync.choice]
    let random = |version: u64| {
        let mut rng = RunSeed(version).rng("test", &[]);
        let values = (0..1 << 17).map(|_| rng.next_u64());
        model(version, TensorData::U64(values.collect()))
    };
    let mut history = History::new(random(0), 9).unwrap();
    history.push(random(1)).unwrap();
    assert!(matches!(
        history.sync(Some(random(0).id())),
        Ok(Sync::Full(_))
    ));
}

#[test]
fn model_of_another_form_starts_anew_and_wrong_versions_change_nothing() {
    let mut history = History::new(counting(0), 3).unwrap();
    history.push(counting(1)).unwrap();
    for version in [1, 3] {
        assert!(history.push(counting(version)).is_err());
        assert!(
            history
                .push(model(version, TensorData::U8(vec![1])))
                .is_err()
        );
        assert_eq!((history.newest().version(), history.reach()), (1, 1));
    }
    history.push(model(2, TensorData::U8(vec![1]))).unwrap();
    assert_eq!(history.reach(), 0);
    assert!(matches!(
        history.sync(Some(counting(1).id())),
        Ok(Sync::Full(_))
    ));
}

#[test]
fn deltas_without_a_model_and_to_another_end_are_refused() {
    // spec: [sync.end]
    let mut history = History::new(counting(0), 3).unwrap();
    history.push(counting(1)).unwrap();
    let answer = history.sync(Some(counting(0).id())).unwrap();
    let refused = answer.apply(None, counting(1).id());
    assert!(matches!(refused, Err(DeltaError::NoBase)));
    let refused = answer.apply(Some(&counting(0)), counting(2).id());
    assert!(matches!(refused, Err(DeltaError::End { .. })));
    let refused = answer.apply(Some(&counting(1)), counting(1).id());
    assert!(matches!(refused, Err(DeltaError::Base { .. })));
    let refused = Sync::Full(counting(1).to_bytes().unwrap()).apply(None, counting(2).id());
    assert!(matches!(refused, Err(DeltaError::End { .. })));
}

#[test]
fn a_list_of_more_steps_than_allowed_is_refused() {
    // spec: [delta.count]
    let models: Vec<Model> = (0..66).map(counting).collect();
    let steps: Vec<Delta> = models
        .windows(2)
        .map(|pair| Delta::between(&pair[0], &pair[1]).unwrap())
        .collect();
    let list = |count: usize| {
        let answer = Sync::Deltas(to_bytes(models[0].id(), &steps[..count]));
        answer.apply(Some(&models[0]), models[count].id())
    };
    assert_eq!(list(MAX_STEPS).unwrap(), models[MAX_STEPS]);
    let refused = list(MAX_STEPS + 1);
    assert!(matches!(refused, Err(DeltaError::Steps { wanted: 64 })));
}

#[test]
fn a_million_values_take_a_step_in_seconds() {
    let values = |shift: u32| {
        TensorData::F32(
            (0..1_000_000)
                .map(|index| (index ^ shift) as f32 * 1e-6)
                .collect(),
        )
    };
    let (before, after) = (model(0, values(0)), model(1, values(5)));
    let start = cpu_time::ProcessTime::now();
    let step = Delta::between(&before, &after).unwrap();
    let made = start.elapsed();
    assert_eq!(step.apply(&before).unwrap().id(), after.id());
    println!(
        "made in {made:?}, made and applied in {:?}, {} bytes",
        start.elapsed(),
        step.packed_len()
    );
    assert!(start.elapsed().as_secs() < 5);
}

proptest! {
    #[test]
    fn any_sequence_of_versions_is_followed_from_anywhere(
        versions in prop::collection::vec(prop::collection::vec(any::<u32>(), 6), 1..9),
        keep in 0_usize..9,
    ) {
        // spec: [delta.verify] [delta.bytes] [delta.merge]
        let models: Vec<Model> = (0..).zip(&versions).map(|(version, bits)| mixed(version, bits)).collect();
        let mut history = History::new(models[0].clone(), keep).unwrap();
        for next in &models[1..] {
            history.push(next.clone()).unwrap();
        }
        let newest = models.last().unwrap().id();
        for have in &models {
            let answer = Sync::from_bytes(history.sync(Some(have.id())).unwrap().bytes().to_vec());
            prop_assert_eq!(answer.apply(Some(have), newest).unwrap().id(), newest);
        }
        // Whatever the sizes say: steps in a chain and merged lead to the same model.
        let steps: Vec<Delta> = models.windows(2).map(|pair| Delta::between(&pair[0], &pair[1]).unwrap()).collect();
        let chain = Sync::Deltas(to_bytes(models[0].id(), &steps));
        prop_assert_eq!(chain.apply(Some(&models[0]), newest).unwrap().id(), newest);
        if let Some((first, rest)) = steps.split_first() {
            let merged = rest.iter().fold(first.clone(), |merged, step| merged.then(step, models[0].tensors()).unwrap());
            prop_assert_eq!(merged.clone(), Delta::between(&models[0], models.last().unwrap()).unwrap());
        }
    }

    #[test]
    fn tampered_deltas_never_make_another_model(
        at in any::<prop::sample::Index>(), flip in 1_u8.., cut in any::<prop::sample::Index>(),
    ) {
        // spec: [delta.bytes] [delta.verify]
        let models: Vec<Model> = (0..4).map(counting).collect();
        let steps: Vec<Delta> = models.windows(2).map(|pair| Delta::between(&pair[0], &pair[1]).unwrap()).collect();
        let bytes = to_bytes(models[0].id(), &steps);
        let apply = |bytes: Vec<u8>| Sync::from_bytes(bytes).apply(Some(&models[0]), models[3].id());
        prop_assert_eq!(apply(bytes.clone()).unwrap(), models[3].clone());
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= flip;
        // Padding bits of the compressed stream may differ; the model may not.
        if let Ok(found) = apply(changed) {
            prop_assert_eq!(found, models[3].clone());
        }
        let shorter = bytes[..cut.index(bytes.len())].to_vec();
        prop_assert!(apply(shorter).is_err());
    }

    #[test]
    fn any_bytes_are_refused_without_panic(rest in prop::collection::vec(any::<u8>(), 0..300), labelled: bool) {
        let base = counting(0);
        let mut bytes = match labelled {
            true => to_bytes(base.id(), []),
            false => Vec::new(),
        };
        bytes.extend(rest);
        let wanted = counting(1).id();
        prop_assert!(Sync::from_bytes(bytes).apply(Some(&base), wanted).is_err());
    }
}

fn trained(rounds: u64) -> Vec<Model> {
    let data = digits::load().unwrap();
    let parts = data.split_by_label(12, RunSeed(1)).unwrap();
    let mut members: Vec<LocalTrainer> = (0..)
        .zip(parts)
        .take(3)
        .map(|(member, part)| {
            LocalTrainer::new(part, LocalSgd::DIGITS, RunSeed(1), member).unwrap()
        })
        .collect();
    let mut models = vec![Model::new(0, NETWORK.init(RunSeed(1))).unwrap()];
    for round in 1..=rounds {
        let next = plain_round(models.last().unwrap(), &mut members, round).unwrap();
        models.push(next);
    }
    models
}

fn counting(version: u64) -> Model {
    let values = (0..50).map(|index| index as f32 + version as f32 / 1024.0);
    model(version, TensorData::F32(values.collect()))
}

fn mixed(version: u64, bits: &[u32]) -> Model {
    let floats = bits.iter().copied().map(f32::from_bits).collect();
    let bytes = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let tensors = [
        ("a", TensorData::F32(floats)),
        ("b", TensorData::U8(bytes)),
        (
            "c",
            TensorData::I32(bits.iter().map(|&bits| bits as i32).collect()),
        ),
    ];
    Model::new(
        version,
        tensors
            .into_iter()
            .flat_map(|(name, data)| one(name, data))
            .collect(),
    )
    .unwrap()
}

fn model(version: u64, data: TensorData) -> Model {
    Model::new(version, one("w", data)).unwrap()
}

fn one(name: &str, data: TensorData) -> Tensors {
    let shape = vec![data.len() as u64];
    Tensors::from([(name.to_owned(), Tensor { shape, data })])
}

fn to_le_bytes_of(data: &TensorData) -> Vec<u8> {
    data.to_le_bytes()
}

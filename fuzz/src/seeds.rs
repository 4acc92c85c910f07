//! What the fuzzer starts from: inputs that reach deep, made by the code that is fuzzed.

use crate::coordinator::operation as coordinator;
use crate::federation::{MEMBERS, Parcel, Remembered, World};
use crate::member::operation as member;
use crate::roster::AUTHORITY_SEED;
use std::collections::{BTreeMap, BTreeSet};
use veilsum_encode::{Tensor, TensorData, Tensors};
use veilsum_learn::files::NPY_TENSOR;
use veilsum_learn::stats::{Inquiry, Kind, Parameters, Query};
use veilsum_learn::{Delta, FileKind, Job, Model};
use veilsum_proto::abort::Abort;
use veilsum_proto::coordinator::Coordinator;
use veilsum_proto::ids::Slot;
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::message::{AbortNotice, FaultNotice, Message};
use veilsum_proto::task::Task;
use veilsum_sim::Federation;

/// Named inputs of one target.
pub type Seeds = Vec<(String, Vec<u8>)>;

/// All seeds, by target; the same in every run.
pub fn all() -> Vec<(&'static str, Seeds)> {
    vec![
        ("blocks", blocks()),
        ("coordinator", coordinator_scripts()),
        ("delta", deltas()),
        ("encode", encodings()),
        ("files", files()),
        ("member", member_scripts()),
        ("message", messages()),
        ("noise", noises()),
        ("roster", rosters()),
        ("sum", sums()),
        ("task", tasks()),
        ("terms", terms()),
    ]
}

/// One message of each type, from a round in which one member drops out and another goes silent.
fn messages() -> Seeds {
    let world = World::get();
    let mut machine = Coordinator::open(world.context.clone());
    let mut members = world.slots().map(Remembered::new).collect::<Vec<_>>();
    let mut found = BTreeMap::new();
    let keep = |found: &mut BTreeMap<&'static str, Vec<u8>>, message: &Message| {
        found
            .entry(message.body.name())
            .or_insert_with(|| message.encode());
    };
    loop {
        let phase = machine.phase().text();
        let silent = match phase {
            "reveal" | "recover" => Some(Slot(3)),
            _ => None,
        };
        for slot in world.slots().filter(|slot| Some(*slot) != silent) {
            // One trip more in Upload: the update is acknowledged.
            for _ in 0..2 {
                let Some(message) = machine.message_for(slot) else {
                    break;
                };
                keep(&mut found, &message);
                let parcels = members[slot.index()].receive(&message).parcels;
                // Slot 5 deals and accepts, and never uploads.
                let parcels = parcels
                    .into_iter()
                    .filter(|_| !(slot == Slot(5) && phase == "upload"));
                for parcel in parcels {
                    match parcel {
                        Parcel::Message(message) => {
                            keep(&mut found, &message);
                            machine.receive(slot, &message).expect("honest");
                        }
                        Parcel::Update(bytes) => {
                            let update = MaskedUpdate::from_le_bytes(&bytes).expect("whole limbs");
                            machine.receive_update(slot, &update).expect("honest");
                        }
                    }
                }
            }
        }
        machine = match machine.close(&mut Vec::new()) {
            Coordinator::Finished(finished) => {
                let receipt = finished.receipt(world.federation.coordinator());
                keep(&mut found, &Message::new(receipt));
                break;
            }
            Coordinator::Aborted(abort) => panic!("an honest round: {abort}"),
            next => next,
        };
    }
    let abort = Abort::BelowQuorum { got: 1, want: 4 };
    keep(
        &mut found,
        &Message::new(AbortNotice {
            task: world.context.task_digest,
            round: world.context.round,
            attempt: world.context.attempt,
            reason: abort.kind().into(),
            text: abort.to_string().into_bytes(),
        }),
    );
    keep(
        &mut found,
        &Message::new(FaultNotice {
            kind: b"signature".to_vec(),
            text: b"signature does not verify".to_vec(),
        }),
    );
    named(found)
}

fn tasks() -> Seeds {
    let texts = [
        ("integer", INTEGER_TASK),
        ("float", FLOAT_TASK),
        ("rotated", ROTATED_TASK),
    ];
    let mut seeds = Seeds::new();
    for (name, text) in texts {
        let task = Task::from_toml(text).expect("a task");
        seeds.push((format!("{name}-text"), text.into()));
        seeds.push((format!("{name}-written"), task.to_toml().into_bytes()));
        seeds.push((format!("{name}-bytes"), task.encode().to_vec()));
    }
    seeds
}

fn rosters() -> Seeds {
    let mut seeds = Seeds::new();
    for members in [1, 3] {
        let federation = Federation::new(members, AUTHORITY_SEED).expect("a few members");
        let roster = federation.roster();
        let draft = Federation::new(members, AUTHORITY_SEED).expect("a few members");
        let draft = veilsum_proto::roster::Roster::clone(draft.roster()).into_draft();
        seeds.push((format!("signed-{members}"), roster.to_toml().into_bytes()));
        seeds.push((format!("draft-{members}"), draft.to_toml().into_bytes()));
    }
    seeds
}

fn files() -> Seeds {
    let tensor = |shape: &[u64], data| Tensor {
        shape: shape.to_vec(),
        data,
    };
    let tensors = Tensors::from([
        (
            "layer.bias".to_owned(),
            tensor(&[2], TensorData::F64(vec![0.5, -1.0])),
        ),
        (
            "layer.weight".to_owned(),
            tensor(&[2, 2], TensorData::F32(vec![1.0, 2.0, 3.0, 4.0])),
        ),
        ("steps".to_owned(), tensor(&[], TensorData::I64(vec![7]))),
    ]);
    let one = |data| Tensors::from([(NPY_TENSOR.to_owned(), tensor(&[3, 1], data))]);
    let npy = |data| FileKind::Npy.encode(&one(data)).expect("one tensor");
    let fortran = npy(TensorData::F32(vec![1.0, 2.0, 3.0]));
    let fortran = String::from_utf8_lossy(&fortran[10..fortran.len() - 12])
        .replace("False", "True ")
        .into_bytes();
    let fortran = [
        &npy(TensorData::F32(vec![1.0; 3]))[..10],
        &fortran,
        &[0; 12],
    ]
    .concat();
    let model = Model::new(3, tensors.clone()).expect("filled tensors");
    vec![
        (
            "tensors.safetensors".to_owned(),
            FileKind::Safetensors.encode(&tensors).expect("tensors"),
        ),
        (
            "model.safetensors".to_owned(),
            model.to_bytes().expect("a model"),
        ),
        ("f32.npy".to_owned(), npy(TensorData::F32(vec![1.0; 3]))),
        ("u8.npy".to_owned(), npy(TensorData::U8(vec![1, 2, 3]))),
        ("i64.npy".to_owned(), npy(TensorData::I64(vec![-1, 0, 1]))),
        ("fortran.npy".to_owned(), fortran),
    ]
}

fn blocks() -> Seeds {
    let counted = |from: u8| (from..=255).chain(0..from).collect::<Vec<_>>();
    vec![
        ("counted".to_owned(), counted(0)),
        ("counted-on".to_owned(), counted(101)),
        ("ones".to_owned(), vec![255; 256]),
        ("long".to_owned(), [counted(3), counted(58)].concat()),
    ]
}

fn sums() -> Seeds {
    let mut seeds = blocks();
    // 100 lanes; integers from -128 to less than 2^16 above; 10 enrolled, no noise, three contributors; possible lanes.
    let mut integers = vec![4, 99, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 47];
    integers.extend([1, 10, 1, 3, 1, 9, 9, 9]);
    seeds.push(("integers".to_owned(), integers.clone()));
    // The same over more than a block.
    let wide = [&[15, 15][..], &integers[2..]].concat();
    seeds.push(("integers-wide".to_owned(), wide));
    // 11 coordinates clipped to an L-infinity of 2; 16 bits, rotated, the full range, weights up to 100; 12 enrolled.
    let mut weighted = vec![4, 10, 2, 1, 32, 1, 16, 0, 1, 0, 100, 0, 0, 0];
    weighted.extend([0, 1, 12, 1, 5, 1, 7, 7, 7]);
    seeds.push(("weighted".to_owned(), weighted));
    seeds
}

fn encodings() -> Seeds {
    // 100 integers from -128 to less than 2^16 above, or floats; 12 enrolled, no noise; two members of each kind of values.
    let values = |kind: u8| [1, 0, 5, kind, 20, 0, 9, kind, 20];
    let integers = [4, 99, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 47];
    let float = |clip: u8, rotation: u8, dtype: u8| {
        let clip = [4, 40, 2, 1, 32, clip, 16, rotation, 1];
        [&clip[..], &[1, dtype]].concat()
    };
    let enrolled = [1, 12, 1];
    let mut seeds = Seeds::new();
    for kind in 0..4 {
        let all = [&integers[..], &enrolled, &values(kind)].concat();
        seeds.push((format!("integers-{kind}"), all));
        for (name, clip) in [("l2", 0), ("linf", 1), ("l1", 2), ("conditional", 3)] {
            for rotation in 0..2 {
                let dtype = kind;
                let all = [&float(clip, rotation, dtype)[..], &enrolled, &values(kind)].concat();
                seeds.push((format!("{name}-{rotation}-{kind}"), all));
            }
        }
    }
    seeds
}

fn noises() -> Seeds {
    let mut seeds = Seeds::new();
    // A law of a number or two, drawn with a key from somewhere on.
    let draws = [9, 255, 255, 0, 0, 0, 0, 0, 0, 20, 30];
    let laws: [(&str, &[u8]); 7] = [
        ("laplace", &[1, 0, 3, 20, 3, 1]),
        ("polya", &[1, 0, 3, 20, 9, 1, 7]),
        ("polya-sum", &[1, 0, 3, 20, 9, 5, 2]),
        ("digits", &[1, 0, 1, 194, 1, 0, 0, 3, 1]),
        ("skellam", &[1, 1, 3, 50]),
        ("gaussian", &[1, 2, 3, 100]),
        ("gaussian-wide", &[1, 2, 1, 0, 0, 40, 0]),
    ];
    for (name, law) in laws {
        seeds.push((name.to_owned(), [law, &draws].concat()));
    }
    // The same as targets of 10 members of which 3 may vanish and 1 is corrupt.
    for (name, law) in [
        ("laplace", [0, 0, 3, 50]),
        ("skellam", [0, 1, 3, 50]),
        ("gaussian", [0, 2, 3, 50]),
    ] {
        for sharing in 0..3 {
            let all = [&law[..], &[10, 3, 1, sharing]].concat();
            seeds.push((format!("{name}-shared-{sharing}"), all));
        }
    }
    seeds
}

fn deltas() -> Seeds {
    let base = crate::delta::base();
    let later = Model::new(4, base.tensors().clone()).expect("the same values");
    let step = Delta::between(&base, &later).expect("a later version");
    let whole = later.to_bytes().expect("a model");
    let packed = step.to_bytes();
    // Behind the label and the model that it starts from.
    let fitting = &packed[packed.len() - step.packed_len() - 48..];
    let fitting = [&fitting[..40], &fitting[48..]].concat();
    let mut seeds: Seeds = vec![
        ("list".to_owned(), [&[1, 1], &packed[..]].concat()),
        ("fitting".to_owned(), [&[1, 0], &fitting[..]].concat()),
        ("whole".to_owned(), [&[1, 1], &whole[..]].concat()),
    ];
    for dtype in 0..12 {
        // Three versions of a tensor of nine values, two steps kept.
        seeds.push((
            format!("steps-{dtype}"),
            vec![2, 1, 2, 0, dtype, 8, 1, 1, 7, 1, 90, 1, 3],
        ));
    }
    seeds
}

fn terms() -> Seeds {
    let queries = [
        Kind::Count,
        Kind::Sum,
        Kind::Mean,
        Kind::Variance,
        Kind::Histogram,
        Kind::Quantile,
    ];
    let mut seeds: Seeds = queries
        .into_iter()
        .map(|kind| {
            let columns = if kind == Kind::Count {
                vec![]
            } else {
                vec!["age".to_owned()]
            };
            let mut parameters = Parameters::new(kind, columns, 100);
            match kind {
                Kind::Count => {}
                Kind::Sum | Kind::Mean | Kind::Variance => parameters.bounds = vec![[0.0, 120.0]],
                Kind::Histogram => parameters.edges = vec![0.0, 40.0, 80.0],
                Kind::Quantile => {
                    parameters.bounds = vec![[0.0, 120.0]];
                    parameters.quantile = Some(0.5);
                }
            }
            let query = Query::new(parameters).expect("a query");
            let question = Inquiry::new(query).question().to_bytes();
            (format!("{kind:?}").to_lowercase(), question)
        })
        .collect();
    seeds.push(("job".to_owned(), Job::example().into()));
    seeds.push(("job-short".to_owned(), JOB.into()));
    seeds
}

fn coordinator_scripts() -> Seeds {
    use coordinator::{
        ALL, CHEAT, CLOSE, GARBAGE, HOLD, LIE, MUTATE, ONE, PHASE, REPLAY, STEAL, VECTOR,
    };
    let mut seeds = Seeds::new();
    let mut push = |name: &str, script: Vec<u8>| seeds.push((name.to_owned(), script));
    push("honest", vec![PHASE; 6]);
    // One member is absent in one phase, then there again or not.
    for phase in 0..6usize {
        let mut script = vec![PHASE; phase];
        (0..MEMBERS as u8 - 1).for_each(|slot| script.extend([ONE, slot]));
        script.push(CLOSE);
        push(&format!("absent-{phase}"), script);
        let early = [vec![PHASE; phase], vec![ONE, 1, CLOSE]].concat();
        push(&format!("closed-early-{phase}"), early);
        let tricks = [
            ("held", vec![HOLD, 2, REPLAY, 0, REPLAY, 0, ALL, REPLAY, 1]),
            ("stolen", vec![HOLD, 2, STEAL, 3, 0, ALL, STEAL, 1, 2]),
            (
                "mutated",
                vec![HOLD, 2, MUTATE, 0, 40, 1, MUTATE, 0, 70, 128],
            ),
            ("lied", vec![HOLD, 2, LIE, 0, 120, 1, LIE, 0, 150, 1]),
            ("cheated", vec![HOLD, 2, CHEAT, 0, 3, 0, CHEAT, 0, 1, 1]),
            (
                "garbage",
                vec![GARBAGE, 2, 9, 0, 0, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8],
            ),
            ("vector", vec![VECTOR, 1, 2, 7, ALL, VECTOR, 1, 2, 7]),
        ];
        for (name, trick) in tricks {
            let script = [vec![PHASE; phase], trick].concat();
            push(&format!("{name}-{phase}"), script);
        }
    }
    seeds
}

fn member_scripts() -> Seeds {
    use member::{CERTIFICATE, END, HONEST, MUTATED, REQUEST, SHARE_SET, STORED, SURVIVORS, TIME};
    let all = (1u8 << MEMBERS) - 1;
    let without_four = all & !(1 << 4);
    let honest = |scene: u8, count: u8| {
        (0..count)
            .flat_map(|index| [HONEST, scene, index])
            .collect::<Vec<_>>()
    };
    let mut seeds = Seeds::new();
    let mut push = |name: &str, parts: &[&[u8]]| seeds.push((name.to_owned(), parts.concat()));
    for scene in 0..3 {
        push(&format!("honest-{scene}"), &[&honest(scene, 9)]);
    }
    let uploaded = [honest(0, 3), vec![STORED]].concat();
    let dropped = [
        uploaded.clone(),
        vec![
            SURVIVORS,
            without_four,
            CERTIFICATE,
            without_four,
            without_four,
        ],
    ]
    .concat();
    push("root-of-dropped", &[&dropped, &[REQUEST, 0, 0, 4]]);
    push("self-of-dropped", &[&dropped, &[REQUEST, 0, 1, 4]]);
    push("self-of-survivor", &[&dropped, &[REQUEST, 0, 1, 3]]);
    push("both-of-one", &[&dropped, &[REQUEST, 1, 0, 4, 1, 4]]);
    push("all", &[&dropped, &[REQUEST, 3, 0, 4, 1, 1, 1, 2, 1, 3]]);
    push(
        "two-sets",
        &[&dropped, &[SURVIVORS, all, CERTIFICATE, all, all & !1]],
    );
    push(
        "without-me",
        &[
            &uploaded,
            &[SURVIVORS, all & !1, CERTIFICATE, all & !1, all & !1],
        ],
    );
    push(
        "cut",
        &[&honest(0, 2), &[SHARE_SET, all, 2, STORED, SURVIVORS, all]],
    );
    push(
        "two-share-sets",
        &[&honest(0, 3), &[SHARE_SET, without_four, 0]],
    );
    push(
        "mixed-scenes",
        &[&[HONEST, 0, 0, HONEST, 2, 1, HONEST, 0, 1, HONEST, 2, 2]],
    );
    push(
        "mutated",
        &[&[MUTATED, 0, 0, 200, 0, 0, 0, 1], &honest(0, 1)],
    );
    push("aborted", &[&honest(0, 2), &[END, 0, 0], &honest(0, 3)]);
    push("receipt", &[&dropped, &[END, 1, without_four, 0]]);
    push(
        "late",
        &[
            &uploaded,
            &[TIME, 255, TIME, 255, TIME, 255, SURVIVORS, all],
        ],
    );
    seeds
}

fn named(found: BTreeMap<&'static str, Vec<u8>>) -> Seeds {
    let names = found.keys().copied().collect::<BTreeSet<_>>();
    assert_eq!(
        names.len(),
        18,
        "a seed for each type of message: {names:?}"
    );
    found
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect()
}

const JOB: &str = "\
members = 5
rounds = 3
model = { mlp = 8 }
[data]
source = \"cancer\"
[algorithm]
name = \"dp-fedavg\"
clip = 0.5
[privacy]
epsilon = 4.0
";

const INTEGER_TASK: &str = "\
version = 1
name = \"counts\"
corrupt = 1
dropout = 2
graph = \"complete\"
max_attempts = 2
[encoding]
kind = \"integer\"
min = -5
max = 100
[[tensors]]
name = \"x\"
shape = [3]
dtype = \"i32\"
";

const FLOAT_TASK: &str = "\
version = 1
name = \"digits\"
corrupt = 0.1
dropout = 0.1
floor = 3
[encoding]
kind = \"float\"
clip = { l2 = 1.0 }
precision_bits = 16
max_weight = 500
[[tensors]]
name = \"bias\"
shape = [10]
dtype = \"f32\"
[[tensors]]
name = \"weight\"
shape = [10, 64]
dtype = \"f32\"
";

const ROTATED_TASK: &str = "\
version = 1
name = \"ring\"
corrupt = 0.01
dropout = \"0.05\"
cohort = 12
[encoding]
kind = \"float\"
clip = { linf = 0.5 }
precision_bits = 8
rotation = true
range = { deviations = 4 }
[[tensors]]
name = \"w\"
shape = [100]
dtype = \"bf16\"
";

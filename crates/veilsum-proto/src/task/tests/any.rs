use super::*;
use proptest::prelude::*;
use veilsum_dp::{Adjacency, Sharing, Unit};
use veilsum_encode::{Clip, Dtype, FloatEncoding, Range, Rounding, TensorSpec};

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

fn any_clip() -> impl Strategy<Value = Clip> {
    prop_oneof![
        (1e-20..1e20).prop_map(Clip::L1),
        (1e-20..1e20).prop_map(Clip::L2),
        (1e-20..1e20).prop_map(Clip::LInf)
    ]
}

fn any_encoding() -> impl Strategy<Value = Encoding> {
    let range = prop_oneof![
        Just(Range::Full),
        (1_u8..=64).prop_map(|deviations| Range::Spread { deviations }),
        (1e-20..1e20).prop_map(Range::Fixed)
    ];
    let rotation = any::<bool>();
    let conditional = any::<bool>();
    let all = (
        any_clip(),
        2_u8..=30,
        rotation,
        range,
        1_u32..=1000,
        conditional,
    );
    all.prop_map(
        |(clip, precision_bits, rotation, range, max_weight, conditional)| {
            Encoding::Float(FloatEncoding {
                clip,
                precision_bits,
                rotation,
                range,
                rounding: match (clip, range) {
                    // a fixed range far below the clip leaves no bound for the norm
                    (Clip::L2(_), Range::Full | Range::Spread { .. }) if conditional => {
                        Rounding::Conditional
                    }
                    _ => Rounding::Stochastic,
                },
                max_weight,
            })
        },
    )
}

fn any_noise() -> impl Strategy<Value = NoiseSpec> {
    let law = prop::sample::select(vec![
        NoiseLaw::Laplace,
        NoiseLaw::Skellam,
        NoiseLaw::Gaussian,
    ]);
    let sharing =
        prop::sample::select(vec![Sharing::Local, Sharing::Shared, Sharing::DropoutExact]);
    let adjacency = prop::sample::select(vec![Adjacency::ZeroOut, Adjacency::Replace]);
    let clip = prop_oneof![
        Just(None),
        (1e-20..1e20).prop_map(|bound| Some(Clip::L2(bound)))
    ];
    let parameter = (1_u64..1 << 40, 0_u32..1_000_000);
    (law, parameter, sharing, adjacency, clip, 1_u64..1_000_000).prop_map(
        |(law, (whole, part), sharing, adjacency, example_clip, delta)| NoiseSpec {
            law,
            parameter: format!("{whole}.{part:06}").parse().unwrap(),
            sharing: match (law, sharing) {
                (NoiseLaw::Gaussian, Sharing::DropoutExact) => Sharing::Shared,
                (_, sharing) => sharing,
            },
            unit: example_clip.map_or(Unit::Member, |_| Unit::Example),
            adjacency,
            example_clip,
            delta: format!("0.{delta:018}").parse().unwrap(),
        },
    )
}

/// The noise where it fits the encoding, which loses its weights; else none.
fn fitting(encoding: Encoding, noise: Option<NoiseSpec>) -> (Encoding, Option<NoiseSpec>) {
    let (Encoding::Float(float), Some(noise)) = (encoding, noise) else {
        return (encoding, None);
    };
    let of_example = noise.unit == Unit::Example;
    let rounding = match of_example {
        true => Rounding::Stochastic,
        false => float.rounding,
    };
    match float.clip {
        Clip::L1(_) if of_example => (encoding, None),
        Clip::L1(_) | Clip::L2(_) | Clip::LInf(_) => {
            let encoding = Encoding::Float(FloatEncoding {
                rounding,
                max_weight: 1,
                ..float
            });
            (encoding, Some(noise))
        }
    }
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

fn in_f64(manifest: &Manifest) -> Manifest {
    let mut tensors = manifest.tensors().to_vec();
    for tensor in &mut tensors {
        tensor.dtype = Dtype::F64;
    }
    Manifest::new(tensors).unwrap()
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
        (rest, prop::option::of(any_noise())),
    )
        .prop_map(
            |(
                name,
                manifest,
                encoding,
                corrupt,
                dropout,
                ((graph, electorate, floor, cohort, max_attempts), noise),
            )| {
                let (encoding, noise) = fitting(encoding, noise);
                let manifest = match &noise {
                    Some(noise) if noise.unit == Unit::Example => in_f64(&manifest),
                    Some(_) | None => manifest,
                };
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
                    noise,
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
    fn damaged_bytes_are_refused_or_another_task(position in 0_usize..200, byte: u8, which in 0_usize..4) {
        let task = task([INTEGER, FLOAT, &noisy(), &by_example()][which]);
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

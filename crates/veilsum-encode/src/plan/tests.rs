use super::*;
use crate::{Clip, Dtype, FloatEncoding, Range, TensorSpec};

fn manifest(coordinates: u64, dtype: Dtype) -> Manifest {
    Manifest::new(vec![TensorSpec {
        name: "w".into(),
        shape: vec![coordinates],
        dtype,
    }])
    .unwrap()
}

fn float(encoding: FloatEncoding, enrolled: u32) -> Result<Plan, PlanError> {
    let encoding = Encoding::Float(encoding);
    Plan::derive(
        &manifest(1000, Dtype::F32),
        &encoding,
        enrolled,
        NoiseBound::NONE,
    )
}

fn integer(min: i64, max: i64, enrolled: u32, noise: u64) -> Result<Plan, PlanError> {
    let encoding = Encoding::Integer { min, max };
    Plan::derive(
        &manifest(1000, Dtype::I64),
        &encoding,
        enrolled,
        NoiseBound::new(noise),
    )
}

const PLAIN: FloatEncoding = FloatEncoding::new(Clip::LInf(1.0), 16);

// spec: [encode.plan.bits]
#[test]
fn lane_bits_are_those_of_the_published_table() {
    let table = [
        (100, [15, 19, 23]),
        (1_000, [18, 22, 26]),
        (10_000, [22, 26, 30]),
        (100_000, [25, 29, 33]),
    ];
    for (members, row) in table {
        for (q, bits) in [8_u8, 12, 16].into_iter().zip(row) {
            let unsigned = integer(0, (1 << q) - 1, members, 0).unwrap();
            assert_eq!(
                unsigned.lane_bits(),
                bits,
                "unsigned, q = {q}, n = {members}"
            );
            let floats = float(FloatEncoding::new(Clip::L2(1.0), q), members).unwrap();
            assert_eq!(floats.lane_bits(), bits, "floats, q = {q}, n = {members}");
        }
    }
}

// spec: [encode.plan.bits]
#[test]
fn lane_bits_are_right_at_powers_of_two() {
    // A float logarithm gets some of these wrong.
    for bits in 1..=62_u8 {
        assert_eq!(integer(0, (1 << bits) - 1, 1, 0).unwrap().lane_bits(), bits);
        assert_eq!(integer(0, 1 << bits, 1, 0).unwrap().lane_bits(), bits + 1);
    }
    assert_eq!(
        integer(-(1 << 62), (1 << 62) - 1, 1, 0)
            .unwrap()
            .lane_bits(),
        63
    );
    assert_eq!(integer(-i64::MAX, i64::MAX, 1, 0).unwrap().lane_bits(), 64);
}

// spec: [encode.plan.bound] [encode.plan.levels]
#[test]
fn offset_and_lane_hold_weight_or_noise() {
    let derive = |encoding, noise| {
        let encoding = Encoding::Float(encoding);
        let manifest = manifest(3, Dtype::F64);
        Plan::derive(&manifest, &encoding, 100, NoiseBound::new(noise)).unwrap()
    };
    let weighted = derive(PLAIN.weighted(10), 0);
    assert_eq!(weighted.offset(), 10 * 32_767);
    assert_eq!(weighted.lanes(), 4, "three coordinates and the weight");
    let noisy = derive(PLAIN, 77);
    assert_eq!((noisy.offset(), noisy.lanes()), (32_767 + 77, 3));
    for plan in [weighted, noisy] {
        assert_eq!(plan.lane_max(), 2 * plan.offset() as u64);
        let bound = u128::from(plan.lane_max()) * 100;
        assert!(bound < 1 << plan.lane_bits() && bound >= 1 << (plan.lane_bits() - 1));
    }
    let positive = integer(5, 9, 10, 1).unwrap();
    assert_eq!(
        (positive.offset(), positive.lane_max()),
        (-4, 6),
        "offsets may be negative"
    );
}

// spec: [encode.plan.range]
#[test]
fn ranges_follow_clip_and_rotation() {
    let range = |encoding| float(encoding, 10).unwrap().range().unwrap();
    let (l2, linf) = (
        FloatEncoding::new(Clip::L2(3.0), 16),
        FloatEncoding::new(Clip::LInf(0.5), 16),
    );
    assert_eq!(range(l2), 3.0);
    assert_eq!(range(linf), 0.5);
    // 1000 coordinates: 1024 rows, one column, 1024 lanes of which one deviation is 3 / 32.
    assert_eq!(range(l2.rotated()), 6.0 * 3.0 / 32.0);
    assert_eq!(range(linf.rotated()), 3.0);
    assert_eq!(
        range(FloatEncoding {
            range: Range::Full,
            ..l2.rotated()
        }),
        3.0
    );
    let full = range(FloatEncoding {
        range: Range::Full,
        ..linf.rotated()
    });
    assert_eq!(
        full,
        0.5 * float(l2.rotated(), 10)
            .unwrap()
            .rotation_rows()
            .map_or(0.0, |r| (r as f64).sqrt())
    );
    assert_eq!(
        range(FloatEncoding {
            range: Range::Spread { deviations: 64 },
            ..l2.rotated()
        }),
        3.0,
        "never above full"
    );
    assert_eq!(
        range(FloatEncoding {
            range: Range::Fixed(0.25),
            ..l2.rotated()
        }),
        0.25
    );
    assert_eq!(integer(0, 1, 10, 0).unwrap().range(), None);
    let six = FloatEncoding {
        range: Range::Spread { deviations: 6 },
        ..l2.rotated()
    };
    assert_eq!(
        float(six, 10),
        float(l2.rotated(), 10),
        "what the automatic range stands for"
    );
    assert_eq!(
        float(
            FloatEncoding {
                range: Range::Full,
                ..l2
            },
            10
        ),
        float(l2, 10)
    );
}

// spec: [encode.plan.range]
#[test]
fn an_l1_clip_bounds_a_rotated_coordinate_by_its_column() {
    let range = |encoding| {
        let manifest = manifest(50_000, Dtype::F32);
        let plan = Plan::derive(&manifest, &Encoding::Float(encoding), 10, NoiseBound::NONE);
        plan.unwrap().range().unwrap()
    };
    let l1 = FloatEncoding::new(Clip::L1(3.0), 16);
    assert_eq!(range(l1), 3.0);
    let full = FloatEncoding {
        range: Range::Full,
        ..l1.rotated()
    };
    assert_eq!(range(full), 3.0 / 64.0, "4096 rows");
    let one = FloatEncoding {
        range: Range::Spread { deviations: 1 },
        ..l1.rotated()
    };
    assert_eq!(range(one), 3.0 / 53_248_f64.sqrt());
    assert_eq!(range(l1.rotated()), 3.0 / 64.0, "never above full");
}

// spec: [encode.plan.noise]
#[test]
fn weights_beside_noise_are_refused() {
    let derive = |weight, noise| {
        let encoding = Encoding::Float(PLAIN.weighted(weight));
        Plan::derive(
            &manifest(9, Dtype::F32),
            &encoding,
            3,
            NoiseBound::new(noise),
        )
    };
    assert_eq!(derive(2, 1), Err(PlanError::WeightedNoise { found: 2 }));
    assert!(derive(1, 1).is_ok() && derive(2, 0).is_ok());
}

// spec: [encode.round.conditional]
#[test]
fn conditional_rounding_wants_an_l2_clip_and_a_norm_of_128_bits() {
    for clip in [Clip::L1(1.0), Clip::LInf(1.0)] {
        let found = clip.norm();
        assert_eq!(
            float(FloatEncoding::new(clip, 16).conditional(), 3),
            Err(PlanError::ConditionalClip { found })
        );
    }
    let fixed = |range| FloatEncoding {
        range: Range::Fixed(range),
        ..FloatEncoding::new(Clip::L2(1.0), 52).conditional()
    };
    // 2^51 levels: a range of 2^-12 makes the clip 2^63 steps, one of 2^-14 2^65.
    assert!(float(fixed(1.0 / 4_096.0), 3).is_ok());
    assert_eq!(
        float(fixed(1.0 / 16_384.0), 3),
        Err(PlanError::ConditionalNorm)
    );
}

// spec: [encode.dtype.rule]
#[test]
fn tensors_of_the_other_kind_are_refused_by_name() {
    let mixed = |dtype| {
        let spec = |name: &str, dtype| TensorSpec {
            name: name.into(),
            shape: vec![2],
            dtype,
        };
        Manifest::new(vec![
            spec("a", dtype),
            spec("count", Dtype::U8),
            spec("mean", Dtype::F16),
        ])
        .unwrap()
    };
    let refused = Plan::derive(
        &mixed(Dtype::F32),
        &Encoding::Float(PLAIN),
        3,
        NoiseBound::NONE,
    );
    assert_eq!(
        refused,
        Err(PlanError::IntegerTensor {
            tensor: "count".into(),
            found: Dtype::U8
        })
    );
    let refused = Plan::derive(
        &mixed(Dtype::I32),
        &Encoding::Integer { min: 0, max: 9 },
        3,
        NoiseBound::NONE,
    );
    assert_eq!(
        refused,
        Err(PlanError::FloatTensor {
            tensor: "mean".into(),
            found: Dtype::F16
        })
    );
}

#[test]
fn nobody_enrolled_is_refused() {
    assert_eq!(float(PLAIN, 0), Err(PlanError::NobodyEnrolled));
}

// spec: [encode.plan.levels]
#[test]
fn precision_outside_2_to_52_bits_is_refused() {
    for found in [0, 1, 53, 255] {
        assert_eq!(
            float(
                FloatEncoding {
                    precision_bits: found,
                    ..PLAIN
                },
                3
            ),
            Err(PlanError::Precision { found })
        );
    }
    assert!(
        float(
            FloatEncoding {
                precision_bits: 2,
                ..PLAIN
            },
            3
        )
        .is_ok()
    );
    assert!(
        float(
            FloatEncoding {
                precision_bits: 52,
                ..PLAIN
            },
            3
        )
        .is_ok()
    );
}

// spec: [encode.plan.range]
#[test]
fn senseless_clips_are_refused() {
    for found in [0.0, -1.0, f64::INFINITY, f64::MIN_POSITIVE, 1e31] {
        assert_eq!(
            float(
                FloatEncoding {
                    clip: Clip::L2(found),
                    ..PLAIN
                },
                3
            ),
            Err(PlanError::Clip { found })
        );
        assert_eq!(
            float(
                FloatEncoding {
                    clip: Clip::LInf(found),
                    ..PLAIN
                },
                3
            ),
            Err(PlanError::Clip { found })
        );
    }
    let nan = float(
        FloatEncoding {
            clip: Clip::L2(f64::NAN),
            ..PLAIN
        },
        3,
    );
    assert!(matches!(nan, Err(PlanError::Clip { found }) if found.is_nan()));
}

// spec: [encode.plan.range]
#[test]
fn senseless_ranges_are_refused() {
    for found in [0.0, -1.0, f64::INFINITY] {
        assert_eq!(
            float(
                FloatEncoding {
                    range: Range::Fixed(found),
                    ..PLAIN
                },
                3
            ),
            Err(PlanError::Range { found })
        );
    }
    for found in [0, 65] {
        let encoding = FloatEncoding {
            range: Range::Spread { deviations: found },
            ..PLAIN
        };
        assert_eq!(float(encoding, 3), Err(PlanError::Deviations { found }));
    }
}

// spec: [encode.weight.range]
#[test]
fn a_largest_weight_of_zero_is_refused() {
    assert_eq!(float(PLAIN.weighted(0), 3), Err(PlanError::NoWeight));
}

#[test]
fn an_integer_range_without_two_values_is_refused() {
    assert_eq!(
        integer(5, 5, 3, 0),
        Err(PlanError::EmptyRange { min: 5, max: 5 })
    );
    assert_eq!(
        integer(5, 4, 3, 0),
        Err(PlanError::EmptyRange { min: 5, max: 4 })
    );
}

// spec: [encode.plan.bound]
#[test]
fn lanes_above_64_bits_are_refused() {
    assert_eq!(
        integer(-i64::MAX, i64::MAX, 2, 0),
        Err(PlanError::LaneTooWide {
            found: 65,
            enrolled: 2
        })
    );
    let widest = Encoding::Integer {
        min: i64::MIN,
        max: i64::MAX,
    };
    let refused = Plan::derive(
        &manifest(1, Dtype::I64),
        &widest,
        u32::MAX,
        NoiseBound::new(u64::MAX),
    );
    assert!(
        matches!(refused, Err(PlanError::LaneTooWide { .. })),
        "{refused:?}"
    );
    let heavy = FloatEncoding {
        precision_bits: 32,
        ..PLAIN
    }
    .weighted(1 << 20);
    assert_eq!(float(heavy, 1 << 12).unwrap().lane_bits(), 64);
    assert_eq!(
        float(heavy, 1 << 13),
        Err(PlanError::LaneTooWide {
            found: 65,
            enrolled: 1 << 13
        })
    );
}

// spec: [encode.plan.bound]
#[test]
fn sums_outside_i64_are_refused() {
    let too_large = |found| matches!(found, Err(PlanError::SumTooLarge { .. }));
    assert!(too_large(integer(i64::MIN, 0, 1, 0)), "the offset is 2^63");
    assert!(
        too_large(integer(0, i64::MAX, 2, 0)),
        "a 64-bit lane, but not an i64"
    );
    assert!(too_large(integer(0, i64::MAX, 1, 1)), "noise counts too");
    assert!(
        too_large(integer(i64::MAX - 1, i64::MAX, 100, 0)),
        "a narrow range far from zero"
    );
    assert!(integer(0, i64::MAX, 1, 0).is_ok());
}

// spec: [encode.plan.size]
#[test]
fn vectors_beyond_the_address_space_are_refused() {
    for rotation in [false, true] {
        let encoding = Encoding::Float(FloatEncoding { rotation, ..PLAIN });
        let refused = Plan::derive(
            &manifest(u64::MAX, Dtype::F32),
            &encoding,
            3,
            NoiseBound::NONE,
        );
        assert_eq!(refused, Err(PlanError::TooLarge));
    }
    let weighted = Encoding::Float(PLAIN.weighted(2));
    let refused = Plan::derive(
        &manifest(u64::MAX, Dtype::F32),
        &weighted,
        3,
        NoiseBound::NONE,
    );
    assert_eq!(
        refused,
        Err(PlanError::TooLarge),
        "the weight lane is one too many"
    );
}

// spec: [encode.digest.plan]
#[test]
fn digest_binds_every_input() {
    let base = float(PLAIN, 10).unwrap().digest();
    let changed = [
        float(
            FloatEncoding {
                clip: Clip::L2(1.0),
                ..PLAIN
            },
            10,
        ),
        float(
            FloatEncoding {
                clip: Clip::LInf(2.0),
                ..PLAIN
            },
            10,
        ),
        float(
            FloatEncoding {
                precision_bits: 17,
                ..PLAIN
            },
            10,
        ),
        float(
            FloatEncoding {
                rotation: true,
                ..PLAIN
            },
            10,
        ),
        float(
            FloatEncoding {
                range: Range::Fixed(1.0),
                ..PLAIN
            },
            10,
        ),
        float(
            FloatEncoding {
                range: Range::Spread { deviations: 1 },
                ..PLAIN
            },
            10,
        ),
        float(
            FloatEncoding {
                clip: Clip::L1(1.0),
                ..PLAIN
            },
            10,
        ),
        float(PLAIN.weighted(2), 10),
        float(PLAIN, 11),
        Plan::derive(
            &manifest(1000, Dtype::F32),
            &Encoding::Float(PLAIN),
            10,
            NoiseBound::new(1),
        ),
        Plan::derive(
            &manifest(1001, Dtype::F32),
            &Encoding::Float(PLAIN),
            10,
            NoiseBound::NONE,
        ),
        integer(0, 1, 10, 0),
    ];
    for plan in changed {
        assert_ne!(plan.unwrap().digest(), base);
    }
    assert_eq!(float(PLAIN, 10).unwrap().digest(), base);
    let stochastic = FloatEncoding::new(Clip::L2(1.0), 16);
    assert_ne!(
        float(stochastic, 10).unwrap().digest(),
        float(stochastic.conditional(), 10).unwrap().digest()
    );
}

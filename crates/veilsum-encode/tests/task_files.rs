//! Encodings and manifests as a task file spells them.

use veilsum_encode::{Clip, Dtype, Encoding, FloatEncoding, Manifest, Range};

#[test]
fn encodings_are_spelled_as_in_task_files() {
    let integer: Encoding = toml::from_str("encoding = 'integer'\nmin = 0\nmax = 255").unwrap();
    assert_eq!(integer, Encoding::Integer { min: 0, max: 255 });
    let plain: Encoding =
        toml::from_str("encoding = 'float'\nclip = { linf = 0.5 }\nprecision_bits = 16").unwrap();
    assert_eq!(
        plain,
        Encoding::Float(FloatEncoding::new(Clip::LInf(0.5), 16))
    );
    let text = "encoding = 'float'\nclip = { l2 = 3.0 }\nprecision_bits = 12\nrotation = true\n\
                range = { spread = { deviations = 4 } }\nmax_weight = 50";
    let full: Encoding = toml::from_str(text).unwrap();
    let wanted = FloatEncoding {
        range: Range::Spread { deviations: 4 },
        ..FloatEncoding::new(Clip::L2(3.0), 12).rotated()
    };
    assert_eq!(full, Encoding::Float(wanted.weighted(50)));
    let text =
        "encoding = 'float'\nclip = { l2 = 3.0 }\nprecision_bits = 8\nrounding = 'conditional'";
    let conditional: Encoding = toml::from_str(text).unwrap();
    let wanted = FloatEncoding::new(Clip::L2(3.0), 8).conditional();
    assert_eq!(conditional, Encoding::Float(wanted));
    let sums: Encoding =
        toml::from_str("encoding = 'float'\nclip = { l1 = 0.5 }\nprecision_bits = 8").unwrap();
    assert_eq!(sums, Encoding::Float(FloatEncoding::new(Clip::L1(0.5), 8)));
    let written = toml::to_string(&full).unwrap();
    assert_eq!(toml::from_str::<Encoding>(&written).unwrap(), full);
}

#[test]
fn manifests_are_checked_when_read() {
    #[derive(serde::Deserialize)]
    struct Task {
        tensors: Manifest,
    }
    let good = "tensors = [{ name = 'w', shape = [10, 64], dtype = 'f32' }, { name = 'b', shape = [10], dtype = 'bf16' }]";
    let task: Task = toml::from_str(good).unwrap();
    assert_eq!(
        task.tensors.tensors()[0].dtype,
        Dtype::Bf16,
        "sorted by name"
    );
    let twice = "tensors = [{ name = 'w', shape = [1], dtype = 'f32' }, { name = 'w', shape = [1], dtype = 'f32' }]";
    let error = toml::from_str::<Task>(twice).err().unwrap().to_string();
    assert!(error.contains("tensor \"w\" is named twice"), "{error}");
}

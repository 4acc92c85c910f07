//! Tensor files and models: bytes are tensors that survive another trip through a file, or an error in words.

use std::fmt::Display;
use veilsum_learn::{FileKind, Model};

/// Reads bytes as each kind of file and as a model.
pub fn run(data: &[u8]) {
    for kind in [FileKind::Safetensors, FileKind::Npy] {
        let Some(tensors) = told(kind.decode(data)) else {
            continue;
        };
        // Bytes are compared, not values: a NaN is not equal to itself.
        let bytes = kind.encode(&tensors).expect("what was read can be written");
        let again = kind.decode(&bytes).expect("what was written can be read");
        assert_eq!(kind.encode(&again).expect("twice"), bytes, "{kind:?}");
    }
    if let Some(model) = told(Model::from_bytes(data)) {
        let bytes = model.to_bytes().expect("a model can be written");
        let again = Model::from_bytes(&bytes).expect("a written model can be read");
        assert_eq!(again.digest(), model.digest());
        assert_eq!(again.version(), model.version());
        model
            .require_digest(again.digest())
            .expect("its own digest");
    }
}

fn told<T>(outcome: Result<T, impl Display>) -> Option<T> {
    outcome
        .map_err(|error| assert!(!error.to_string().is_empty()))
        .ok()
}

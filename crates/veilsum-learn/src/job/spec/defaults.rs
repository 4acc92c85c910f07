//! What a table of a job has where a key is absent.

use super::{
    Amount, DecaySpec, EncodingSpec, EvaluationSpec, FederationSpec, LocalSpec, ServerSpec,
};

impl Default for LocalSpec {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch_size: 16,
            rate: 0.1,
            weighted: true,
        }
    }
}

impl Default for ServerSpec {
    fn default() -> Self {
        Self {
            rate: None,
            warm_up: 0,
            decay: DecaySpec::None,
        }
    }
}

impl Default for EvaluationSpec {
    fn default() -> Self {
        Self {
            every: 1,
            on: None,
            held_out_percent: 10,
        }
    }
}

impl Default for EncodingSpec {
    fn default() -> Self {
        Self {
            bits: None,
            rotation: None,
            clip: None,
            subset: 1.0,
            memory: 1.0,
        }
    }
}

impl Default for FederationSpec {
    fn default() -> Self {
        Self {
            corrupt: Amount::Rate(0.1),
            dropout: Amount::Rate(0.1),
        }
    }
}

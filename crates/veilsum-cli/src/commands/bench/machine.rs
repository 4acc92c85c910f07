//! What the figures were measured on. No name of the machine: reports travel.

use serde::Serialize;
use std::fmt;
use veilsum_math::Backend;

/// The processor as far as it bears on the figures.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    cpu: String,
    features: Vec<&'static str>,
    cores: usize,
    backend: &'static str,
}

impl Machine {
    pub(super) fn of_this() -> Self {
        Self {
            cpu: cpu(),
            features: features(),
            cores: cores(),
            backend: Backend::detected().name(),
        }
    }

    /// Whether the rate that the bare loop should have is one for this processor.
    pub(super) fn has_vaes(&self) -> bool {
        self.backend.starts_with("vaes")
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cpu,
            features,
            cores,
            backend,
        } = self;
        write!(f, "{cpu}, {cores} cores, ")?;
        write!(f, "{}; kernel {backend}", features.join(" "))
    }
}

/// Cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The model as the kernel names it, or the architecture where it names none.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    use std::arch::is_x86_feature_detected as has;
    let all = [
        ("aes", has!("aes")),
        ("sha", has!("sha")),
        ("avx2", has!("avx2")),
        ("avx512f", has!("avx512f")),
        ("avx512ifma", has!("avx512ifma")),
        ("vaes", has!("vaes")),
    ];
    let found = all.into_iter().filter(|(_, found)| *found);
    found.map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

//! What the noise of a task is worth, and what it costs.

use crate::output::rounded_up;
use crate::table::{Table, grouped};
use serde::Serialize;
use veilsum_dp::{Adjacency, Rational, Sharing, Unit};
use veilsum_encode::{Clip, Encoding, Plan};
use veilsum_proto::noise::RoundNoise;
use veilsum_proto::task::{NoiseSpec, Task};

/// Epsilon, delta and unit, and the deviation of the mean.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Worth {
    unit: Unit,
    delta: f64,
    /// Of one round; `null` when nothing can be said.
    epsilon: f64,
    /// Of all rounds; `null` when nothing can be said.
    epsilon_total: f64,
    rounds: u64,
    law: String,
    parameter: String,
    sharing: Sharing,
    adjacency: Adjacency,
    example_clip: Option<Clip>,
    /// Bits of a quantised coordinate; none of an integer task.
    precision_bits: Option<u8>,
    /// What one step, the unit of the integers, stands for.
    step: f64,
    /// Largest noise of a member on a coordinate, in steps.
    bound: u64,
    /// With nobody missing, and with as many as tolerated.
    mean: [Accuracy; 2],
    /// What deviations are relative to: a coordinate of an update at its clip, all coordinates alike.
    relative_to: &'static str,
    /// The table for a task file; of a noise that was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    toml: Option<String>,
}

/// What the noise does to a mean.
#[derive(Clone, Copy, Debug, Serialize)]
struct Accuracy {
    survivors: u32,
    /// Standard deviation of a coordinate of the mean, in its own unit.
    deviation: Option<f64>,
    /// The same over a coordinate of an update at its clip, all coordinates alike.
    relative: Option<f64>,
}

impl Worth {
    pub(super) fn of(
        task: &Task,
        spec: &NoiseSpec,
        noise: &RoundNoise,
        plan: &Plan,
        rounds: u64,
    ) -> Self {
        let cohort = noise.plan().cohort();
        let usual = usual_coordinate(task);
        let step = plan.step().unwrap_or_else(|| Rational::integer(1));
        let accuracy = |dropped: u32| {
            let survivors = cohort.members().saturating_sub(dropped);
            let kept = noise.plan().kept(dropped, 0).ok();
            let deviation = kept
                .and_then(|kept| kept.deviation_of_mean(survivors.into(), &step))
                .map(|deviation| deviation.to_f64_up());
            Accuracy {
                survivors,
                deviation,
                relative: deviation
                    .zip(usual)
                    .map(|(deviation, (usual, _))| deviation / usual),
            }
        };
        Self {
            unit: noise.unit(),
            delta: noise.delta(),
            epsilon: noise.statement().epsilon,
            epsilon_total: noise.total(rounds).epsilon,
            rounds,
            law: spec.law.to_string(),
            parameter: spec.parameter.to_string(),
            sharing: spec.sharing,
            adjacency: spec.adjacency,
            example_clip: spec.example_clip,
            precision_bits: match task.encoding() {
                Encoding::Float(float) => Some(float.precision_bits),
                Encoding::Integer { .. } => None,
            },
            step: step.to_f64_up(),
            bound: noise.plan().bound().get(),
            mean: [accuracy(0), accuracy(cohort.tolerated())],
            relative_to: usual.map_or("", |(_, name)| name),
            toml: None,
        }
    }

    /// Shows the table to paste too.
    pub(super) fn with_table(&mut self, spec: &NoiseSpec) {
        self.toml = Some(spec.to_toml());
    }

    /// The table to paste, after a line that says where it belongs.
    pub(super) fn table(&self) -> Option<String> {
        let toml = self.toml.as_deref()?.trim_end();
        let grid = self.precision_bits.map_or_else(String::new, |bits| {
            format!(", with `precision_bits = {bits}` and the clip as planned")
        });
        Some(format!("The noise for the task file{grid}:\n\n{toml}"))
    }

    /// Rows of a report.
    pub(super) fn rows(&self, table: &mut Table) {
        let mut row =
            |name: &str, value: String, words: String| table.row([name.to_owned(), value, words]);
        let carried = match self.sharing {
            Sharing::DropoutExact => "carried together, surplus removed after the certificate",
            Sharing::Shared => "carried together by the fewest survivors, more with more",
            Sharing::Local => "the whole of it carried by every member",
        };
        let (law, parameter) = (&self.law, &self.parameter);
        row(
            "noise",
            law.clone(),
            format!(
                "parameter {parameter} in steps of {}, {carried}",
                digits(self.step)
            ),
        );
        let against = match self.adjacency {
            Adjacency::ZeroOut => "nothing",
            Adjacency::Replace => "any other",
        };
        let (unit, delta) = (self.unit, self.delta);
        row(
            "privacy",
            format!("per {unit}"),
            format!(
                "{}, at delta {delta:e}, against {against} in its place",
                self.epsilons()
            ),
        );
        let [all, fewest] = self.mean;
        if let (Some(deviation), Some(with_fewest)) = (all.deviation, fewest.deviation) {
            let relative = all.relative.zip(fewest.relative);
            let relative = relative.map_or_else(String::new, |(all, fewest)| {
                format!("; {}", parts(all, fewest, self.relative_to))
            });
            row(
                "accuracy",
                format!("+-{}", digits(deviation)),
                format!(
                    "deviation of a coordinate of the mean of {}, {} of {}{relative}",
                    all.survivors,
                    digits(with_fewest),
                    fewest.survivors
                ),
            );
        }
    }

    fn epsilons(&self) -> String {
        let Self {
            epsilon,
            epsilon_total,
            rounds,
            ..
        } = *self;
        let rounds = match rounds {
            1 => "1 round".to_owned(),
            rounds => format!("{} rounds", grouped(rounds)),
        };
        match (epsilon.is_finite(), epsilon_total.is_finite()) {
            (false, _) => "no guarantee: the noise is too small".to_owned(),
            (true, false) => format!(
                "epsilon {} a round, no guarantee over {rounds}",
                rounded_up(epsilon)
            ),
            (true, true) => format!(
                "epsilon {} a round, {} over {rounds}",
                rounded_up(epsilon),
                rounded_up(epsilon_total)
            ),
        }
    }
}

/// A coordinate of an update at its clip, all coordinates alike, and how it is called; none for integers, which have no
/// clip.
fn usual_coordinate(task: &Task) -> Option<(f64, &'static str)> {
    let Encoding::Float(float) = task.encoding() else {
        return None;
    };
    let coordinates = task.manifest().coordinates() as f64;
    Some(match float.clip {
        Clip::L1(bound) => (bound / coordinates, "clip / d"),
        Clip::L2(bound) => (bound / coordinates.sqrt(), "clip / sqrt(d)"),
        Clip::LInf(bound) => (bound, "the clip"),
    })
}

/// Two parts of the same whole.
fn parts(all: f64, fewest: f64, whole: &str) -> String {
    if fewest < 1.0 {
        let (all, fewest) = (digits(all * 100.0), digits(fewest * 100.0));
        format!("{all} % and {fewest} % of {whole}")
    } else {
        format!("{} and {} times {whole}", digits(all), digits(fewest))
    }
}

/// Three digits that count.
fn digits(value: f64) -> String {
    if !(1e-4..1e6).contains(&value) {
        return format!("{value:.2e}");
    }
    let before = value.log10().floor() as i32;
    let places = usize::try_from(2 - before).unwrap_or(0);
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        for (value, wanted) in [
            (0.0012345, "0.00123"),
            (1.0, "1.00"),
            (31.46, "31.5"),
            (1234.6, "1235"),
            (0.00001234, "1.23e-5"),
            (0.0, "0.00e0"),
        ] {
            assert_eq!(digits(value), wanted);
        }
    }

    #[test]
    fn parts_are_percents_up_to_the_whole() {
        assert_eq!(parts(0.0316, 0.04, "it"), "3.16 % and 4.00 % of it");
        assert_eq!(parts(0.9, 16.8, "it"), "0.900 and 16.8 times it");
    }
}

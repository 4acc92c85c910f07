//! How much of what members bring the clip of the task takes away.

use veilsum_encode::{Clip, Encoding, TensorData, Tensors};
use veilsum_learn::job::Brought;
use veilsum_proto::task::Task;

/// The clip in one round.
pub(super) struct Clipping {
    /// Share of the members whose update it cut.
    pub(super) share: f64,
    /// What it left of an update, the least of all members: 1 where nothing is cut.
    least: f64,
}

impl Clipping {
    /// What the clip does to these updates; none without updates or in a task of integers, and none in a task with noise: whose
    /// update was cut is in no sum, and would stand exact beside an epsilon.
    pub(super) fn of<'a>(task: &Task, offers: impl Iterator<Item = &'a Brought>) -> Option<Self> {
        let Encoding::Float(float) = task.encoding() else {
            return None;
        };
        if task.noise().is_some() {
            return None;
        }
        let left: Vec<f64> = offers
            .map(|brought| left(&brought.tensors, float.clip))
            .collect();
        if left.is_empty() {
            return None;
        }
        let cut = left.iter().filter(|left| **left < 1.0).count();
        Some(Self {
            share: cut as f64 / left.len() as f64,
            least: left.iter().copied().fold(1.0, f64::min),
        })
    }

    /// What to say if it takes much from more than a tenth of the members.
    pub(super) fn warning(&self) -> Option<String> {
        let Self { share, least } = *self;
        let much = share > 0.1 && least < 0.5;
        much.then(|| {
            format!(
                "the clip cuts the updates of {:.0} % of the members, one of them to {} of its size: \
                 if that is not for privacy, raise the clip of the job",
                share * 100.0,
                percent(least)
            )
        })
    }
}

/// The part of an update that a clip leaves: of its norm, or of its coordinates.
fn left(tensors: &Tensors, clip: Clip) -> f64 {
    let values = || tensors.values().flat_map(|tensor| floats(&tensor.data));
    let (norm, most) = match clip {
        Clip::L2(most) => (
            values().map(|value| value * value).sum::<f64>().sqrt(),
            most,
        ),
        Clip::L1(most) => (values().map(f64::abs).sum(), most),
        Clip::LInf(most) => {
            let (mut all, mut within) = (0.0, 0.0);
            for value in values() {
                all += 1.0;
                within += f64::from(u8::from(value.abs() <= most));
            }
            return if all > 0.0 { within / all } else { 1.0 };
        }
    };
    match norm > most {
        true => most / norm,
        false => 1.0,
    }
}

fn floats(data: &TensorData) -> Box<dyn Iterator<Item = f64> + '_> {
    match data {
        TensorData::F32(values) => Box::new(values.iter().map(|value| f64::from(*value))),
        TensorData::F64(values) => Box::new(values.iter().copied()),
        // trainers make no others
        _ => Box::new(std::iter::empty()),
    }
}

fn percent(part: f64) -> String {
    match part < 1e-4 {
        true => format!("{part:.0e}"),
        false => format!("{:.2} %", part * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilsum_encode::Tensor;

    fn update(values: Vec<f32>) -> Tensors {
        let tensor = Tensor {
            shape: vec![values.len() as u64],
            data: TensorData::F32(values),
        };
        Tensors::from([("w".to_owned(), tensor)])
    }

    #[test]
    fn what_a_clip_leaves_is_a_part_of_the_norm_or_of_the_coordinates() {
        let update = update(vec![3.0, -4.0, 0.0, 0.0]);
        for (clip, wanted) in [
            (Clip::L2(10.0), 1.0),
            (Clip::L2(2.5), 0.5),
            (Clip::L1(3.5), 0.5),
            (Clip::LInf(3.5), 0.75),
            (Clip::LInf(4.0), 1.0),
        ] {
            assert_eq!(left(&update, clip), wanted, "{clip:?}");
        }
    }

    #[test]
    fn absurd_clip_is_told_and_a_usual_one_is_not() {
        let of = |share, least| Clipping { share, least }.warning();
        assert!(of(1.0, 1e-9).unwrap().contains("100 % of the members"));
        assert_eq!(of(1.0, 0.8), None);
        assert_eq!(of(0.05, 1e-9), None);
    }
}

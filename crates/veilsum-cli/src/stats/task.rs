//! The task of a query, and whether a question fits a task.

use crate::exit::Failure;
use veilsum_dp::{Rational, Unit};
use veilsum_encode::Clip;
use veilsum_learn::stats::Query;
use veilsum_proto::parameters::{Amount, ElectorateChoice, GraphChoice};
use veilsum_proto::roster::Name;
use veilsum_proto::task::{DEFAULT_ATTEMPTS, NoiseLaw, NoiseSpec, Task, TaskSpec};

/// A task for a query, named after its kind.
pub fn spec(query: &Query, corrupt: Amount, dropout: Amount) -> Result<TaskSpec, Failure> {
    let name = Name::try_from(query.kind().name().to_owned()).map_err(Failure::failed)?;
    Ok(TaskSpec {
        name,
        manifest: query.manifest().map_err(Failure::usage)?,
        encoding: query.encoding(),
        corrupt,
        dropout,
        floor: None,
        graph: GraphChoice::Auto,
        electorate: ElectorateChoice::Auto,
        cohort: None,
        max_attempts: DEFAULT_ATTEMPTS,
        noise: None,
    })
}

/// What one row may change, in the norm that the law's epsilon is taken from; none where the unit is the member, whom the
/// range of the task bounds.
pub fn example_clip(query: &Query, law: NoiseLaw, unit: Unit) -> Option<Clip> {
    let change = query.row_change();
    match (unit, law) {
        (Unit::Member, _) => None,
        // below 2^53: exact
        (Unit::Example, NoiseLaw::Laplace) => Some(Clip::L1(change.l1 as f64)),
        (Unit::Example, NoiseLaw::Skellam | NoiseLaw::Gaussian) => {
            Some(Clip::L2(root_up(change.l2_squared)))
        }
    }
}

/// Whether the answers to a query are vectors of the task, and one row of them changes no more than its noise is for.
///
/// # Security
///
/// Whoever asks chooses query and task. A member that does not check would give a query with larger steps the noise of one
/// with smaller.
// spec: [stats.query.refuse]
pub fn fits(query: &Query, task: &Task) -> Result<(), String> {
    let manifest = query.manifest().map_err(|error| error.to_string())?;
    if manifest != *task.manifest() {
        return Err(format!(
            "the query has {} integers in one i64 tensor, the task sums something else",
            query.integers()
        ));
    }
    if query.encoding() != *task.encoding() {
        return Err("the range of the task is not that of the query".to_owned());
    }
    match task.noise() {
        Some(noise) if noise.unit == Unit::Example => covers(query, noise),
        _ => Ok(()),
    }
}

fn covers(query: &Query, noise: &NoiseSpec) -> Result<(), String> {
    let change = query.row_change();
    let (norm, found, most) = match noise.example_clip {
        Some(Clip::L1(most)) => ("l1", change.l1 as f64, most),
        Some(Clip::L2(most)) => ("l2", root_up(change.l2_squared), most),
        Some(Clip::LInf(most)) => ("linf", change.linf as f64, most),
        None => return Err("the task has no example clip".to_owned()),
    };
    match found <= most {
        true => Ok(()),
        false => Err(format!(
            "one row changes the answer by up to {found} in {norm}, the noise of the task is for {most}"
        )),
    }
}

/// A float whose square is not below: the root of what fits 64 bits, as every change of a query does.
fn root_up(square: u128) -> f64 {
    let square = u64::try_from(square).unwrap_or(u64::MAX);
    Rational::integer(square).sqrt_up().to_f64_up()
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilsum_dp::NoiseBound;
    use veilsum_encode::Plan;
    use veilsum_learn::stats::{Kind, Parameters};

    fn mean(bits: u8) -> Query {
        let parameters = Parameters {
            bounds: vec![[0.0, 1.0]],
            bits: Some(bits),
            ..Parameters::new(Kind::Mean, vec!["a".into()], 100)
        };
        Query::new(parameters).unwrap()
    }

    fn task(query: &Query, law: NoiseLaw) -> Task {
        let mut spec = spec(query, "0".parse().unwrap(), "0".parse().unwrap()).unwrap();
        spec.noise = Some(NoiseSpec {
            law,
            parameter: "1000".parse().unwrap(),
            sharing: NoiseSpec::default_sharing(law),
            unit: Unit::Example,
            adjacency: veilsum_dp::Adjacency::ZeroOut,
            example_clip: example_clip(query, law, Unit::Example),
            delta: "0.000001".parse().unwrap(),
        });
        Task::new(spec).unwrap()
    }

    #[test]
    fn roots_are_never_below() {
        for square in [0, 1, 2, 3, 1 << 40, 2 * 32_767 * 32_767, (1 << 60) + 12_345] {
            let root = root_up(square);
            let (below, exact) = (root.next_down(), (square as f64).sqrt());
            assert!(root >= exact && below <= exact * (1.0 + 1e-12), "{square}");
        }
    }

    #[test]
    fn sensitivity_of_a_task_is_the_change_of_its_query() {
        // spec: [stats.query.change]
        for law in [NoiseLaw::Laplace, NoiseLaw::Skellam, NoiseLaw::Gaussian] {
            let query = mean(16);
            let task = task(&query, law);
            let noise = task.noise().unwrap();
            let plan = Plan::derive(task.manifest(), task.encoding(), 3, NoiseBound::NONE).unwrap();
            let found = plan
                .sensitivity(noise.unit, noise.adjacency, noise.example_clip)
                .unwrap();
            let change = query.row_change();
            match law {
                NoiseLaw::Laplace => assert_eq!(found.l1().floor_u64(), Some(change.l1)),
                NoiseLaw::Skellam | NoiseLaw::Gaussian => {
                    let l2 = u128::from(found.l2_squared().ceil_u64().unwrap());
                    assert!(l2 >= change.l2_squared && l2 <= change.l2_squared + 2);
                }
            }
        }
    }

    #[test]
    fn question_with_a_larger_change_than_the_noise_is_for_is_refused() {
        // spec: [stats.query.refuse]
        let query = mean(10);
        for law in [NoiseLaw::Laplace, NoiseLaw::Skellam] {
            let task = task(&query, law);
            assert_eq!(fits(&query, &task), Ok(()));
            let told = fits(&mean(11), &task).unwrap_err();
            assert!(told.contains("range"), "{told}");
            let mut spec = task.into_spec();
            let noise = spec.noise.as_mut().unwrap();
            noise.example_clip = Some(Clip::L1(query.row_change().l1 as f64 - 1.0));
            let told = fits(&query, &Task::new(spec).unwrap()).unwrap_err();
            assert!(told.contains("the noise of the task is for 1021"), "{told}");
        }
    }
}

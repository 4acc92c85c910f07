//! Steps of the coordinator: taking the masks off, and all the rest.

use super::args::Step;
use super::limit::{Signatures, of_coordinator, rate_of_all_cores};
use super::machine::cores;
use super::report::Row;
use super::round::{Round, Size, Values, nine_of_ten, stuck};
use super::timing::{Pairs, process, rate, wall};
use crate::exit::Failure;
use veilsum_proto::coordinator::Coordinator;
use veilsum_proto::parameters::GraphChoice;

/// From the last seed to the sum.
pub(super) fn unmask(quick: bool) -> Result<Row, Failure> {
    let size = Size {
        members: if quick { 300 } else { 1000 },
        coordinates: if quick { 250_000 } else { 1_000_000 },
        graph: GraphChoice::Auto,
        values: Values::Integers,
    };
    let mut round = Round::new(size)?;
    let machine = round.share(None)?;
    round.finish(machine, nine_of_ten)?;
    let masks = masks(&round);
    let bytes = masks * 8 * round.context.plan.limbs();
    let mut pairs = Pairs::default();
    for _ in 0..if quick { 3 } else { 5 } {
        let machine = round.replay()?;
        let limit = rate_of_all_cores(cores(), bytes);
        let (time, finished) = wall(|| machine.close(&mut Vec::new()));
        match finished {
            Coordinator::Finished(_) => pairs.push(rate(bytes, time), limit),
            Coordinator::Aborted(abort) => return Err(stuck(abort)),
            other => return Err(stuck(other.phase())),
        }
    }
    let what = format!(
        "{masks} masks of {} survivors and {} gone on {} coordinates, {} cores, with the decoded sum; limit: the bare loop on all cores",
        round.told().1,
        size.members as usize - round.told().1,
        size.coordinates,
        cores(),
    );
    Ok(Row::rate(Step::Unmask, &pairs, 0.75, what))
}

/// All that the coordinator does before the masks come off, in a round that was played.
pub(super) fn coordinator_rest(
    round: &Round,
    signatures: &Signatures,
    quick: bool,
) -> Result<Row, Failure> {
    let told = round.told();
    let limbs = round.context.plan.limbs();
    let mut pairs = Pairs::default();
    for _ in 0..if quick { 3 } else { 7 } {
        let limit = of_coordinator(told, limbs, signatures)?;
        let (time, machine) = process(|| round.replay());
        drop(machine?);
        pairs.push(time.as_secs_f64() * 1e3, limit.as_secs_f64() * 1e3);
    }
    let what = format!(
        "{} members, {} coordinates, until the masks come off; limit: {} signature checks, {} additions",
        round.context.parameters.n,
        round.context.plan.coordinates(),
        told.0,
        told.1,
    );
    Ok(Row::time(Step::CoordinatorRest, &pairs, 1.5, what))
}

/// One of each survivor's own, and one for each of its neighbours that is gone.
fn masks(round: &Round) -> usize {
    let graph = &round.context.graph;
    let survivors = graph.population().slots().filter(|slot| nine_of_ten(*slot));
    let gone = |slot| {
        let neighbours = graph.neighbours(slot).into_iter();
        neighbours.filter(|other| !nine_of_ten(*other)).count()
    };
    survivors.map(|slot| 1 + gone(slot)).sum()
}

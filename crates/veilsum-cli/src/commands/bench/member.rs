//! Steps of a member: masks alone, the way of an update, and all the rest.

use super::args::Step;
use super::limit::{BareLoop, Signatures, of_member};
use super::machine::Machine;
use super::report::Row;
use super::round::{Beside, Round, Size, Values, nine_of_ten};
use super::timing::{Pairs, rate, thread};
use crate::exit::Failure;
use rayon::ThreadPoolBuilder;
use std::hint::black_box;
use std::time::Duration;
use veilsum_math::{BLOCK_LIMBS, Blocks, KeystreamKey, Mask, Sign, Threads, apply_masks};
use veilsum_proto::parameters::{GraphChoice, Parameters};

/// Masks of 66 neighbours on a packed vector, and the loop itself beside the rate that it should have.
pub(super) fn mask_kernel(machine: &Machine, quick: bool) -> Vec<Row> {
    let sign = |i: u8| [Sign::Add, Sign::Subtract][usize::from(i % 2)];
    let masks: Vec<Mask> = (0..NEIGHBOURS)
        .map(|i| Mask::new(KeystreamKey::new([i; 32]), sign(i)))
        .collect();
    let mut vector = Blocks::zeroed(MILLION * LANE_BITS / 64);
    let mut bare = BareLoop::new(NEIGHBOURS);
    let bytes = 8 * vector.len() * masks.len();
    let repetitions = if quick { 15 } else { 101 };
    let pairs: Pairs = (0..repetitions)
        .map(|_| {
            let limit = bare.rate(vector.len() / BLOCK_LIMBS);
            let (time, ()) = thread(|| apply_masks(black_box(&mut vector), &masks, Threads::One));
            (rate(bytes, time), limit)
        })
        .collect();
    let what = format!(
        "{NEIGHBOURS} masks on {MILLION} lanes of {LANE_BITS} bits, one core; limit: the bare loop",
    );
    let of_loop = machine
        .has_vaes()
        .then(|| Row::of_loop(pairs.limit(), LOOP_WITH_VAES, pairs.len()));
    let row = Row::rate(Step::MaskKernel, &pairs, 0.80, what);
    [row].into_iter().chain(of_loop).collect()
}

/// An update of f32 on its way: digested, clipped, rounded, packed, masked.
pub(super) fn member_path(quick: bool) -> Result<Row, Failure> {
    let size = Size {
        members: u32::from(NEIGHBOURS) + 1,
        coordinates: MILLION as u64,
        graph: GraphChoice::Complete,
        values: Values::Floats,
    };
    let mut round = Round::new(size)?;
    round.share(None)?;
    // one thread, also for what would share its work
    let pool = ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(Failure::failed)?;
    let repetitions = if quick { 15 } else { size.members as usize };
    let pairs = pool.install(|| paths(&mut round, repetitions))?;
    let what = format!(
        "{MILLION} values of f32 to 16 bits and under {} masks, one core, in bytes of keystream; limit: the bare loop",
        NEIGHBOURS + 1,
    );
    Ok(Row::rate(Step::MemberPath, &pairs, 0.65, what))
}

fn paths(round: &mut Round, repetitions: usize) -> Result<Pairs, Failure> {
    let context = round.context.clone();
    let masks = usize::from(NEIGHBOURS) + 1;
    let mut bare = BareLoop::new(NEIGHBOURS + 1);
    let mut pairs = Pairs::default();
    let slots: Vec<_> = round.seats().iter().map(|seat| seat.slot()).collect();
    for slot in slots.into_iter().take(repetitions) {
        let tensors = round.tensors(slot);
        let Some(seat) = round.seats().get_mut(slot.index()) else {
            break;
        };
        let (time, uploaded) = thread(|| seat.upload(&context, tensors));
        let (_, masked) = uploaded?;
        let limit = bare.rate(masked.blocks().len() / BLOCK_LIMBS);
        pairs.push(rate(masks * 8 * masked.limbs(), time), limit);
    }
    Ok(pairs)
}

/// The primitives of a member, timed beside every so many members of a round.
pub(super) fn primitives(
    parameters: Parameters,
    signatures: &Signatures,
) -> impl Fn() -> Duration + Sync {
    move || {
        // the threshold is one that members share with: this fails for nobody
        of_member(parameters.k, parameters.t, parameters.q, signatures).unwrap_or_default()
    }
}

/// What is measured beside the members of a round.
pub(super) fn beside<'a>(work: &'a (dyn Fn() -> Duration + Sync), quick: bool) -> Beside<'a> {
    let every = if quick { 10 } else { 20 };
    Beside { every, work }
}

/// All that a member does beside the way of its update, in a round that was played.
pub(super) fn member_rest(round: &mut Round) -> Row {
    let parameters = round.context.parameters;
    let survivors = round.seats().iter().filter(|seat| nine_of_ten(seat.slot()));
    let pairs: Pairs = survivors
        .filter_map(|seat| {
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            Some((ms(seat.spent), ms(seat.beside?)))
        })
        .collect();
    let what = format!(
        "a member of {} with {} neighbours, without its upload; limit: {} X25519, {} signature checks, 2 splits",
        parameters.n,
        parameters.k,
        2 * parameters.k,
        2 * parameters.k + parameters.q,
    );
    Row::time(Step::MemberRest, &pairs, 1.3, what)
}

/// Of a member in a large federation.
const NEIGHBOURS: u8 = 66;

/// Lanes of the masked vector, and bits of each: 16 of the value, and what the sum of 67 members takes.
const MILLION: usize = 1_000_000;
const LANE_BITS: usize = 23;

/// What the bare loop should reach with VAES, in gigabytes a second of one core.
const LOOP_WITH_VAES: f64 = 14.0;

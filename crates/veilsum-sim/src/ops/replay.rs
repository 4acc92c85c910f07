//! The coordinator's machine again, from what it was given, phase by phase in another order.

use std::sync::Arc;
use veilsum_proto::coordinator::Coordinator;
use veilsum_proto::ids::Slot;
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::message::Message;
use veilsum_proto::session::RoundContext;

/// One thing that the machine was given.
pub(super) enum Input {
    Message(Slot, Box<Message>),
    Update(Slot, MaskedUpdate),
    Close,
}

/// How the machine ends otherwise when members come in another order; nothing, when it does not. What one member sent stays in
/// its order: of two messages of a kind the first counts. The log is left in the other order.
pub(super) fn in_other_order(
    context: &Arc<RoundContext>,
    log: &mut [Input],
    had: &Coordinator,
    seed: u64,
) -> Option<String> {
    let mut machine = Coordinator::open(context.clone());
    for phase in log.split_inclusive_mut(|input| matches!(input, Input::Close)) {
        phase.sort_by_key(|input| match input {
            Input::Message(slot, _) | Input::Update(slot, _) => shuffled(*slot, seed),
            Input::Close => u64::MAX,
        });
        for input in phase {
            // faults were judged the first time
            match input {
                Input::Message(from, message) => drop(machine.receive(*from, message)),
                Input::Update(from, update) => drop(machine.receive_update(*from, &*update)),
                Input::Close => machine = machine.close(&mut Vec::new()),
            }
        }
    }
    let (had, found) = (end_of(had), end_of(&machine));
    (had != found).then(|| format!("{had}; in another order: {found}"))
}

fn end_of(machine: &Coordinator) -> String {
    match machine {
        Coordinator::Finished(finished) => format!(
            "sum {:?} over {:?}, surplus of {:?} left",
            finished.sum().digest(),
            finished
                .sum()
                .survivors()
                .bitmap()
                .iter()
                .collect::<Vec<_>>(),
            finished.noise().map(|noise| &noise.unremoved),
        ),
        Coordinator::Aborted(abort) => abort.to_string(),
        other => format!("in {}, waiting for {:?}", other.phase(), other.waits_for()),
    }
}

/// A place in an order that the seed draws; never the largest.
fn shuffled(slot: Slot, seed: u64) -> u64 {
    let mixed = seed
        .wrapping_add(u64::from(slot.0))
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 1
}

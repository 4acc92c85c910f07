//! Waiting for members before a round opens.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};
use veilsum_proto::session::RoundContext;

use super::phases::connected_of;
use crate::{config::Gather, shared::Shared};

/// Returns once enough of the round's population are connected.
// spec: [service.gather]
pub(super) async fn gather(shared: Arc<Shared>, context: Arc<RoundContext>, gather: Gather) {
    let mut changes = shared.directory.subscribe();
    let all = context.graph.population().len();
    let floor = context.parameters.f;
    let wanted = gather.members.unwrap_or(floor).clamp(1, all.max(1));
    let due = Instant::now().checked_add(gather.wait);
    loop {
        changes.mark_unchanged();
        let here = connected_of(shared.directory.slots(), |slot| {
            context.graph.contains(slot)
        });
        let here = u32::try_from(here.len()).unwrap_or(u32::MAX);
        let waited = due.is_some_and(|due| Instant::now() >= due);
        if here >= wanted || (waited && here >= floor) {
            return;
        }
        tokio::select! {
            // the directory outlives every loop
            _ = changes.changed() => {}
            () = until(due), if !waited => {}
        }
    }
}

/// A time too far to be expressed never comes.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

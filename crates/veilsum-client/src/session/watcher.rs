//! The observer, shared by the session and the tasks that stream updates.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use veilsum_proto::session::RoundContext;

use crate::{Event, Observer};

/// A handle to the observer.
#[derive(Clone)]
pub(super) struct Watcher(Arc<Mutex<Box<dyn Observer>>>);

impl Watcher {
    pub(super) fn new(observer: Box<dyn Observer>) -> Self {
        Self(Arc::new(Mutex::new(observer)))
    }

    /// Tells the observer, before anything follows from the event.
    // spec: [member.observer]
    pub(super) fn tell(&self, event: &Event) {
        tracing::debug!(?event, "member");
        let mut observer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        observer.event(event);
    }

    pub(super) fn refused(&self, kind: &str, text: &impl Display) {
        self.tell(&Event::Refused {
            kind: kind.into(),
            text: text.to_string(),
        });
    }

    pub(super) fn sending(&self, context: &RoundContext, message: &'static str) {
        self.tell(&Event::Sending {
            task: context.task.name().to_string(),
            round: context.round,
            attempt: context.attempt,
            message,
        });
    }
}

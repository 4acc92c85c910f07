//! A line at the bottom of the terminal that says what takes so long; nothing when nobody watches.

use crate::output::{self, Output};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::io::IsTerminal as _;
use std::time::Duration;

/// A spinner or a bar on standard error, and lines of results above it.
#[derive(Clone, Debug)]
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// A spinner for a command that prints text to somebody who watches; else nothing.
    pub fn new(output: Output) -> Self {
        let watched = !output.is_json() && output::watched() && std::io::stdout().is_terminal();
        Self(watched.then(|| {
            let bar = ProgressBar::new_spinner();
            set_style(&bar, "{spinner} {msg} {elapsed}");
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        }))
    }

    /// Says what is being done.
    pub fn doing(&self, what: impl Into<Cow<'static, str>>) {
        if let Some(bar) = &self.0 {
            bar.set_message(what);
        }
    }

    /// Says how many of how many bytes are sent.
    pub fn bytes(&self, sent: u64, total: u64) {
        let Some(bar) = &self.0 else { return };
        if bar.length() != Some(total) {
            bar.set_length(total);
            set_style(
                bar,
                "{spinner} {msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}",
            );
        }
        bar.set_position(sent);
        if sent >= total {
            bar.unset_length();
            set_style(bar, "{spinner} {msg} {elapsed}");
        }
    }

    /// Prints a line of text above it.
    pub fn print(&self, text: &impl fmt::Display) {
        match &self.0 {
            Some(bar) => bar.suspend(|| output::print(text)),
            None => output::print(text),
        }
    }

    /// Prints a value as a line of JSON.
    pub fn print_json(&self, value: &impl Serialize) {
        output::print_json(value);
    }

    /// Tells something on standard error.
    pub fn warn(&self, text: &impl fmt::Display) {
        match &self.0 {
            Some(bar) => bar.suspend(|| output::warn(text)),
            None => output::warn(text),
        }
    }

    /// Takes it off the terminal.
    pub fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

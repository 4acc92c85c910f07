//! What commands with a network share: the asynchronous runtime, signals, and the log.

use crate::exit::Failure;
use std::io::{IsTerminal as _, Read as _};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

/// A runtime, and a log on standard error: warnings, or what `VEILSUM_LOG` asks for.
pub fn start() -> Result<Runtime, Failure> {
    let filter = EnvFilter::try_from_env("VEILSUM_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    // a log that is there already stays
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::failed(format_args!("no threads of the operating system: {error}"))
        })
}

/// Lets a write beyond the largest file that is allowed fail like any other; unhandled, its signal ends the process without a
/// word.
pub fn expect_full_disks() -> Result<(), Failure> {
    let listen = || {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let _entered = runtime.enter();
        // the handler outlives listener and runtime
        signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
    };
    listen().map_err(|error: std::io::Error| {
        Failure::failed(format_args!("no signals of the operating system: {error}"))
    })
}

/// Signals that ask the command to end.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes the signals over; to be called within a runtime.
    pub fn listen() -> Result<Self, Failure> {
        let take = |kind| {
            signal(kind).map_err(|error| {
                Failure::failed(format_args!("no signals of the operating system: {error}"))
            })
        };
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            hang_up: take(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them. Cancel-safe.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Waits until standard input ends: the parent that holds its other end is gone, however it went.
pub async fn parent_gone() {
    let (sender, receiver) = oneshot::channel::<()>();
    // a thread of its own: it may stay in the read for ever and must not hold up the runtime
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut byte = [0];
        while !matches!(input.read(&mut byte), Ok(0) | Err(_)) {}
        drop(sender);
    });
    let _ = receiver.await;
}

//! How a running client is asked to end.

use tokio::sync::watch;

/// Asks clients to end. Dropping it asks for nothing.
#[derive(Clone, Debug)]
pub struct StopHandle(watch::Sender<bool>);

/// The client's side of a [`StopHandle`].
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// A handle and what it stops.
pub fn stop_pair() -> (StopHandle, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopHandle(sender), Stop(receiver))
}

impl StopHandle {
    /// Asks every client that runs with this pair's [`Stop`] to end; there is no way back.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Waits until the stop is asked for; for ever when the handle is dropped before. Cancel-safe.
    pub async fn asked(&mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

//! Hints: how a backend that is told of changes passes it on.

use std::future::pending;

use tokio::sync::watch;

/// Tells subscribers that something changed. A backend keeps one, and calls [`tell`](Self::tell)
/// once a change can be seen in its feed.
#[derive(Debug, Default)]
pub struct Hinter(watch::Sender<()>);

impl Hinter {
    /// With no subscribers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells all subscribers. Cheap, and never waits.
    pub fn tell(&self) {
        self.0.send_replace(());
    }

    /// A new subscription, to what is told from now on.
    pub fn subscribe(&self) -> Hints {
        Hints(self.0.subscribe())
    }
}

/// A subscription: see [`KeyStore::hints`](super::KeyStore::hints).
#[derive(Debug, Clone)]
pub struct Hints(watch::Receiver<()>);

impl Hints {
    /// Returns when something was told since this last returned, at once if it was told already;
    /// never again once the backend is gone. What is told many times meanwhile is heard once.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            pending().await
        }
    }
}

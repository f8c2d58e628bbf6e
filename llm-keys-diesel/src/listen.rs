//! Hints from a database that tells of changes: one connection for each store that is asked for them,
//! opened at the first subscription. Whoever follows the feed looks without them, too, so that a
//! connection that breaks is no error: it is opened again, after a pause that grows.

use std::sync::{Arc, Mutex, PoisonError};

use llm_keys::store::{Hinter, Hints};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::url::Target;

/// Whom to listen to, and who listens.
pub(crate) struct Listener {
    #[cfg(feature = "postgres")]
    server: crate::url::postgres::Postgres,
    hinter: Arc<Hinter>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Listener {
    /// Opens no connection yet; `None` for a database that tells nothing.
    pub(crate) fn of(target: &Target) -> Option<Self> {
        match target {
            #[cfg(feature = "postgres")]
            Target::Postgres(target) => Some(Self {
                server: (**target).clone(),
                hinter: Arc::new(Hinter::new()),
                task: Mutex::new(None),
            }),
            _ => None,
        }
    }

    /// A subscription. The first one begins to listen, in the Tokio runtime that it is made in.
    pub(crate) fn hints(&self) -> Hints {
        let hints = self.hinter.subscribe();
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        // One that ended did so with its runtime.
        if task.as_ref().is_none_or(JoinHandle::is_finished)
            && let Ok(runtime) = Handle::try_current()
        {
            *task = Some(self.spawn(&runtime));
        }
        hints
    }

    #[cfg(feature = "postgres")]
    fn spawn(&self, runtime: &Handle) -> JoinHandle<()> {
        runtime.spawn(postgres::keep_listening(self.server.clone(), Arc::clone(&self.hinter)))
    }

    /// There is nobody to listen to.
    #[cfg(not(feature = "postgres"))]
    fn spawn(&self, runtime: &Handle) -> JoinHandle<()> {
        runtime.spawn(std::future::ready(()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task {
            task.abort();
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::sync::Arc;
    use std::time::Duration;

    use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
    use llm_keys::store::Hinter;
    use tokio::time::Instant;

    use crate::dialect::postgres::notify::listen;
    use crate::url::postgres::Postgres;

    /// Listens until it is aborted.
    pub(super) async fn keep_listening(server: Postgres, hinter: Arc<Hinter>) {
        let mut pauses = pauses();
        loop {
            let begun = Instant::now();
            // Whoever reads or writes is told of certificates that cannot be read.
            if let Ok(tls) = crate::tls::connector(&server.tls) {
                listen(&server.config, tls, &hinter).await;
            }
            if begun.elapsed() > LONG {
                pauses = self::pauses();
            }
            tokio::time::sleep(pauses.next().unwrap_or(LONG)).await;
        }
    }

    /// A connection that held so long was a good one.
    const LONG: Duration = Duration::from_secs(30);

    fn pauses() -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(LONG)
            .without_max_times()
            // The programs that lost one server do not come back at once.
            .with_jitter()
            .build()
    }
}

//! Last uses, written behind: noted in memory by each read, written many at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::envelope_manager::Core;
use crate::cache::UseCell;
use crate::clock::Micros;
use crate::error::Result;
use crate::store::{KeyStore, Use};

/// How many uses one write takes at most.
const BATCH: usize = 500;

/// The versions that were used since the last write.
#[derive(Default, Debug)]
pub(super) struct Uses(Mutex<Vec<Arc<UseCell>>>);

impl Uses {
    /// Notes a use. Only the first since the last write takes the lock.
    pub(super) fn note(&self, used: &Arc<UseCell>, now: Micros) {
        if used.note(now) {
            self.waiting().push(Arc::clone(used));
        }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// What the storage said; what could not be written waits on.
    pub(super) async fn flush(&self, store: &dyn KeyStore) -> Result<()> {
        let waiting = std::mem::take(&mut *self.waiting());
        for (at, batch) in waiting.chunks(BATCH).enumerate() {
            let uses: Vec<Use> = batch.iter().map(|used| used.take()).collect();
            if let Err(error) = store.touch(&uses).await {
                let left = waiting[at * BATCH..].iter();
                let left =
                    left.enumerate().filter(|(n, used)| *n >= batch.len() || used.put_back());
                self.waiting().extend(left.map(|(_, used)| Arc::clone(used)));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes what waits every `every`, for as long as the manager is there. Without a Tokio
    /// runtime nothing is written before `shutdown`.
    pub(super) fn write_behind(core: &Arc<Core>, every: Duration) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let core = Arc::downgrade(core);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(core) = core.upgrade() else { return };
                if let Err(error) = core.uses.flush(&*core.store).await {
                    tracing::warn!(error = ?error, "last uses could not be written; they wait");
                }
            }
        });
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Arc<UseCell>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

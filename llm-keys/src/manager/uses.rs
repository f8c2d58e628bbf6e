//! Last uses, written behind: noted in memory by each read, written many at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::envelope_manager::Core;
use crate::cache::UseCell;
use crate::clock::Micros;
use crate::error::Result;
use crate::model::Version;
use crate::store::{KeyStore, Use};

/// How many uses one write takes at most.
const BATCH: usize = 500;

/// The versions that were used since the last write, each once, however often it was loaded.
#[derive(Default, Debug)]
pub(super) struct Uses(Mutex<Waiting>);

type Waiting = HashMap<(Uuid, Version), Arc<UseCell>>;

impl Uses {
    /// Notes a use. Only the first since the last write takes the lock.
    pub(super) fn note(&self, used: &Arc<UseCell>, now: Micros) {
        if used.note(now) {
            self.put_in_line(used);
        }
    }

    /// The newest cell of a version stays in line, and takes over the last use of the one before
    /// it, which was of an entry that the cache has replaced.
    fn put_in_line(&self, used: &Arc<UseCell>) {
        let before = self.waiting().insert((used.record, used.version), Arc::clone(used));
        if let Some(before) = before {
            used.note(before.last());
        }
    }

    /// As [`put_in_line`](Self::put_in_line), for a cell that is older than one that came meanwhile.
    fn put_back(&self, used: &Arc<UseCell>) {
        let mut waiting = self.waiting();
        let newer = waiting.entry((used.record, used.version)).or_insert_with(|| Arc::clone(used));
        newer.note(used.last());
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// What the storage said; what could not be written waits on.
    pub(super) async fn flush(&self, store: &dyn KeyStore) -> Result<()> {
        let waiting: Vec<_> = std::mem::take(&mut *self.waiting()).into_values().collect();
        for (at, batch) in waiting.chunks(BATCH).enumerate() {
            let uses: Vec<Use> = batch.iter().map(|used| used.take()).collect();
            if let Err(error) = store.touch(&uses).await {
                for (n, used) in waiting[at * BATCH..].iter().enumerate() {
                    // Those of later batches are still marked as waiting.
                    if n >= batch.len() || used.put_back() {
                        self.put_back(used);
                    }
                }
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

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

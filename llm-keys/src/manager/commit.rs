//! Handing a change to the storage.

use std::sync::Arc;

use super::envelope_manager::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::model::KeyId;
use crate::store::Change;

impl Core {
    /// Commits a change to `id`, and forgets what is cached of it, whatever becomes of the commit:
    /// one that failed because its answer was lost may have been made. If the caller goes away the
    /// commit goes on in its own task: the cache is evicted then, because the commit may have been
    /// made already, and again when the commit ends, because it may have been made later.
    pub(super) async fn commit(core: &Arc<Self>, id: &KeyId, change: Change) -> Result<()> {
        let (task_core, task_id) = (Arc::clone(core), id.clone());
        let commit = async move {
            let _evict = EvictOnDrop { core: &task_core, id: &task_id };
            task_core.store.commit(change).await
        };
        let _evict = EvictOnDrop { core, id };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn(commit).await.unwrap_or_else(|error| {
                Err(Error::new(ErrorKind::Internal, "manager.commit", "the commit was broken off")
                    .with_source(error))
            }),
            Err(_) => commit.await,
        }
    }
}

struct EvictOnDrop<'a> {
    core: &'a Core,
    id: &'a KeyId,
}

impl Drop for EvictOnDrop<'_> {
    fn drop(&mut self) {
        self.core.cache.evict(self.id);
    }
}

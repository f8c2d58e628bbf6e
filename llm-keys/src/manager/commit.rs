//! Handing a change to the storage.

use super::envelope_manager::Core;
use crate::error::Result;
use crate::model::KeyId;
use crate::store::Change;

impl Core {
    /// Commits a change to `id`, and forgets what is cached of it, whatever becomes of the commit:
    /// one that failed because its answer was lost, or whose caller went away, may have been made.
    pub(super) async fn commit(&self, id: &KeyId, change: Change) -> Result<()> {
        let _evict = EvictOnDrop { core: self, id };
        self.store.commit(change).await
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

//! Deleting a key, taking that back, and purging it.

use std::sync::Arc;

use super::envelope_manager::Core;
use super::options::{ChangeOptions, DeleteOptions};
use super::write::{ATTEMPTS, Draft, Place, busy};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Action;
use crate::model::{Caller, Integrity, KeyId, KeyMetadata, KeyRow, KeyState};
use crate::store::Change;

impl Core {
    /// Deletes `id`; `false` if there is no such key, or it is deleted already.
    pub(super) async fn delete(
        self: &Arc<Self>,
        id: &KeyId,
        options: &DeleteOptions,
    ) -> Result<bool> {
        let caller = self.caller(options.caller.as_ref());
        match options.now || self.retention.deleted.is_zero() {
            true => self.delete_now(id, &caller).await,
            false => self.delete_softly(id, &caller).await,
        }
    }

    /// Its rows stay until they are purged; nobody is given it meanwhile.
    async fn delete_softly(self: &Arc<Self>, id: &KeyId, caller: &Arc<Caller>) -> Result<bool> {
        let action = Action::KeyDelete;
        for _ in 0..ATTEMPTS {
            let (mut key, current) = match self.find_key(id).await {
                Ok(Some((key, current))) if Self::is_there(key.state) => (key, current),
                Ok(_) => return self.missing(action, id, caller).await.map(|()| false),
                Err(error) => return Err(self.failed(action, id, caller, error).await),
            };
            let purge_at = self.clock.now().saturating_add(self.retention.deleted);
            key.state = KeyState::Deleted { purge_at };
            let version = key.current;
            fail_point!("delete.planned");
            match self.write(Draft::of(key, current), action, version, caller).await {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    /// Takes the key's row and all its versions away. It writes nothing, and so it needs no KMS, and
    /// does not mind what the rows say: also an edited key can be got rid of.
    async fn delete_now(self: &Arc<Self>, id: &KeyId, caller: &Arc<Caller>) -> Result<bool> {
        let action = Action::KeyPurge;
        for _ in 0..ATTEMPTS {
            let row = match self.store.key_find(id).await {
                Ok(Some((row, _))) => row,
                Ok(None) => return self.missing(action, id, caller).await.map(|()| false),
                Err(error) => return Err(self.failed(action, id, caller, error).await),
            };
            match self.purge(&row, caller).await {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    /// Takes away `row`, if it has not changed, and all its versions.
    pub(super) async fn purge(self: &Arc<Self>, row: &KeyRow, caller: &Arc<Caller>) -> Result<()> {
        let action = Action::KeyPurge;
        let event = self.change_event(action, row, row.current, caller);
        self.record(&event).await?;
        fail_point!("purge.recorded");
        let change = Change {
            expect: vec![Place::of(row).expected()],
            purge: vec![row.record],
            events: vec![event],
            ..Change::default()
        };
        match Self::commit(self, &row.id, change).await {
            Ok(()) => {
                fail_point!("purge.done");
                Ok(())
            }
            Err(error) => Err(self.failed(action, &row.id, caller, error).await),
        }
    }

    /// Takes a deletion back: the key is inactive then. `None` if there is no deleted key of this
    /// id.
    pub(super) async fn undelete(
        self: &Arc<Self>,
        id: &KeyId,
        options: &ChangeOptions,
    ) -> Result<Option<KeyMetadata>> {
        let caller = self.caller(options.caller.as_ref());
        let action = Action::KeyUndelete;
        for _ in 0..ATTEMPTS {
            let (mut key, current) = match self.find_key(id).await {
                Ok(Some(found)) => found,
                Ok(None) => return self.missing(action, id, &caller).await.map(|()| None),
                Err(error) => return Err(self.failed(action, id, &caller, error).await),
            };
            if Self::is_there(key.state) {
                let error = Error::invalid("manager.undelete", "the key is not deleted");
                return Err(self.failed(action, id, &caller, error).await);
            }
            // Whether it was active before is not known any more, and one that was taken out of use
            // must not come back into use unseen.
            key.state = KeyState::Inactive;
            let version = key.current;
            fail_point!("undelete.planned");
            match self.write(Draft::of(key, current), action, version, &caller).await {
                Ok(key) => return Ok(Some(KeyMetadata::of(key, Integrity::Verified))),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }
}

//! Deleting a key.

use std::sync::Arc;

use super::envelope_manager::Core;
use super::options::ChangeOptions;
use super::write::{ATTEMPTS, busy};
use crate::error::{ErrorKind, Result};
use crate::event::Action;
use crate::model::KeyId;
use crate::store::{Change, Expect};

impl Core {
    /// Takes the key's row and all its versions away; `false` if there is no such key.
    pub(super) async fn delete(
        self: &Arc<Self>,
        id: &KeyId,
        options: &ChangeOptions,
    ) -> Result<bool> {
        let caller = self.caller(options.caller.as_ref());
        let action = Action::KeyDelete;
        for _ in 0..ATTEMPTS {
            let row = match self.store.key_find(id).await {
                Ok(Some((row, _))) => row,
                Ok(None) => return self.missing(action, id, &caller).await.map(|()| false),
                Err(error) => return Err(self.failed(action, id, &caller, error).await),
            };
            let event = self.change_event(action, &row, row.current, &caller);
            self.record(&event).await?;
            let expect = Expect::Generation { record: row.record, generation: row.generation };
            let change = Change {
                expect: vec![expect],
                purge: vec![row.record],
                events: vec![event],
                ..Change::default()
            };
            match Self::commit(self, id, change).await {
                Ok(()) => return Ok(true),
                Err(error) => {
                    let error = self.failed(action, id, &caller, error).await;
                    if error.kind() != ErrorKind::Conflict {
                        return Err(error);
                    }
                }
            }
        }
        Err(busy())
    }
}

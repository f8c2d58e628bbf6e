//! Deactivating and activating a key.

use std::sync::Arc;

use super::envelope_manager::Core;
use super::options::ChangeOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Action;
use crate::model::{KeyId, KeyMetadata, KeyState};
use crate::store::{Change, Expect};

/// How often a change is tried anew when others write the same key at the same time.
pub(super) const ATTEMPTS: usize = 16;

impl Core {
    /// Puts `id` into `state`; `None` if there is no such key. A key that is in it already is left
    /// as it is, and that is recorded, too.
    pub(super) async fn change_state(
        self: &Arc<Self>,
        id: &KeyId,
        state: KeyState,
        options: &ChangeOptions,
    ) -> Result<Option<KeyMetadata>> {
        let caller = self.caller(options.caller.as_ref());
        let action = match state {
            KeyState::Active => Action::KeyActivate,
            _ => Action::KeyDeactivate,
        };
        for _ in 0..ATTEMPTS {
            let mut row = match self.store.key_find(id).await {
                Ok(Some((row, _))) if !matches!(row.state, KeyState::Deleted { .. }) => row,
                Ok(_) => return self.missing(action, id, &caller).await.map(|()| None),
                Err(error) => return Err(self.failed(action, id, &caller, error).await),
            };
            let expect = Expect::Generation { record: row.record, generation: row.generation };
            let event = self.change_event(action, &row, row.current, &caller);
            self.record(&event).await?;
            if row.state == state {
                self.cache.evict(id);
                return Ok(Some(row.into()));
            }
            row.state = state;
            row.generation += 1;
            row.updated_at = self.clock.now();
            let change = Change {
                expect: vec![expect],
                keys: vec![row.clone()],
                events: vec![event],
                ..Change::default()
            };
            match Self::commit(self, id, change).await {
                Ok(()) => return Ok(Some(row.into())),
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

pub(super) fn busy() -> Error {
    Error::new(ErrorKind::Conflict, "manager.change", "others kept changing the same key")
        .with_hint("try again")
}

//! Deactivating and activating a key.

use std::sync::Arc;

use super::envelope_manager::Core;
use super::options::ChangeOptions;
use super::write::{ATTEMPTS, Draft, busy};
use crate::error::{ErrorKind, Result};
use crate::event::Action;
use crate::model::{Integrity, KeyId, KeyMetadata, KeyState};

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
            let (mut key, current) = match self.find_key(id).await {
                Ok(Some((key, current))) if Self::is_there(key.state) => (key, current),
                Ok(_) => return self.missing(action, id, &caller).await.map(|()| None),
                Err(error) => return Err(self.failed(action, id, &caller, error).await),
            };
            if key.state == state {
                self.record(&self.change_event(action, &key, key.current, &caller)).await?;
                self.cache.evict(id);
                return Ok(Some(KeyMetadata::of(key, Integrity::Verified)));
            }
            key.state = state;
            let version = key.current;
            fail_point!("state.planned");
            match self.write(Draft::of(key, current), action, version, &caller).await {
                Ok(key) => return Ok(Some(KeyMetadata::of(key, Integrity::Verified))),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }
}

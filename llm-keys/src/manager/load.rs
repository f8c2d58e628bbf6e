//! Loading a key: row, checks, KMS, envelope.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::envelope_manager::Core;
use super::get::expired;
use crate::cache::{CachedSecret, Entry, Load, UseCell};
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, IntegrityFault, Result};
use crate::model::{KeyId, KeyRow, KeyState, Version, VersionRow, VersionState};
use crate::secret::ApiKey;

const OP: &str = "manager.get";

impl Core {
    /// The current version of `id`, opened.
    pub(super) async fn load(core: Arc<Self>, id: KeyId) -> Load {
        let asked_at = core.clock.monotonic();
        match core.store.key_find(&id).await? {
            Some((key, version)) => core.open_rows(id, key, version, asked_at).await,
            None => Ok(None),
        }
    }

    /// One version of `id`, opened; never cached.
    pub(super) async fn load_version(&self, id: &KeyId, version: Version) -> Load {
        let asked_at = self.clock.monotonic();
        let Some((key, current)) = self.store.key_find(id).await? else { return Ok(None) };
        if key.current == Some(version) {
            return self.open_rows(id.clone(), key, current, asked_at).await;
        }
        match self.store.version_find(key.record, version).await? {
            Some(row) => {
                let key = KeyRow { current: Some(version), ..key };
                self.open_rows(id.clone(), key, Some(row), asked_at).await
            }
            None => Ok(None),
        }
    }

    /// Opens the version that `key` names as current. The identity comes from the question and
    /// from the key row, never from the envelope.
    async fn open_rows(
        &self,
        id: KeyId,
        key: KeyRow,
        version: Option<VersionRow>,
        asked_at: Duration,
    ) -> Load {
        match key.state {
            KeyState::Active => {}
            KeyState::Inactive => return Err(inactive()),
            KeyState::Deleted { .. } => return Ok(None),
        }
        if let Some(at) = key.expires_at
            && self.clock.now() >= at
        {
            return Err(expired());
        }
        let row = match version {
            Some(row) if row.record == key.record && Some(row.version) == key.current => row,
            _ if key.current.is_none() => return Ok(None),
            _ => return Err(row_fault("the key's current version is not stored")),
        };
        if matches!(row.state, VersionState::Pending | VersionState::Shredded) {
            return Err(row_fault("the key's version is not one that can be read"));
        }
        let secret = self.open_version(&id, &row).await?;
        let now = self.clock.monotonic();
        let until = now.saturating_add(self.cache_options.ttl);
        Ok(Some(Arc::new(Entry {
            id: Arc::new(id),
            secret: CachedSecret::new(secret),
            expires_at: key.expires_at,
            until,
            confirmed_until: self.follow.confirmed_until(asked_at),
            refresh_from: self.refresh_from(until)?,
            refreshing: AtomicBool::new(false),
            used: Arc::new(UseCell::new(row.record, row.version)),
        })))
    }

    async fn open_version(&self, id: &KeyId, row: &VersionRow) -> Result<ApiKey> {
        let envelope =
            row.envelope.as_ref().ok_or_else(|| row_fault("the key's version has no envelope"))?;
        let context = EncryptionContext::of_key(id, row.record, row.version);
        ApiKey::try_from(self.unseal(&context, envelope).await?)
    }

    /// Between all and half of `refresh_ahead` before the end, at random.
    fn refresh_from(&self, until: Duration) -> Result<Option<Duration>> {
        let Some(ahead) = self.cache_options.refresh_ahead else { return Ok(None) };
        let mut byte = [0; 1];
        self.random.fill(&mut byte)?;
        let late = ahead.mul_f64(f64::from(byte[0]) / 512.0);
        Ok(Some(until.saturating_sub(ahead).saturating_add(late)))
    }
}

fn inactive() -> Error {
    Error::new(ErrorKind::Inactive, OP, "the key is deactivated").with_hint("activate it first")
}

fn row_fault(detail: &'static str) -> Error {
    Error::new(ErrorKind::Integrity(IntegrityFault::Row), OP, detail)
}

//! Loading a key: rows, checks, KMS, envelope.
//!
//! In the order of what a check costs: shape and context of the envelope, the MACs of the rows,
//! state and expiry, and the KMS last. Only where the row MAC keys are not open yet they are opened
//! at the same time as the key, so that the first read of a process does not wait for the KMS twice.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::envelope_manager::Core;
use super::envelopes::Checked;
use super::get::expired;
use super::verified::row_fault;
use crate::cache::{CachedSecret, Entry, Load, UseCell};
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{KeyId, KeyRow, KeyState, Version, VersionRow, VersionState};
use crate::secret::ApiKey;

const OP: &str = "manager.get";

impl Core {
    /// The current version of `id`, opened.
    pub(super) async fn load(core: Arc<Self>, id: KeyId) -> Load {
        let asked_at = core.clock.monotonic();
        match core.store.key_find(&id).await? {
            Some((key, current)) => core.open_current(id, &key, current, asked_at).await,
            None => Ok(None),
        }
    }

    /// One version of `id`, opened; never cached.
    pub(super) async fn load_version(&self, id: &KeyId, version: Version) -> Load {
        let asked_at = self.clock.monotonic();
        let Some((key, current)) = self.store.key_find(id).await? else { return Ok(None) };
        if key.current == Some(version) {
            return self.open_current(id.clone(), &key, current, asked_at).await;
        }
        let keys = self.mac_keys(&id.tenant).await?;
        self.check_rows(&keys, id, &key, current.as_ref()).await?;
        match self.find_version(&key, version).await? {
            None => Ok(None),
            Some(row) if row.state == VersionState::Shredded => Ok(None),
            Some(row) if row.state == VersionState::Pending => {
                Err(Error::invalid(OP, "the version is pending: its rotation has not ended"))
            }
            Some(row) => {
                if !self.is_readable(&key)? {
                    return Ok(None);
                }
                let checked = self.check_envelope(id, &row)?;
                let secret = self.open_checked(&checked).await?;
                self.entry(id.clone(), &key, &row, secret, asked_at).map(Some)
            }
        }
    }

    /// Opens the current version. The identity comes from the question and from the key row, never
    /// from the envelope.
    async fn open_current(
        &self,
        id: KeyId,
        key: &KeyRow,
        current: Option<VersionRow>,
        asked_at: Duration,
    ) -> Load {
        let row = current.as_ref().filter(|row| Some(row.version) == key.current);
        // Only a key that would be given out is worth a call before its rows are verified.
        let checked = match (self.is_readable(key), row) {
            (Ok(true), Some(row)) => Some(self.check_envelope(&id, row)?),
            _ => None,
        };
        let (keys, opened) = match (self.mac_keyring.at_hand(&id.tenant), &checked) {
            (Some(keys), _) => (keys, None),
            (None, None) => (self.mac_keys(&id.tenant).await?, None),
            (None, Some(checked)) => {
                let both = (self.mac_keys(&id.tenant), self.open_checked(checked));
                let (keys, opened) = futures_util::future::join(both.0, both.1).await;
                (keys?, Some(opened))
            }
        };
        self.check_rows(&keys, &id, key, current.as_ref()).await?;
        if !self.is_readable(key)? {
            return Ok(None);
        }
        let (Some(row), Some(checked)) = (row, checked) else {
            // It had expired when this began, and the clock was put back since; or there is none.
            return if key.current.is_some() { Err(expired()) } else { Ok(None) };
        };
        if matches!(row.state, VersionState::Pending | VersionState::Shredded) {
            return Err(row_fault("the key's current version is not one that can be read"));
        }
        let secret = match opened {
            Some(opened) => opened?,
            None => self.open_checked(&checked).await?,
        };
        self.entry(id, key, row, secret, asked_at).map(Some)
    }

    /// Whether `key` is there and may be given out now.
    fn is_readable(&self, key: &KeyRow) -> Result<bool> {
        match key.state {
            KeyState::Active => {}
            KeyState::Inactive => return Err(inactive()),
            KeyState::Deleted { .. } => return Ok(false),
        }
        match key.expires_at {
            Some(at) if self.clock.now() >= at => Err(expired()),
            _ => Ok(true),
        }
    }

    /// What can be said of the envelope without a key.
    fn check_envelope<'a>(&self, id: &KeyId, row: &'a VersionRow) -> Result<Checked<'a>> {
        let envelope =
            row.envelope.as_ref().ok_or_else(|| row_fault("the key's version has no envelope"))?;
        Checked::new(envelope, EncryptionContext::of_key(id, row.record, row.version))
    }

    async fn open_checked(&self, checked: &Checked<'_>) -> Result<ApiKey> {
        ApiKey::try_from(self.unseal_checked(checked).await?)
    }

    fn entry(
        &self,
        id: KeyId,
        key: &KeyRow,
        row: &VersionRow,
        secret: ApiKey,
        asked_at: Duration,
    ) -> Result<Arc<Entry>> {
        let now = self.clock.monotonic();
        let until = now.saturating_add(self.cache_options.ttl);
        Ok(Arc::new(Entry {
            id: Arc::new(id),
            secret: CachedSecret::new(secret),
            expires_at: key.expires_at,
            until,
            confirmed_until: self.follow.confirmed_until(asked_at),
            refresh_from: self.refresh_from(until)?,
            refreshing: AtomicBool::new(false),
            used: Arc::new(UseCell::new(row.record, row.version)),
        }))
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

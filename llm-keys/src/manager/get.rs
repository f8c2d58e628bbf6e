//! Reading a key: from the cache, or by a load that all who ask at once share.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::envelope_manager::Core;
use super::options::{OpenOptions, Opened, OpenedContent, Served};
use crate::cache::Entry;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::event::{Action, Event, Outcome};
use crate::model::{Caller, KeyId, KeyState, Version};
use crate::secret::ApiKey;

/// How many keys [`Core::prewarm`] loads at once.
const PREWARM_AT_ONCE: usize = 16;

impl Core {
    /// The current version of `id`, for `caller`.
    pub(super) async fn get(
        core: &Arc<Self>,
        id: &KeyId,
        caller: &Arc<Caller>,
    ) -> Result<Option<ApiKey>> {
        match Self::find(core, id).await {
            Ok(Some((entry, _))) => core.reveal(&entry, caller).await.map(Some),
            Ok(None) => core.missing(Action::KeyGet, id, caller).await.map(|()| None),
            Err(error) => Err(core.failed(Action::KeyGet, id, caller, error).await),
        }
    }

    /// The version of `id` that `options` ask for, and what is known of it.
    pub(super) async fn open(
        core: &Arc<Self>,
        id: &KeyId,
        options: &OpenOptions,
    ) -> Result<Option<Opened>> {
        let caller = core.caller(options.caller.as_ref());
        let found = match options.version {
            None => Self::find(core, id).await,
            Some(version) => {
                let entry = core.load_version(id, version).await;
                entry.map(|entry| entry.map(|entry| (entry, Served::Store)))
            }
        };
        match found {
            Ok(Some((entry, served))) => {
                let key = core.reveal(&entry, &caller).await?;
                Ok(Some(Opened {
                    content: OpenedContent::Raw(key),
                    version: entry.used.version,
                    record: entry.used.record,
                    expires_at: entry.expires_at,
                    served,
                }))
            }
            Ok(None) => core.missing(Action::KeyGet, id, &caller).await.map(|()| None),
            Err(error) => Err(core.failed(Action::KeyGet, id, &caller, error).await),
        }
    }

    /// Loads `id` into the cache, whatever is there; its version.
    pub(super) async fn refresh(core: &Arc<Self>, id: &KeyId) -> Result<Option<Version>> {
        Self::follow_from_here(core).await;
        let load = Self::load(Arc::clone(core), id.clone());
        Ok(core.cache.reload(id, load).await?.map(|entry| entry.used.version))
    }

    /// Loads those of `ids` that are not cached.
    pub(super) async fn prewarm(core: &Arc<Self>, ids: &[KeyId]) -> Vec<(KeyId, Result<bool>)> {
        let loads = ids.iter().cloned().map(|id| async move {
            let found = Self::find(core, &id).await.map(|found| found.is_some());
            (id, found)
        });
        futures_util::stream::iter(loads).buffered(PREWARM_AT_ONCE).collect().await
    }

    /// The opened key, and where it came from; checked for expiry, not yet recorded.
    pub(super) async fn find(core: &Arc<Self>, id: &KeyId) -> Result<Option<(Arc<Entry>, Served)>> {
        let now = core.clock.monotonic();
        if let Some(entry) = core.cache.hit(id, now) {
            if entry.refresh_from.is_some_and(|from| now >= from) {
                Self::refresh_behind(core, &entry);
            }
            return Ok(Some((core.unexpired(entry)?, Served::Cache)));
        }
        Self::follow_from_here(core).await;
        let load = Self::load(Arc::clone(core), id.clone());
        match core.cache.load(id, now, load).await {
            Ok(Some(entry)) => Ok(Some((core.unexpired(entry)?, Served::Store))),
            Ok(None) => Ok(None),
            Err(error) => match core.stale(id, now, &error).await {
                Some(entry) => Ok(Some((core.unexpired(entry)?, Served::Stale))),
                None => Err(error),
            },
        }
    }

    /// What was cached of `id`, if the load failed only because the KMS is out of reach, the entry
    /// is not too old, and the storage confirms that it would be loaded again just so.
    async fn stale(&self, id: &KeyId, now: Duration, error: &Error) -> Option<Arc<Entry>> {
        let allowed = self.cache_options.serve_stale_for;
        if allowed.is_zero() || !is_outage(error.kind()) {
            return None;
        }
        let entry = self.cache.past_its_end(id)?;
        if now >= entry.until.saturating_add(allowed) {
            return None;
        }
        let (key, current) = self.store.key_find(id).await.ok()??;
        // Without the KMS only keys that are open already can verify it; they are, since the entry
        // was loaded.
        self.mac_keyring.at_hand(&id.tenant)?.check(id, &key, current.as_ref()).ok()?;
        let same = key.record == entry.used.record
            && key.current == Some(entry.used.version)
            && key.state == KeyState::Active
            && key.expires_at == entry.expires_at;
        if same {
            tracing::warn!(key = %id, error = ?error, "served past its time: no KMS");
        }
        same.then_some(entry)
    }

    /// Records the read, notes the use, and gives a copy. The event comes first: what could not be
    /// recorded is not revealed.
    async fn reveal(&self, entry: &Entry, caller: &Arc<Caller>) -> Result<ApiKey> {
        let now = self.clock.now();
        if self.sink.wants(Action::KeyGet, Outcome::Ok) {
            let key = Arc::clone(&entry.id);
            let event = Event::new(now, Action::KeyGet, key, Arc::clone(caller), Outcome::Ok);
            self.sink.emit(&event.of(entry.used.record, Some(entry.used.version))).await?;
        }
        self.uses.note(&entry.used, now);
        entry.secret.copy()
    }

    fn unexpired(&self, entry: Arc<Entry>) -> Result<Arc<Entry>> {
        match entry.expires_at {
            Some(at) if self.clock.now() >= at => Err(expired()),
            _ => Ok(entry),
        }
    }

    /// One load in the background for each entry; if it fails, the next one comes with the load
    /// after the entry's end.
    fn refresh_behind(core: &Arc<Self>, entry: &Arc<Entry>) {
        if entry.refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (core, id) = (Arc::clone(core), Arc::clone(&entry.id));
        runtime.spawn(async move {
            if let Err(error) = Self::refresh(&core, &id).await {
                tracing::warn!(key = %id, error = ?error, "a key could not be refreshed ahead");
            }
        });
    }
}

fn is_outage(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Kms(KmsFault::Unavailable | KmsFault::Throttled))
}

pub(super) fn expired() -> Error {
    Error::new(ErrorKind::Expired, "manager.get", "the key has expired")
        .with_hint("store a new version")
}

//! What the cache holds for one key.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use crate::clock::Micros;
use crate::model::{KeyId, Version};
use crate::secret::{ApiKey, SecretBytes};
use crate::store::Use;

/// An opened key in the cache.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: Arc<KeyId>,
    pub(crate) secret: CachedSecret,
    pub(crate) expires_at: Option<Micros>,
    /// On the monotonic clock: good until here…
    pub(crate) until: Duration,
    /// …and, what the storage said of it being as old as it may be here, from here on only while
    /// [`confirm`](super::SecretCache::confirm) says that nothing changed…
    pub(crate) confirmed_until: Duration,
    /// …and worth a load in the background from here on.
    pub(crate) refresh_from: Option<Duration>,
    pub(crate) refreshing: AtomicBool,
    pub(crate) used: Arc<UseCell>,
}

/// A secret as the cache holds it. The one place that decides how: plain in wiped memory today.
pub(crate) struct CachedSecret(SecretBytes);

impl CachedSecret {
    pub(crate) fn new(secret: ApiKey) -> Self {
        Self(secret.into_bytes())
    }

    /// A copy for a caller; the cache never lends its own.
    pub(crate) fn copy(&self) -> crate::Result<ApiKey> {
        ApiKey::try_from(self.0.expose(SecretBytes::copy_from))
    }
}

impl fmt::Debug for CachedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CachedSecret([REDACTED])")
    }
}

/// When a version was last given out; it outlives the cached secret until it is written down.
#[derive(Debug)]
pub(crate) struct UseCell {
    pub(crate) record: Uuid,
    pub(crate) version: Version,
    at: AtomicI64,
    waiting: AtomicBool,
}

impl UseCell {
    pub(crate) fn new(record: Uuid, version: Version) -> Self {
        let (at, waiting) = (AtomicI64::new(i64::MIN), AtomicBool::new(false));
        Self { record, version, at, waiting }
    }

    /// Notes a use at `now`; `true` if the cell must now be put in line to be written.
    pub(crate) fn note(&self, now: Micros) -> bool {
        self.at.fetch_max(now.0, Ordering::AcqRel);
        // Read before write: on a hot key the flag is set already, and its line stays shared.
        !self.waiting.load(Ordering::Acquire) && !self.waiting.swap(true, Ordering::AcqRel)
    }

    /// When last.
    pub(crate) fn last(&self) -> Micros {
        Micros(self.at.load(Ordering::Acquire))
    }

    /// What to write. A use that is noted from here on puts the cell in line again.
    pub(crate) fn take(&self) -> Use {
        self.waiting.store(false, Ordering::Release);
        Use { record: self.record, version: self.version, at: self.last() }
    }

    /// Puts the cell back in line after a failed write; `false` if it is there again already.
    pub(crate) fn put_back(&self) -> bool {
        !self.waiting.swap(true, Ordering::AcqRel)
    }
}

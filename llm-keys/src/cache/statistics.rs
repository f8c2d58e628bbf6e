//! What the cache did.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Load;

/// What the cache did since it was made.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CacheStatistics {
    /// Reads served from the cache.
    pub hits: u64,
    /// Reads that had to wait for a load.
    pub misses: u64,
    /// Loads that ended: each is one store read, and one KMS call if the key was there.
    pub loads: u64,
    /// Loads that failed.
    pub failures: u64,
    /// Keys forgotten on request.
    pub evictions: u64,
    /// Looks at the storage's feed of changes that were answered.
    pub looks: u64,
    /// Looks that failed.
    pub failed_looks: u64,
    /// Keys forgotten because the feed named them, or no longer reached back far enough.
    pub followed: u64,
    /// How long ago the last look that was answered began; `None` before the first one, and where
    /// changes are not followed.
    pub lag: Option<Duration>,
    /// Keys cached now; keys that expired less than a second ago may be counted, too.
    pub entries: u64,
}

#[derive(Default, Debug)]
pub(super) struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    loads: AtomicU64,
    failures: AtomicU64,
    evictions: AtomicU64,
    looks: AtomicU64,
    failed_looks: AtomicU64,
    followed: AtomicU64,
}

impl Counters {
    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn evicted(&self, count: u64) {
        self.evictions.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn looked(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn look_failed(&self) {
        self.failed_looks.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn followed(&self, count: u64) {
        self.followed.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts a load that ended, and hands its result on.
    pub(super) fn count(&self, result: Load) -> Load {
        self.loads.fetch_add(1, Ordering::Relaxed);
        if result.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    pub(super) fn read(&self, entries: u64) -> CacheStatistics {
        CacheStatistics {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            loads: self.loads.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            evictions: self.evictions.load(Ordering::Relaxed),
            looks: self.looks.load(Ordering::Relaxed),
            failed_looks: self.failed_looks.load(Ordering::Relaxed),
            followed: self.followed.load(Ordering::Relaxed),
            lag: None,
            entries,
        }
    }
}

//! Secrets kept in memory for a while.

/// What the cache did since it was made.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CacheStatistics {
    /// Reads served from the cache.
    pub hits: u64,
    /// Reads that had to wait for a load.
    pub misses: u64,
    /// Loads: each is one store read, and one KMS call if the key was there.
    pub loads: u64,
    /// Loads that failed.
    pub failures: u64,
    /// Keys forgotten on request.
    pub evictions: u64,
    /// Keys cached now, as far as is known without counting.
    pub entries: u64,
}

//! Secrets kept in memory for a while: moka behind our own type.
//!
//! moka alone would not do. Its `invalidate` does not stop a load that is under way, so a load
//! that began before an eviction would put the old secret back: here a flight that was evicted
//! meanwhile does not land. And it drops expired values only while it is used: here a thread of
//! our own drops them within a second, also in an idle process.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use crate::error::Result;
use crate::model::{KeyId, Owner, Tenant};

pub(crate) use self::entry::{CachedSecret, Entry, UseCell};
use self::flight::Flights;
pub use self::statistics::CacheStatistics;
use self::statistics::Counters;

mod entry;
mod flight;
mod reaper;
mod statistics;

/// What a load gives: an entry to cache, or that there is no such key.
pub(crate) type Load = Result<Option<Arc<Entry>>>;

type Entries = Cache<KeyId, Arc<Entry>, foldhash::fast::RandomState>;

/// The cache of one manager.
#[derive(Debug)]
pub(crate) struct SecretCache {
    shared: Arc<Shared>,
}

/// What loads that are under way hold on to.
#[derive(Debug)]
struct Shared {
    /// `None`: the cache is off.
    entries: Option<Entries>,
    flights: Flights,
    counters: Counters,
    /// Nanoseconds on the monotonic clock; see [`SecretCache::confirm`].
    confirmed_until: AtomicU64,
}

impl SecretCache {
    /// A cache of `capacity` keys that each live for `ttl`, and stay for `stale` longer in case the
    /// KMS is out of reach then; zero of `ttl` or `capacity` turns it off.
    pub(crate) fn new(ttl: Duration, stale: Duration, capacity: u64) -> Self {
        let entries = (!ttl.is_zero() && capacity > 0).then(|| {
            Cache::builder()
                .max_capacity(capacity)
                .time_to_live(ttl.saturating_add(stale))
                .build_with_hasher(foldhash::fast::RandomState::default())
        });
        let shared = Arc::new(Shared {
            entries,
            flights: Flights::default(),
            counters: Counters::default(),
            confirmed_until: AtomicU64::new(0),
        });
        if shared.entries.is_some() {
            reaper::start(Arc::downgrade(&shared));
        }
        Self { shared }
    }

    /// The cached entry of `id`, if it is good at `now` on the monotonic clock.
    pub(crate) fn hit(&self, id: &KeyId, now: Duration) -> Option<Arc<Entry>> {
        let entry = self.shared.find(id, now)?;
        self.shared.counters.hit();
        Some(entry)
    }

    /// The cached entry of `id` although its end has passed: for one whose load just failed.
    pub(crate) fn past_its_end(&self, id: &KeyId) -> Option<Arc<Entry>> {
        self.shared.entries.as_ref()?.get(id)
    }

    /// What `load` gives; all who ask for the same key meanwhile share one load. If all of them go
    /// away, the load is dropped. With the cache off each caller loads for itself, because it must
    /// see what was stored before it asked.
    pub(crate) async fn load(
        &self,
        id: &KeyId,
        now: Duration,
        load: impl Future<Output = Load> + Send + 'static,
    ) -> Load {
        self.shared.counters.miss();
        if self.shared.entries.is_none() {
            return self.shared.counters.count(load.await);
        }
        flight::join(&self.shared, id, now, load).await
    }

    /// What `load` gives, begun now, whatever is cached or under way; it replaces what is cached.
    pub(crate) async fn reload(
        &self,
        id: &KeyId,
        load: impl Future<Output = Load> + Send + 'static,
    ) -> Load {
        if self.shared.entries.is_none() {
            return self.shared.counters.count(load.await);
        }
        flight::begin(&self.shared, id, load).await
    }

    /// Forgets one key, and the load of it that is under way; how many were cached.
    pub(crate) fn evict(&self, id: &KeyId) -> u64 {
        self.evict_where(|entries| u64::from(entries.remove(id).is_some()), |flying| flying == id)
    }

    /// Forgets all keys of one owner.
    pub(crate) fn evict_owner(&self, tenant: &Tenant, owner: &Owner) -> u64 {
        let theirs = |id: &KeyId| id.tenant == *tenant && id.owner == *owner;
        self.evict_where(
            |entries| {
                let ids: Vec<_> =
                    entries.iter().map(|(id, _)| id).filter(|id| theirs(id)).collect();
                ids.iter().filter(|id| entries.remove(&***id).is_some()).count() as u64
            },
            theirs,
        )
    }

    /// Forgets everything.
    pub(crate) fn evict_all(&self) -> u64 {
        self.evict_where(remove_all, |_| true)
    }

    /// Forgets the keys that the storage's feed of changes named.
    pub(crate) fn evict_followed(&self, ids: &HashSet<KeyId>) {
        let count = self.remove_where(
            |entries| ids.iter().filter(|id| entries.remove(*id).is_some()).count() as u64,
            |id| ids.contains(id),
        );
        self.shared.counters.followed(count);
    }

    /// Forgets everything, because the feed cannot say what changed.
    pub(crate) fn evict_unfollowed(&self) {
        let count = self.remove_where(remove_all, |_| true);
        self.shared.counters.followed(count);
    }

    /// Serves what is cached until then, on the monotonic clock, also past the
    /// [`Entry::confirmed_until`] of each. What had changed before must have been evicted before.
    pub(crate) fn confirm(&self, until: Duration) {
        self.shared.confirmed_until.store(nanos(until), Ordering::Release);
        self.shared.counters.looked();
    }

    /// As it was last given to [`confirm`](Self::confirm).
    pub(crate) fn confirmed_until(&self) -> Duration {
        Duration::from_nanos(self.shared.confirmed_until.load(Ordering::Acquire))
    }

    /// Counts a look at the feed that confirmed nothing.
    pub(crate) fn look_failed(&self) {
        self.shared.counters.look_failed();
    }

    /// Whether nothing is cached and nothing is being loaded: then nothing can become stale.
    pub(crate) fn is_idle(&self) -> bool {
        let Some(entries) = &self.shared.entries else { return true };
        // Flights first: one that has landed meanwhile is an entry by then.
        self.shared.flights.none() && {
            entries.run_pending_tasks();
            entries.entry_count() == 0
        }
    }

    /// Whether anything is ever cached.
    pub(crate) fn is_on(&self) -> bool {
        self.shared.entries.is_some()
    }

    fn evict_where(
        &self,
        remove: impl FnOnce(&Entries) -> u64,
        flying: impl Fn(&KeyId) -> bool,
    ) -> u64 {
        let count = self.remove_where(remove, flying);
        self.shared.counters.evicted(count);
        count
    }

    /// Flights first and entries then, under the flights' lock: a flight lands under the same
    /// lock, so it lands before this and is removed, or sees that it was evicted.
    fn remove_where(
        &self,
        remove: impl FnOnce(&Entries) -> u64,
        flying: impl Fn(&KeyId) -> bool,
    ) -> u64 {
        let Some(entries) = &self.shared.entries else { return 0 };
        let count = self.shared.flights.evict(flying, || remove(entries));
        entries.run_pending_tasks();
        count
    }

    /// Counts since the cache was made.
    pub(crate) fn statistics(&self) -> CacheStatistics {
        let entries = self.shared.entries.as_ref().map_or(0, Cache::entry_count);
        self.shared.counters.read(entries)
    }
}

impl Shared {
    /// moka's own time to live is measured on the machine's clock; what counts is ours.
    ///
    /// The confirmation is read before the entry. The other way round, an entry that nobody has
    /// confirmed for an hour could be taken out just before a look evicts it, and then be held good
    /// by that same look.
    fn find(&self, id: &KeyId, now: Duration) -> Option<Arc<Entry>> {
        let confirmed = self.confirmed_until.load(Ordering::Acquire);
        self.entries.as_ref()?.get(id).filter(|entry| {
            now < entry.until && (now < entry.confirmed_until || nanos(now) < confirmed)
        })
    }

    /// Takes over what a load gave, unless it failed in a way that says nothing about the key.
    fn take(&self, id: &KeyId, result: &Load) {
        let Some(entries) = &self.entries else { return };
        match result {
            Ok(Some(entry)) => entries.insert(id.clone(), Arc::clone(entry)),
            Ok(None) => entries.invalidate(id),
            Err(error) if error.kind().is_about_the_key() => entries.invalidate(id),
            Err(_) => {}
        }
    }
}

fn remove_all(entries: &Entries) -> u64 {
    entries.run_pending_tasks();
    let count = entries.entry_count();
    entries.invalidate_all();
    count
}

/// 64 bits hold 584 years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

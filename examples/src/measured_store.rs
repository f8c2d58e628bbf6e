//! A storage around another one, which counts and times every call.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use llm_keys::error::Result;
use llm_keys::model::{KeyRow, Seq, SystemName, VersionRow};
use llm_keys::store::{
    Change, Changes, Hints, KeyStore, ScannedKey, StoreCapabilities, SystemRow, Use,
};
use llm_keys::{
    Clock, Cursor, KeyFilter, KeyId, Micros, Page, PageSize, SystemClock, Tenant, Version,
};
use uuid::Uuid;

/// Hands every call on to `S`, and measures it.
#[derive(Debug)]
pub struct MeasuredStore<S> {
    inner: S,
    clock: SystemClock,
    measures: Measures,
}

impl<S: KeyStore> MeasuredStore<S> {
    /// Measures the calls to `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, clock: SystemClock::new(), measures: Measures::default() }
    }

    /// What was measured so far.
    pub fn measures(&self) -> &Measures {
        &self.measures
    }

    /// Measures from now until the returned value is dropped: a call that nobody waits for any
    /// more counts, too.
    fn start<'a>(&'a self, measure: &'a Measure) -> Running<'a> {
        Running { measure, clock: &self.clock, since: self.clock.monotonic() }
    }
}

/// One [`Measure`] for each operation.
#[derive(Default, Debug)]
#[expect(missing_docs, reason = "each is called as the method that it measures")]
pub struct Measures {
    pub key_find: Measure,
    pub version_find: Measure,
    pub version_list: Measure,
    pub version_scan: Measure,
    pub key_due: Measure,
    pub key_scan: Measure,
    pub system_list: Measure,
    pub key_list: Measure,
    pub commit: Measure,
    pub touch: Measure,
    pub system_find: Measure,
    pub changes_since: Measure,
    pub events_since: Measure,
}

/// How often, and for how long, an operation ran.
#[derive(Default)]
pub struct Measure {
    calls: AtomicU64,
    nanos: AtomicU64,
}

impl Measure {
    /// How many calls ended.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How long they took together.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls in {:?}", self.calls(), self.time())
    }
}

// With this lint a new method of the trait does not compile until it is measured, too, even if the
// trait has a default for it.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: KeyStore> KeyStore for MeasuredStore<S> {
    async fn key_find(&self, id: &KeyId) -> Result<Option<(KeyRow, Option<VersionRow>)>> {
        let _running = self.start(&self.measures.key_find);
        self.inner.key_find(id).await
    }

    async fn version_find(&self, record: Uuid, version: Version) -> Result<Option<VersionRow>> {
        let _running = self.start(&self.measures.version_find);
        self.inner.version_find(record, version).await
    }

    async fn version_list(&self, record: Uuid) -> Result<Vec<VersionRow>> {
        let _running = self.start(&self.measures.version_list);
        self.inner.version_list(record).await
    }

    async fn version_scan(
        &self,
        after: Option<(Uuid, Version)>,
        size: PageSize,
    ) -> Result<Vec<(KeyRow, VersionRow)>> {
        let _running = self.start(&self.measures.version_scan);
        self.inner.version_scan(after, size).await
    }

    async fn key_due(
        &self,
        before: Micros,
        after: Option<(Micros, Uuid)>,
        size: PageSize,
    ) -> Result<Vec<KeyRow>> {
        let _running = self.start(&self.measures.key_due);
        self.inner.key_due(before, after, size).await
    }

    async fn key_scan(&self, after: Option<&str>, size: PageSize) -> Result<Vec<ScannedKey>> {
        let _running = self.start(&self.measures.key_scan);
        self.inner.key_scan(after, size).await
    }

    async fn system_list(&self) -> Result<Vec<SystemRow>> {
        let _running = self.start(&self.measures.system_list);
        self.inner.system_list().await
    }

    async fn key_list(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyRow>> {
        let _running = self.start(&self.measures.key_list);
        self.inner.key_list(filter, after, size).await
    }

    async fn commit(&self, change: Change) -> Result<()> {
        let _running = self.start(&self.measures.commit);
        self.inner.commit(change).await
    }

    async fn touch(&self, uses: &[Use]) -> Result<()> {
        let _running = self.start(&self.measures.touch);
        self.inner.touch(uses).await
    }

    async fn system_find(&self, tenant: &Tenant, name: &SystemName) -> Result<Option<SystemRow>> {
        let _running = self.start(&self.measures.system_find);
        self.inner.system_find(tenant, name).await
    }

    async fn changes_since(&self, since: Seq) -> Result<Changes> {
        let _running = self.start(&self.measures.changes_since);
        self.inner.changes_since(since).await
    }

    /// A subscription is no work to measure.
    fn hints(&self) -> Option<Hints> {
        self.inner.hints()
    }

    async fn events_since(&self, since: Seq, limit: PageSize) -> Result<Vec<(Seq, String)>> {
        let _running = self.start(&self.measures.events_since);
        self.inner.events_since(since, limit).await
    }

    fn capabilities(&self) -> StoreCapabilities {
        self.inner.capabilities()
    }
}

/// A call that has not ended.
struct Running<'a> {
    measure: &'a Measure,
    clock: &'a SystemClock,
    since: Duration,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let took = self.clock.monotonic().saturating_sub(self.since);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.measure.calls.fetch_add(1, Ordering::Relaxed);
        self.measure.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

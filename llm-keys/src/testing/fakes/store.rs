//! A store that does what a test says.

use async_trait::async_trait;
use uuid::Uuid;

use super::Script;
use crate::clock::Micros;
use crate::error::{ErrorKind, Result};
use crate::model::{
    Cursor, KeyFilter, KeyId, KeyRow, Page, PageSize, Seq, SystemName, Tenant, Version, VersionRow,
};
use crate::store::{
    Change, Changes, Hints, KeyStore, ScannedKey, StoreCapabilities, SystemRow, Use,
};

/// A real store whose calls are counted, and fail or hang as a test says.
#[derive(Debug)]
pub struct FakeStore<S> {
    inner: S,
    reads: Script,
    lists: Script,
    commits: Script,
    touches: Script,
    feeds: Script,
    hints: bool,
}

impl<S> FakeStore<S> {
    /// Does what `inner` does, until told otherwise.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            reads: Script::default(),
            lists: Script::default(),
            commits: Script::default(),
            touches: Script::default(),
            feeds: Script::default(),
            hints: true,
        }
    }

    /// The same store, which gives no hints even if the one inside does.
    #[must_use]
    pub fn without_hints(mut self) -> Self {
        self.hints = false;
        self
    }

    /// The store inside, past every script.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The calls that read one row: [`key_find`](KeyStore::key_find),
    /// [`version_find`](KeyStore::version_find), [`system_find`](KeyStore::system_find).
    pub fn reads(&self) -> &Script {
        &self.reads
    }

    /// The calls that read many rows: [`key_list`](KeyStore::key_list),
    /// [`key_due`](KeyStore::key_due), [`version_list`](KeyStore::version_list), [`version_scan`](KeyStore::version_scan),
    /// [`system_list`](KeyStore::system_list).
    pub fn lists(&self) -> &Script {
        &self.lists
    }

    /// The calls of [`commit`](KeyStore::commit).
    pub fn commits(&self) -> &Script {
        &self.commits
    }

    /// The calls of [`touch`](KeyStore::touch).
    pub fn touches(&self) -> &Script {
        &self.touches
    }

    /// The calls of [`changes_since`](KeyStore::changes_since) and
    /// [`events_since`](KeyStore::events_since).
    pub fn feeds(&self) -> &Script {
        &self.feeds
    }

    /// Lets every call fail as `kind`, until [`heal`](Self::heal).
    pub fn fail(&self, kind: ErrorKind) {
        for script in self.scripts() {
            script.fail(kind);
        }
    }

    /// Ends every failure.
    pub fn heal(&self) {
        for script in self.scripts() {
            script.heal();
        }
    }

    fn scripts(&self) -> [&Script; 5] {
        [&self.reads, &self.lists, &self.commits, &self.touches, &self.feeds]
    }
}

#[deny(clippy::missing_trait_methods)] // A forgotten method would silently use a default.
#[async_trait]
impl<S: KeyStore> KeyStore for FakeStore<S> {
    async fn key_find(&self, id: &KeyId) -> Result<Option<(KeyRow, Option<VersionRow>)>> {
        self.reads.run("store.key_find", self.inner.key_find(id)).await
    }

    async fn version_find(&self, record: Uuid, version: Version) -> Result<Option<VersionRow>> {
        self.reads.run("store.version_find", self.inner.version_find(record, version)).await
    }

    async fn version_list(&self, record: Uuid) -> Result<Vec<VersionRow>> {
        self.lists.run("store.version_list", self.inner.version_list(record)).await
    }

    async fn version_scan(
        &self,
        after: Option<(Uuid, Version)>,
        size: PageSize,
    ) -> Result<Vec<(KeyRow, VersionRow)>> {
        self.lists.run("store.version_scan", self.inner.version_scan(after, size)).await
    }

    async fn key_due(
        &self,
        before: Micros,
        after: Option<(Micros, Uuid)>,
        size: PageSize,
    ) -> Result<Vec<KeyRow>> {
        self.lists.run("store.key_due", self.inner.key_due(before, after, size)).await
    }

    async fn key_scan(&self, after: Option<&str>, size: PageSize) -> Result<Vec<ScannedKey>> {
        self.lists.run("store.key_scan", self.inner.key_scan(after, size)).await
    }

    async fn system_list(&self) -> Result<Vec<SystemRow>> {
        self.lists.run("store.system_list", self.inner.system_list()).await
    }

    async fn key_list(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyRow>> {
        self.lists.run("store.key_list", self.inner.key_list(filter, after, size)).await
    }

    async fn commit(&self, change: Change) -> Result<()> {
        self.commits.run("store.commit", self.inner.commit(change)).await
    }

    async fn touch(&self, uses: &[Use]) -> Result<()> {
        self.touches.run("store.touch", self.inner.touch(uses)).await
    }

    async fn system_find(&self, tenant: &Tenant, name: &SystemName) -> Result<Option<SystemRow>> {
        self.reads.run("store.system_find", self.inner.system_find(tenant, name)).await
    }

    async fn changes_since(&self, since: Seq) -> Result<Changes> {
        self.feeds.run("store.changes_since", self.inner.changes_since(since)).await
    }

    fn hints(&self) -> Option<Hints> {
        self.inner.hints().filter(|_| self.hints)
    }

    async fn events_since(&self, since: Seq, limit: PageSize) -> Result<Vec<(Seq, String)>> {
        self.feeds.run("store.events_since", self.inner.events_since(since, limit)).await
    }

    fn capabilities(&self) -> StoreCapabilities {
        let capabilities = self.inner.capabilities();
        StoreCapabilities { hints: capabilities.hints && self.hints, ..capabilities }
    }
}

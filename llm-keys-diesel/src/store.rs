//! The store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use llm_keys::error::Result;
use llm_keys::model::{KeyRow, Seq, SystemName, VersionRow};
use llm_keys::store::{Change, Changes, KeyStore, ScannedKey, StoreCapabilities, SystemRow, Use};
use llm_keys::{Cursor, KeyFilter, KeyId, Micros, Page, PageSize, Tenant, Version};
use uuid::Uuid;

use crate::backend::Conn;
use crate::pool::{AnyPool, Connections, Writer};
use crate::unbroken::unbroken;
use crate::url::{ConnectOptions, Target};
use crate::{migrate, queries};

/// A [`KeyStore`] in an SQL database. Cloning it is cheap and shares the pool.
///
/// A call that was begun runs to its end even if its caller stops waiting: a commit is made or not
/// made, and never left open. Use a store in the Tokio runtime that it was made in; any flavour
/// does, with the time driver enabled.
#[derive(Clone)]
pub struct DieselStore {
    shared: Arc<Shared>,
}

struct Shared {
    connections: Connections,
    /// That the tables are those we know was seen once; it is not asked again.
    checked: AtomicBool,
}

impl DieselStore {
    /// [`connect`](Self::connect) and [`migrate`](Self::migrate).
    ///
    /// # Errors
    /// As both.
    pub async fn open(url: &str) -> Result<Self> {
        let store = Self::connect(url).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Connects to the database that `url` names; its scheme chooses which:
    ///
    /// | URL | means |
    /// |-----|-------|
    /// | `sqlite:PATH`, `sqlite://PATH`, a path that ends in `.db`, `.sqlite`, `.sqlite3` | that file, made with mode 0600 if it is missing |
    /// | the same with `?mode=ro` | that file, never written |
    /// | `sqlite::memory:` | the memory of this store, on one connection, gone with it |
    ///
    /// SQLite is used with its write-ahead log, `synchronous = FULL`, foreign keys enforced, and
    /// bytes of purged rows overwritten.
    ///
    /// # Errors
    /// `InvalidInput` for a URL that means nothing; `Store(NotADatabase)` for a file that is
    /// something else; `Store` of another fault if the database cannot be opened.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, ConnectOptions::new()).await
    }

    /// As [`connect`](Self::connect), with options.
    ///
    /// # Errors
    /// As there.
    pub async fn connect_with(url: &str, options: ConnectOptions) -> Result<Self> {
        Self::connect_to(&Target::parse(url)?, options).await
    }

    pub(crate) async fn connect_to(target: &Target, options: ConnectOptions) -> Result<Self> {
        let store = Self::of(Connections::to(target, options)?);
        // Opens the first connection now, so that a wrong file fails here.
        let shared = Arc::clone(&store.shared);
        unbroken(async move { shared.connections.reader("store.connect").await.map(drop) }).await?;
        Ok(store)
    }

    /// A store on the application's own pool. The connections are taken as they are: on SQLite give
    /// them `busy_timeout`, and `synchronous = FULL` if a commit must survive a loss of power.
    ///
    /// The tables are checked at the first call, which is `Store(SchemaTooOld)` while our
    /// migrations have not run; see [`migrate`](Self::migrate).
    pub fn from_pool(pool: impl Into<AnyPool>) -> Self {
        Self::from_pool_with(pool, ConnectOptions::new())
    }

    /// As [`from_pool`](Self::from_pool), with options; the number of connections is the pool's.
    pub fn from_pool_with(pool: impl Into<AnyPool>, options: ConnectOptions) -> Self {
        Self::of(Connections::of(pool.into(), options))
    }

    fn of(connections: Connections) -> Self {
        Self { shared: Arc::new(Shared { connections, checked: AtomicBool::new(false) }) }
    }

    /// Brings our tables up to date, in one transaction; how many migrations ran. Several processes
    /// may do so at once.
    ///
    /// # Errors
    /// `Store(SchemaTooNew)` if a newer version of this crate made the tables.
    pub async fn migrate(&self) -> Result<usize> {
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut writer = shared.connections.writer("store.migrate").await?;
            let ran = migrate::run_pending(&mut writer.conn).await?;
            shared.checked.store(true, Ordering::Release);
            Ok(ran)
        })
        .await
    }
}

impl fmt::Debug for DieselStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DieselStore")
    }
}

impl Shared {
    async fn reader(&self, op: &'static str) -> Result<Conn> {
        let mut conn = self.connections.reader(op).await?;
        self.check(&mut conn).await?;
        Ok(conn)
    }

    async fn writer(&self, op: &'static str) -> Result<Writer> {
        let mut writer = self.connections.writer(op).await?;
        self.check(&mut writer.conn).await?;
        Ok(writer)
    }

    async fn check(&self, conn: &mut Conn) -> Result<()> {
        if !self.checked.load(Ordering::Acquire) {
            migrate::check(conn).await?;
            self.checked.store(true, Ordering::Release);
        }
        Ok(())
    }
}

#[async_trait]
impl KeyStore for DieselStore {
    async fn key_find(&self, id: &KeyId) -> Result<Option<(KeyRow, Option<VersionRow>)>> {
        let (shared, id) = (Arc::clone(&self.shared), id.clone());
        unbroken(async move {
            let mut conn = shared.reader("store.key_find").await?;
            queries::key_find::key_find(&mut conn, &id).await
        })
        .await
    }

    async fn version_find(&self, record: Uuid, version: Version) -> Result<Option<VersionRow>> {
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut conn = shared.reader("store.version_find").await?;
            queries::key_find::version_find(&mut conn, record, version).await
        })
        .await
    }

    async fn version_list(&self, record: Uuid) -> Result<Vec<VersionRow>> {
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut conn = shared.reader("store.version_list").await?;
            queries::version_list::version_list(&mut conn, record).await
        })
        .await
    }

    async fn version_scan(
        &self,
        after: Option<(Uuid, Version)>,
        size: PageSize,
    ) -> Result<Vec<(KeyRow, VersionRow)>> {
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut conn = shared.reader("store.version_scan").await?;
            queries::version_list::version_scan(&mut conn, after, size).await
        })
        .await
    }

    async fn key_due(
        &self,
        before: Micros,
        after: Option<(Micros, Uuid)>,
        size: PageSize,
    ) -> Result<Vec<KeyRow>> {
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut conn = shared.reader("store.key_due").await?;
            queries::key_due::key_due(&mut conn, before, after, size).await
        })
        .await
    }

    async fn key_scan(&self, after: Option<&str>, size: PageSize) -> Result<Vec<ScannedKey>> {
        let (shared, after) = (Arc::clone(&self.shared), after.map(str::to_owned));
        unbroken(async move {
            let mut conn = shared.reader("store.key_scan").await?;
            queries::key_scan::key_scan(&mut conn, after.as_deref(), size).await
        })
        .await
    }

    async fn system_list(&self) -> Result<Vec<SystemRow>> {
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut conn = shared.reader("store.system_list").await?;
            queries::system::system_list(&mut conn).await
        })
        .await
    }

    async fn key_list(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyRow>> {
        let (shared, filter, after) = (Arc::clone(&self.shared), filter.clone(), after.cloned());
        unbroken(async move {
            let mut conn = shared.reader("store.key_list").await?;
            queries::key_list::key_list(&mut conn, &filter, after.as_ref(), size).await
        })
        .await
    }

    async fn commit(&self, change: Change) -> Result<()> {
        change.check_covered()?;
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut writer = shared.writer("store.commit").await?;
            queries::commit::commit(&mut writer.conn, &change).await
        })
        .await
    }

    async fn touch(&self, uses: &[Use]) -> Result<()> {
        let (shared, uses) = (Arc::clone(&self.shared), uses.to_vec());
        unbroken(async move {
            let mut writer = shared.writer("store.touch").await?;
            queries::touch::touch(&mut writer.conn, &uses).await
        })
        .await
    }

    async fn system_find(&self, tenant: &Tenant, name: &SystemName) -> Result<Option<SystemRow>> {
        let (shared, tenant, name) = (Arc::clone(&self.shared), tenant.clone(), name.clone());
        unbroken(async move {
            let mut conn = shared.reader("store.system_find").await?;
            queries::system::system_find(&mut conn, &tenant, &name).await
        })
        .await
    }

    async fn changes_since(&self, since: Seq) -> Result<Changes> {
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut conn = shared.reader("store.changes_since").await?;
            queries::changes::changes_since(&mut conn, since).await
        })
        .await
    }

    async fn events_since(&self, since: Seq, limit: PageSize) -> Result<Vec<(Seq, String)>> {
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut conn = shared.reader("store.events_since").await?;
            queries::events::events_since(&mut conn, since, limit).await
        })
        .await
    }

    fn capabilities(&self) -> StoreCapabilities {
        if self.shared.connections.in_memory() {
            StoreCapabilities::IN_PROCESS
        } else {
            StoreCapabilities::DURABLE
        }
    }
}

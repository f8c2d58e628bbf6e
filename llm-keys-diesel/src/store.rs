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

use crate::attempt::Attempts;
use crate::backend::Conn;
use crate::failure::{is_lost, may_run_again};
use crate::migrate::MigrationStatus;
use crate::patience::{self, Patience};
use crate::pool::{AnyPool, Connections, Writer};
use crate::unbroken::unbroken;
use crate::url::{ConnectOptions, Target};
use crate::{migrate, purged, queries};

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

    /// Connects to the database that `url` names; its scheme chooses which. Those for a server need
    /// the feature of that name.
    ///
    /// | URL | means |
    /// |-----|-------|
    /// | `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, `postgresql://…` | PostgreSQL, or what speaks its protocol; all parameters of `tokio-postgres`, `?host=/FOLDER` for a Unix socket |
    /// | `mysql://USER:PASSWORD@HOST:PORT/DATABASE`, `mariadb://…` | MySQL or MariaDB; `?socket=/PATH` for a Unix socket |
    /// | `sqlite:PATH`, `sqlite://PATH`, a path that ends in `.db`, `.sqlite`, `.sqlite3` | that file, made with mode 0600 if it is missing |
    /// | the same with `?mode=ro` | that file, never written |
    /// | `sqlite::memory:` | the memory of this store, on one connection, gone with it |
    ///
    /// A connection to a server has TLS, and its certificate must be for the host of the URL and from
    /// an authority that the system trusts, or that `?sslrootcert=/FILE` holds. On the loopback
    /// address there is TLS only if `?sslmode=verify-full` or an authority is named; on a Unix socket
    /// there is none. Anything less, such as `sslmode=disable` for another host, is refused.
    ///
    /// SQLite is used with its write-ahead log, `synchronous = FULL`, foreign keys enforced, and
    /// bytes of purged rows overwritten; the log is emptied after a purge, if no reader is in the
    /// way.
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
    /// them `busy_timeout`, and `synchronous = FULL` if a commit must survive a loss of power; on
    /// PostgreSQL `lock_timeout`; on MySQL `innodb_lock_wait_timeout`, a strict `sql_mode` and found
    /// rows instead of changed ones (`AsyncMysqlConnection::establish` sees to the last).
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

    /// Brings our tables up to date; how many migrations ran. Several processes may do so at once.
    ///
    /// In one transaction, except on MySQL, which ends a transaction where a table is defined:
    /// broken off there, it is finished by the next call.
    ///
    /// # Errors
    /// `Store(SchemaTooNew)` if a newer version of this crate made the tables.
    pub async fn migrate(&self) -> Result<usize> {
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut writer = shared.connections.writer("store.migrate").await?;
            let ran = migrate::run_pending(&mut writer.conn).await;
            shared.connections.give_back(writer.conn, &ran);
            shared.checked.store(ran.is_ok(), Ordering::Release);
            ran
        })
        .await
    }

    /// All migrations that there are, oldest first; changes nothing.
    ///
    /// # Errors
    /// `Store` if the database fails.
    pub async fn migrations(&self) -> Result<Vec<MigrationStatus>> {
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut conn = shared.connections.reader("store.migrate").await?;
            let found = migrate::status(&mut conn).await;
            shared.connections.give_back(conn, &found);
            found
        })
        .await
    }

    /// Takes back the newest migration, for an older version of this crate; its name, or `None` if
    /// none ran.
    ///
    /// # Errors
    /// `Store(Refused)` if something is stored that the older tables have no place for: nothing is
    /// changed then; `Store(SchemaTooNew)` if a newer version of this crate made the tables.
    pub async fn migrate_down(&self) -> Result<Option<&'static str>> {
        let shared = Arc::clone(&self.shared);
        unbroken(async move {
            let mut writer = shared.connections.writer("store.migrate").await?;
            let taken = migrate::take_back(&mut writer.conn).await;
            shared.connections.give_back(writer.conn, &taken);
            shared.checked.store(false, Ordering::Release);
            taken
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
        let conn = self.connections.reader(op).await?;
        self.checked(conn).await
    }

    async fn writer(&self, op: &'static str) -> Result<Writer> {
        let mut writer = self.connections.writer(op).await?;
        writer.conn = self.checked(writer.conn).await?;
        Ok(writer)
    }

    async fn checked(&self, mut conn: Conn) -> Result<Conn> {
        if self.checked.load(Ordering::Acquire) {
            return Ok(conn);
        }
        let patience = Patience::of(self.connections.is_remote(), patience::READ);
        if let Err(error) = patience.run("store.check", migrate::check(&mut conn)).await {
            let failed = Err(error);
            self.connections.give_back(conn, &failed);
            return failed;
        }
        self.checked.store(true, Ordering::Release);
        Ok(conn)
    }
}

/// A read, on a connection of the pool; on a new one if that had died unseen, since asking again
/// does no harm.
macro_rules! read {
    ($store:expr, $op:literal, |$conn:ident| $query:expr) => {{
        let shared = Arc::clone(&$store.shared);
        unbroken(async move {
            let mut attempts = Attempts::new();
            let patience = Patience::of(shared.connections.is_remote(), patience::READ);
            loop {
                let mut conn = shared.reader($op).await?;
                let $conn = &mut conn;
                let done = patience.run($op, $query).await;
                if !shared.connections.give_back(conn, &done) || !attempts.after_loss() {
                    return done;
                }
            }
        })
        .await
    }};
}

/// A transaction that writes. It is run again if the connection died before it began, or if the
/// database took it back because it met others; never if it may have been made.
macro_rules! write {
    ($store:expr, $op:literal, |$conn:ident| $query:expr) => {{
        let shared = Arc::clone(&$store.shared);
        unbroken(async move {
            let mut attempts = Attempts::new();
            let patience = Patience::of(shared.connections.is_remote(), patience::WRITE);
            loop {
                let mut writer = shared.writer($op).await?;
                let begin = queries::begin_txn(&mut writer.conn, $op);
                let begun = patience.run($op, begin).await;
                if begun.is_err() {
                    if shared.connections.give_back(writer.conn, &begun) && attempts.after_loss() {
                        continue;
                    }
                    return begun;
                }
                let $conn = &mut writer.conn;
                let made = patience.run($op, $query).await;
                let done = match made {
                    // Nothing more is asked of a connection that does not answer.
                    Err(error) if is_lost(&error) => Err(error),
                    made => {
                        let end = queries::end_txn(&mut writer.conn, $op, made);
                        patience.run($op, end).await
                    }
                };
                shared.connections.give_back(writer.conn, &done);
                let again = done.as_ref().err().filter(|error| may_run_again(error));
                match again.and_then(|_| attempts.after_collision()) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return done,
                }
            }
        })
        .await
    }};
}

#[async_trait]
impl KeyStore for DieselStore {
    async fn key_find(&self, id: &KeyId) -> Result<Option<(KeyRow, Option<VersionRow>)>> {
        let id = id.clone();
        read!(self, "store.key_find", |conn| queries::key_find::key_find(conn, &id))
    }

    async fn version_find(&self, record: Uuid, version: Version) -> Result<Option<VersionRow>> {
        read!(self, "store.version_find", |conn| queries::key_find::version_find(
            conn, record, version
        ))
    }

    async fn version_list(&self, record: Uuid) -> Result<Vec<VersionRow>> {
        read!(self, "store.version_list", |conn| queries::version_list::version_list(conn, record))
    }

    async fn version_scan(
        &self,
        after: Option<(Uuid, Version)>,
        size: PageSize,
    ) -> Result<Vec<(KeyRow, VersionRow)>> {
        read!(self, "store.version_scan", |conn| queries::version_list::version_scan(
            conn, after, size
        ))
    }

    async fn key_due(
        &self,
        before: Micros,
        after: Option<(Micros, Uuid)>,
        size: PageSize,
    ) -> Result<Vec<KeyRow>> {
        read!(self, "store.key_due", |conn| queries::key_due::key_due(conn, before, after, size))
    }

    async fn key_scan(&self, after: Option<&str>, size: PageSize) -> Result<Vec<ScannedKey>> {
        let after = after.map(str::to_owned);
        read!(self, "store.key_scan", |conn| queries::key_scan::key_scan(
            conn,
            after.as_deref(),
            size
        ))
    }

    async fn system_list(&self) -> Result<Vec<SystemRow>> {
        read!(self, "store.system_list", |conn| queries::system::system_list(conn))
    }

    async fn key_list(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyRow>> {
        let (filter, after) = (filter.clone(), after.cloned());
        read!(self, "store.key_list", |conn| queries::key_list::key_list(
            conn,
            &filter,
            after.as_ref(),
            size
        ))
    }

    async fn commit(&self, change: Change) -> Result<()> {
        change.check_covered()?;
        let purges = !change.purge.is_empty();
        let made =
            write!(self, "store.commit", |conn| queries::commit::commit_in_txn(conn, &change));
        if purges && made.is_ok() {
            let shared = Arc::clone(&self.shared);
            unbroken(async move { purged::empty_log(&shared.connections).await }).await;
        }
        made
    }

    async fn touch(&self, uses: &[Use]) -> Result<()> {
        if uses.is_empty() {
            return Ok(());
        }
        let uses = queries::touch::in_order(uses);
        write!(self, "store.touch", |conn| queries::touch::touch_in_txn(conn, &uses))
    }

    async fn system_find(&self, tenant: &Tenant, name: &SystemName) -> Result<Option<SystemRow>> {
        let (tenant, name) = (tenant.clone(), name.clone());
        read!(self, "store.system_find", |conn| queries::system::system_find(conn, &tenant, &name))
    }

    async fn changes_since(&self, since: Seq) -> Result<Changes> {
        read!(self, "store.changes_since", |conn| queries::changes::changes_since(conn, since))
    }

    async fn events_since(&self, since: Seq, limit: PageSize) -> Result<Vec<(Seq, String)>> {
        read!(self, "store.events_since", |conn| queries::events::events_since(conn, since, limit))
    }

    fn capabilities(&self) -> StoreCapabilities {
        if self.shared.connections.in_memory() {
            StoreCapabilities::IN_PROCESS
        } else {
            StoreCapabilities::DURABLE
        }
    }
}

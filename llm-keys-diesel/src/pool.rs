//! Connections: a pool of our own or the application's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{Manager, Timeouts};
use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, PoolableConnection};
use llm_keys::error::{Result, StoreFault};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::backend::Conn;
use crate::failure::{fault, is_lost, no_connection};
use crate::url::{ConnectOptions, Target};

mod open;

/// A pool of connections to SQLite, as `diesel-async` makes them.
#[cfg(feature = "sqlite")]
pub type SqlitePool = Pool<crate::backend::SqliteConn>;

/// A pool of connections to PostgreSQL, as `diesel-async` makes them.
#[cfg(feature = "postgres")]
pub type PostgresPool = Pool<crate::backend::PgConn>;

/// A pool of connections to MySQL or MariaDB, as `diesel-async` makes them.
#[cfg(feature = "mysql")]
pub type MysqlPool = Pool<crate::backend::MysqlConn>;

/// A pool of connections to one of the databases.
#[derive(Clone)]
#[non_exhaustive]
pub enum AnyPool {
    /// To SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(SqlitePool),
    /// To PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(PostgresPool),
    /// To MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    Mysql(MysqlPool),
}

#[cfg(feature = "sqlite")]
impl From<SqlitePool> for AnyPool {
    fn from(pool: SqlitePool) -> Self {
        Self::Sqlite(pool)
    }
}

#[cfg(feature = "postgres")]
impl From<PostgresPool> for AnyPool {
    fn from(pool: PostgresPool) -> Self {
        Self::Postgres(pool)
    }
}

#[cfg(feature = "mysql")]
impl From<MysqlPool> for AnyPool {
    fn from(pool: MysqlPool) -> Self {
        Self::Mysql(pool)
    }
}

impl fmt::Debug for AnyPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => f.write_str("AnyPool::Sqlite"),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => f.write_str("AnyPool::Postgres"),
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => f.write_str("AnyPool::Mysql"),
        }
    }
}

impl AnyPool {
    /// Whether the database is on the other side of a connection that can break.
    fn is_remote(&self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => true,
        }
    }

    /// Closes the connections that nobody uses now.
    fn close_idle(&self) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(pool) => drop(pool.retain(|_, _| false)),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => drop(pool.retain(|_, _| false)),
            #[cfg(feature = "mysql")]
            Self::Mysql(pool) => drop(pool.retain(|_, _| false)),
        }
    }
}

/// Hands out connections, each within a bounded wait.
pub(crate) struct Connections {
    pool: AnyPool,
    /// SQLite has one writer at a time. Ours queue here, where they wake in turn, and not in
    /// SQLite, where they would sleep and try; and those that wait hold no connection. `None` for
    /// a database that locks single rows.
    writer: Option<Arc<Semaphore>>,
    wait: Duration,
    lock_wait: Duration,
    /// Gone with its one connection.
    in_memory: bool,
}

/// A connection that may write; the next writer waits until it is dropped.
pub(crate) struct Writer {
    pub(crate) conn: Conn,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Connections {
    /// A pool of our own. Opens no connection yet.
    pub(crate) fn to(target: &Target, options: ConnectOptions) -> Result<Self> {
        let in_memory = matches!(target, Target::SqliteMemory);
        Ok(Self { in_memory, ..Self::of(open::pool(target, options)?, options) })
    }

    /// The application's pool.
    pub(crate) fn of(pool: AnyPool, options: ConnectOptions) -> Self {
        let writer = (!pool.is_remote()).then(|| Arc::new(Semaphore::new(1)));
        Self { pool, writer, wait: options.wait, lock_wait: options.lock_wait, in_memory: false }
    }

    /// Whether the database is behind a connection, and not a file.
    pub(crate) fn is_remote(&self) -> bool {
        self.pool.is_remote()
    }

    pub(crate) fn in_memory(&self) -> bool {
        self.in_memory
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// `Store(Busy)` if none got free in time; `Store` of another fault if none could be opened.
    pub(crate) async fn reader(&self, op: &'static str) -> Result<Conn> {
        match &self.pool {
            #[cfg(feature = "sqlite")]
            AnyPool::Sqlite(pool) => checkout(pool, self.wait, op).await.map(Conn::Sqlite),
            #[cfg(feature = "postgres")]
            AnyPool::Postgres(pool) => {
                checkout_remote(pool, self.wait, op).await.map(Conn::Postgres)
            }
            #[cfg(feature = "mysql")]
            AnyPool::Mysql(pool) => checkout_remote(pool, self.wait, op).await.map(Conn::Mysql),
        }
    }

    /// A connection to write with, once it is our turn.
    ///
    /// # Errors
    /// As [`reader`](Self::reader); `Store(Busy)` too if our turn did not come in time.
    pub(crate) async fn writer(&self, op: &'static str) -> Result<Writer> {
        let turn = match &self.writer {
            Some(writer) => Some(take_turn(Arc::clone(writer), self.lock_wait, op).await?),
            None => None,
        };
        Ok(Writer { conn: self.reader(op).await?, _turn: turn })
    }

    /// Takes a connection back after what was `done` with it; whether it broke meanwhile.
    ///
    /// Nobody asks a connection how it is before each use, which would cost as much as a read. One
    /// that broke is closed here instead, and those that lie idle with it: what ended one, such as
    /// a restart of the server, mostly ended all.
    pub(crate) fn give_back<T>(&self, conn: Conn, done: &Result<T>) -> bool {
        let lost = self.pool.is_remote() && done.as_ref().is_err_and(is_lost);
        if lost {
            conn.discard();
            self.pool.close_idle();
        }
        lost
    }
}

/// As [`checkout`], and within the wait even if the server does not answer.
#[cfg(any(feature = "postgres", feature = "mysql"))]
async fn checkout_remote<C>(pool: &Pool<C>, wait: Duration, op: &'static str) -> Result<Object<C>>
where
    C: PoolableConnection + Send + 'static,
    AsyncDieselConnectionManager<C>:
        Manager<Type = C, Error = diesel_async::pooled_connection::PoolError>,
{
    // A little later than the wait for a free one, which has the better message.
    let limit = wait + wait / 20;
    match tokio::time::timeout(limit, checkout(pool, wait, op)).await {
        Ok(got) => got,
        Err(_) => {
            Err(fault(StoreFault::Unavailable, op, "the database server did not answer in time"))
        }
    }
}

async fn checkout<C>(pool: &Pool<C>, wait: Duration, op: &'static str) -> Result<Object<C>>
where
    C: PoolableConnection + Send + 'static,
    AsyncDieselConnectionManager<C>:
        Manager<Type = C, Error = diesel_async::pooled_connection::PoolError>,
{
    // Asks without waiting first: the usual case needs no timer. A limit is set for the wait alone:
    // dropped while it opens a connection to SQLite, `diesel-async` would block this thread.
    let within = |wait| Timeouts { wait: Some(wait), create: None, recycle: None };
    let mut got = pool.timeout_get(&within(Duration::ZERO)).await;
    if let Err(PoolError::Timeout(_)) = got {
        got = pool.timeout_get(&within(wait)).await;
    }
    if let Err(PoolError::NoRuntimeSpecified) = got {
        // The application's pool has no timer, so we ask again and again, with our own.
        let mut left = wait;
        got = pool.timeout_get(&within(Duration::ZERO)).await;
        while !left.is_zero() && matches!(got, Err(PoolError::Timeout(_))) {
            let pause = left.min(Duration::from_millis(5));
            tokio::time::sleep(pause).await;
            left -= pause;
            got = pool.timeout_get(&within(Duration::ZERO)).await;
        }
    }
    got.map_err(|error| no_connection(op, error))
}

async fn take_turn(
    writer: Arc<Semaphore>,
    wait: Duration,
    op: &'static str,
) -> Result<OwnedSemaphorePermit> {
    if let Ok(turn) = Arc::clone(&writer).try_acquire_owned() {
        return Ok(turn);
    }
    match tokio::time::timeout(wait, writer.acquire_owned()).await {
        Ok(Ok(turn)) => Ok(turn),
        // The semaphore is never closed, so what is left is that others wrote all the time.
        _ => {
            Err(fault(StoreFault::Busy, op, "other writers of this program keep the database busy")
                .with_hint("try again"))
        }
    }
}

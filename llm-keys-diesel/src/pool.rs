//! Connections: a pool of our own or the application's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Manager, Timeouts};
use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, PoolableConnection, RecyclingMethod,
};
use llm_keys::error::{Error, ErrorKind, Result, StoreFault};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::backend::{Conn, SqliteConn};
use crate::failure::{fault, no_connection};
use crate::url::{ConnectOptions, Target, sqlite_uri};
use crate::{dialect, file};

/// A pool of connections to SQLite, as `diesel-async` makes them.
#[cfg(feature = "sqlite")]
pub type SqlitePool = Pool<SqliteConn>;

/// A pool of connections to one of the databases.
#[derive(Clone)]
#[non_exhaustive]
pub enum AnyPool {
    /// To SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(SqlitePool),
}

#[cfg(feature = "sqlite")]
impl From<SqlitePool> for AnyPool {
    fn from(pool: SqlitePool) -> Self {
        Self::Sqlite(pool)
    }
}

impl fmt::Debug for AnyPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => f.write_str("AnyPool::Sqlite"),
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
        let (uri, read_only, size) = match target {
            // Each connection would have a memory of its own.
            Target::SqliteMemory => (":memory:".to_owned(), false, 1),
            Target::SqliteFile { path, read_only } => {
                file::prepare(path, *read_only)?;
                (sqlite_uri(path, *read_only), *read_only, options.max_connections)
            }
        };
        let mut config = ManagerConfig::default();
        // A local file does not go away; a question on each checkout would cost as much as a read.
        config.recycling_method = RecyclingMethod::Fast;
        let lock_wait = options.lock_wait;
        config.custom_setup = Box::new(move |uri| {
            let uri = uri.to_owned();
            Box::pin(async move { dialect::sqlite_open(&uri, lock_wait, read_only).await })
        });
        let manager = AsyncDieselConnectionManager::new_with_config(uri, config);
        let pool = Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1).build().map_err(
            |error| {
                Error::new(ErrorKind::Internal, "store.connect", "the pool cannot be built")
                    .with_source(error)
            },
        )?;
        let in_memory = matches!(target, Target::SqliteMemory);
        Ok(Self { in_memory, ..Self::of(pool.into(), options) })
    }

    /// The application's pool.
    pub(crate) fn of(pool: AnyPool, options: ConnectOptions) -> Self {
        let writer = match &pool {
            #[cfg(feature = "sqlite")]
            AnyPool::Sqlite(_) => Some(Arc::new(Semaphore::new(1))),
        };
        Self { pool, writer, wait: options.wait, lock_wait: options.lock_wait, in_memory: false }
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
}

async fn checkout<C>(pool: &Pool<C>, wait: Duration, op: &'static str) -> Result<Object<C>>
where
    C: PoolableConnection + Send + 'static,
    AsyncDieselConnectionManager<C>:
        Manager<Type = C, Error = diesel_async::pooled_connection::PoolError>,
{
    // Asks without waiting first: the usual case needs no timer. A limit is set for the wait alone:
    // dropped while it opens a connection, `diesel-async` would block this thread.
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

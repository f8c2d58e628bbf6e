//! What differs between the databases: the only raw SQL, and what their messages mean. A file for
//! each of them; this one asks which it is.

use std::sync::OnceLock;
use std::time::Duration;

#[cfg(feature = "sqlite")]
use diesel::connection::{AnsiTransactionManager as SyncManager, TransactionManager as _};
use diesel::result::QueryResult;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use diesel_async::SimpleAsyncConnection as _;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use diesel_async::{AnsiTransactionManager, TransactionManager as _};
use llm_keys::error::{Error, StoreFault};

use crate::backend::Conn;
use crate::failure::fault;

#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod script;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

/// Begins a transaction that writes.
///
/// On SQLite it takes the write lock at once: one that began with a read could not get it later if
/// somebody else wrote in between. On PostgreSQL each statement sees what was committed before it,
/// and what it relies on it locks; MySQL's locking reads do so at every level.
pub(crate) async fn begin_write(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        #[cfg(feature = "sqlite")]
        Conn::Sqlite(conn) => conn.spawn_blocking(sqlite::begin_immediate).await,
        #[cfg(feature = "postgres")]
        Conn::Postgres(conn) => {
            AnsiTransactionManager::begin_transaction_sql(&mut **conn, postgres::BEGIN).await
        }
        #[cfg(feature = "mysql")]
        Conn::Mysql(conn) => AnsiTransactionManager::begin_transaction(&mut **conn).await,
    }
}

pub(crate) async fn commit(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        #[cfg(feature = "sqlite")]
        Conn::Sqlite(conn) => conn.spawn_blocking(SyncManager::commit_transaction).await,
        #[cfg(feature = "postgres")]
        Conn::Postgres(conn) => AnsiTransactionManager::commit_transaction(&mut **conn).await,
        #[cfg(feature = "mysql")]
        Conn::Mysql(conn) => AnsiTransactionManager::commit_transaction(&mut **conn).await,
    }
}

pub(crate) async fn rollback(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        #[cfg(feature = "sqlite")]
        Conn::Sqlite(conn) => conn.spawn_blocking(SyncManager::rollback_transaction).await,
        #[cfg(feature = "postgres")]
        Conn::Postgres(conn) => AnsiTransactionManager::rollback_transaction(&mut **conn).await,
        #[cfg(feature = "mysql")]
        Conn::Mysql(conn) => AnsiTransactionManager::rollback_transaction(&mut **conn).await,
    }
}

/// Empties the log in which old contents of the database's pages may stand; `false` if a reader
/// still needs it. Waits for readers no longer than `wait`, in which nobody can write. The logs of
/// servers are not for us to empty.
pub(crate) async fn empty_log(conn: &mut Conn, wait: Duration) -> QueryResult<bool> {
    // Only a file has a log to wait for.
    let _ = wait;
    match conn {
        #[cfg(feature = "sqlite")]
        Conn::Sqlite(conn) => conn.spawn_blocking(move |conn| sqlite::empty_log(conn, wait)).await,
        #[cfg(feature = "postgres")]
        Conn::Postgres(_) => Ok(true),
        #[cfg(feature = "mysql")]
        Conn::Mysql(_) => Ok(true),
    }
}

/// Tells others that the feed moved, where the database can: once the transaction is committed.
pub(crate) async fn notify(conn: &mut Conn, can: &OnceLock<bool>) -> QueryResult<()> {
    match conn {
        #[cfg(feature = "postgres")]
        Conn::Postgres(conn) => postgres::notify::notify(conn, can).await,
        #[cfg(any(feature = "sqlite", feature = "mysql"))]
        _ => {
            let _ = can;
            Ok(())
        }
    }
}

/// Whether our migrations ever ran.
pub(crate) async fn has_schema(conn: &mut Conn) -> QueryResult<bool> {
    match conn {
        #[cfg(feature = "sqlite")]
        Conn::Sqlite(conn) => conn.spawn_blocking(sqlite::has_schema).await,
        #[cfg(feature = "postgres")]
        Conn::Postgres(conn) => postgres::has_schema(conn).await,
        #[cfg(feature = "mysql")]
        Conn::Mysql(conn) => mysql::has_schema(conn).await,
    }
}

/// Keeps other processes from changing the tables, until [`end_migration`]. Waits for one that does
/// so now.
pub(crate) async fn begin_migration(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        #[cfg(feature = "sqlite")]
        Conn::Sqlite(conn) => conn.spawn_blocking(sqlite::begin_immediate).await,
        #[cfg(feature = "postgres")]
        Conn::Postgres(conn) => postgres::begin_migration(conn).await,
        #[cfg(feature = "mysql")]
        Conn::Mysql(conn) => mysql::lock_migrations(conn).await,
    }
}

/// Runs the statements of a migration, one after the other.
pub(crate) async fn run_script(conn: &mut Conn, sql: &str) -> QueryResult<()> {
    for statement in script::statements(sql) {
        match conn {
            #[cfg(feature = "sqlite")]
            Conn::Sqlite(conn) => conn.batch_execute(&statement).await?,
            #[cfg(feature = "postgres")]
            Conn::Postgres(conn) => conn.batch_execute(&statement).await?,
            #[cfg(feature = "mysql")]
            Conn::Mysql(conn) => mysql::run_statement(conn, &statement).await?,
        }
        fail_point!("migrate.statement");
    }
    Ok(())
}

/// Ends what [`begin_migration`] began: keeps what was done, or takes it back where the database
/// can.
pub(crate) async fn end_migration(conn: &mut Conn, keep: bool) -> QueryResult<()> {
    match (conn, keep) {
        #[cfg(feature = "mysql")]
        (Conn::Mysql(conn), _) => mysql::unlock_migrations(conn).await,
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        (conn, true) => commit(conn).await,
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        (conn, false) => rollback(conn).await,
    }
}

/// What a message of a database means. Diesel hides the code behind the text. The tests make the
/// common ones happen.
pub(crate) fn by_message(op: &'static str, message: &str) -> Error {
    let found: Option<Error> = None;
    #[cfg(feature = "sqlite")]
    let found = found.or_else(|| sqlite::by_message(op, message));
    #[cfg(feature = "postgres")]
    let found = found.or_else(|| postgres::by_message(op, message));
    #[cfg(feature = "mysql")]
    let found = found.or_else(|| mysql::by_message(op, message));
    found.unwrap_or_else(|| fault(StoreFault::Refused, op, "the database refused a statement"))
}

/// Whether the database took a transaction back because it met others, so that it may be run again
/// as it is.
pub(crate) fn is_collision(message: &str) -> bool {
    let found = false;
    #[cfg(feature = "postgres")]
    let found = found || message == postgres::DEADLOCK;
    #[cfg(feature = "mysql")]
    let found = found || mysql::COLLISIONS.iter().any(|text| message.starts_with(text));
    let _ = message;
    found
}

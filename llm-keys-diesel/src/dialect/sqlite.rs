//! SQLite.

use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _};
use diesel::prelude::*;
use diesel::result::Error::DatabaseError;
use diesel::result::{ConnectionResult, QueryResult};
use diesel::{ConnectionError, SqliteConnection};
use diesel_async::{AsyncConnection as _, SimpleAsyncConnection as _};
use llm_keys::error::{Error, StoreFault};

use crate::backend::SqliteConn;
use crate::failure::fault;

/// Opens a connection to SQLite and sets it up, once in its life.
pub(crate) async fn open(
    uri: &str,
    busy_timeout: Duration,
    read_only: bool,
) -> ConnectionResult<SqliteConn> {
    let mut conn = SqliteConn::establish(uri).await?;
    let wait = busy_timeout.as_millis();
    // First the wait, since what follows may meet a lock. Temporary tables hold copies of rows, so
    // they stay out of files.
    let mut setup = format!(
        "PRAGMA busy_timeout = {wait}; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
    );
    setup.push_str(if read_only {
        // Reads the header, which a mere `open` does not: a file that is no database fails here.
        "PRAGMA query_only = ON; PRAGMA schema_version;"
    } else {
        // FULL: a commit that returned survives a loss of power. `secure_delete`: what is purged
        // leaves no bytes behind in free pages.
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
    });
    let mut left = busy_timeout;
    loop {
        match conn.batch_execute(&setup).await {
            Ok(()) => return Ok(conn),
            // SQLite does not wait by itself where two connections that change to the write-ahead
            // log, or bring it up after a crash, would wait for each other.
            Err(DatabaseError(_, message)) if message.message() == LOCKED && !left.is_zero() => {
                let pause = left.min(Duration::from_millis(5));
                tokio::time::sleep(pause).await;
                left -= pause;
            }
            Err(error) => return Err(ConnectionError::CouldntSetupConfiguration(error)),
        }
    }
}

/// SQLite's text for `SQLITE_BUSY`.
const LOCKED: &str = "database is locked";

/// Empties the write-ahead log, whose end goes with the bytes of the old pages; `false` if a reader
/// still needs it. In another journal mode this does nothing.
#[expect(clippy::disallowed_methods, reason = "this is a dialect file")]
pub(super) fn empty_log(conn: &mut SqliteConnection, wait: Duration) -> QueryResult<bool> {
    let usual = diesel::sql_query("PRAGMA busy_timeout").get_result::<Timeout>(conn)?.timeout;
    conn.batch_execute(&format!("PRAGMA busy_timeout = {}", wait.as_millis()))?;
    let emptied = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(conn);
    conn.batch_execute(&format!("PRAGMA busy_timeout = {usual}"))?;
    emptied.map(|checkpoint: Checkpoint| checkpoint.busy == 0)
}

/// The answer of `PRAGMA busy_timeout`.
#[derive(QueryableByName)]
struct Timeout {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    timeout: i32,
}

/// What is used of the answer of `PRAGMA wal_checkpoint`.
#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    busy: i32,
}

/// Begins a transaction with the write lock.
pub(super) fn begin_immediate(conn: &mut SqliteConnection) -> QueryResult<()> {
    AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")
}

diesel::table! {
    /// SQLite's list of what is in a database.
    sqlite_master (name) {
        #[sql_name = "type"]
        kind -> Text,
        name -> Text,
    }
}

/// Whether our migrations ever ran.
pub(super) fn has_schema(conn: &mut SqliteConnection) -> QueryResult<bool> {
    let found = sqlite_master::table
        .filter(sqlite_master::kind.eq("table"))
        .filter(sqlite_master::name.eq("llm_keys_schema"));
    diesel::select(diesel::dsl::exists(found)).get_result(conn)
}

/// What a message of SQLite means. Diesel hides the result code behind the text of
/// `sqlite3_errmsg`; these texts are constants of SQLite and never translated. The tests make the
/// common ones happen.
pub(super) fn by_message(op: &'static str, message: &str) -> Option<Error> {
    let found = |fault_is, detail| fault(fault_is, op, detail);
    Some(match message {
        LOCKED | "database table is locked" | "database schema is locked" => {
            found(StoreFault::Busy, "somebody else keeps the database locked")
                .with_hint("try again; another program may hold a long transaction")
        }
        "database or disk is full" => {
            found(StoreFault::Full, "there is no space left for the database")
                .with_hint("make room on the disk that holds the database; nothing was changed")
        }
        "attempt to write a readonly database" => {
            found(StoreFault::ReadOnly, "the database may only be read")
                .with_hint("give write permission to the database file and to its folder")
        }
        "file is not a database" => {
            found(StoreFault::NotADatabase, "the file is not an SQLite database")
                .with_hint("name another file; this one was not changed")
        }
        "database disk image is malformed" => {
            found(StoreFault::NotADatabase, "the database file is damaged")
                .with_hint("restore it from a backup")
        }
        "access permission denied" | "authorization denied" | "not authorized" => {
            found(StoreFault::Denied, "the database file may not be opened")
        }
        "unable to open database file" => {
            found(StoreFault::Unavailable, "the database file cannot be opened")
                .with_hint("check that its folder is there and may be written")
        }
        "disk I/O error" => found(StoreFault::Unavailable, "the disk of the database failed"),
        missing if missing.starts_with("no such table: llm_keys_") => {
            found(StoreFault::SchemaTooOld, "the tables of llm-keys are missing")
        }
        _ => return None,
    })
}

//! MySQL and MariaDB.

use std::time::Duration;

use diesel::ConnectionError;
use diesel::dsl::sql;
use diesel::result::{ConnectionResult, Error as DieselError, QueryResult};
use diesel::sql_types::{Bool, Nullable};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use llm_keys::error::{Error, StoreFault};
use mysql_async::Opts;

use crate::backend::MysqlConn;
use crate::failure::fault;

/// Opens a connection and sets it up, once in its life.
pub(crate) async fn open(opts: &Opts, lock_wait: Duration) -> ConnectionResult<MysqlConn> {
    let conn = mysql_async::Conn::new(opts.clone()).await.map_err(not_open)?;
    let mut conn = MysqlConn::try_from(conn).await?;
    let wait = lock_wait.as_secs().max(1);
    // A value that does not fit is refused and never cut off. Gaps between rows are not locked. The
    // messages are those that are understood below.
    conn.batch_execute(&format!(
        "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), \
             innodb_lock_wait_timeout = {wait}, lock_wait_timeout = {wait}, \
             lc_messages = 'en_US', autocommit = 1; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
    ))
    .await
    .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Keeps the code.
fn not_open(error: mysql_async::Error) -> ConnectionError {
    ConnectionError::BadConnection(match error {
        mysql_async::Error::Server(error) => format!("{CODE}{}: {}", error.code, error.message),
        other => format!("{CLIENT}{other}"),
    })
}

pub(super) async fn has_schema(conn: &mut MysqlConn) -> QueryResult<bool> {
    let found = "EXISTS (SELECT 1 FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name = 'llm_keys_schema')";
    diesel::select(sql::<Bool>(found)).get_result(conn).await
}

/// A lock on the migrations of this database, of all that the server has. It ends with the
/// connection, whatever becomes of this process.
macro_rules! migrations_lock {
    () => {
        "CONCAT('llm_keys_', MD5(DATABASE()))"
    };
}

pub(super) async fn lock_migrations(conn: &mut MysqlConn) -> QueryResult<()> {
    let lock = sql::<Nullable<Bool>>(concat!("GET_LOCK(", migrations_lock!(), ", 60)"));
    match diesel::select(lock).get_result::<Option<bool>>(conn).await? {
        Some(true) => Ok(()),
        // As if we had waited for a row.
        _ => Err(DieselError::DatabaseError(
            diesel::result::DatabaseErrorKind::Unknown,
            Box::new(LOCKED.to_owned()),
        )),
    }
}

pub(super) async fn unlock_migrations(conn: &mut MysqlConn) -> QueryResult<()> {
    let lock = sql::<Nullable<Bool>>(concat!("RELEASE_LOCK(", migrations_lock!(), ")"));
    diesel::select(lock).get_result::<Option<bool>>(conn).await.map(drop)
}

/// Runs one statement of a migration. It is made whole or not at all; that it was made in a run that
/// was broken off is no error, so the next run goes on where that one stopped.
pub(super) async fn run_statement(conn: &mut MysqlConn, statement: &str) -> QueryResult<()> {
    match conn.batch_execute(statement).await {
        Err(DieselError::DatabaseError(_, said)) if is_done(said.message()) => Ok(()),
        other => other,
    }
}

/// Whether a definition was refused because it is so already.
fn is_done(message: &str) -> bool {
    ["Duplicate column name ", "Duplicate key name ", "Can't DROP "]
        .iter()
        .any(|text| message.starts_with(text))
}

const LOCKED: &str = "Lock wait timeout exceeded";

/// The transaction was taken back because it met others.
pub(super) const COLLISIONS: [&str; 2] =
    ["Deadlock found when trying to get lock", "Record has changed since last read"];

const CODE: &str = "MySQL error ";
const CLIENT: &str = "mysql_async: ";

/// What a message of MySQL or MariaDB means; while connecting, what its code means.
pub(super) fn by_message(op: &'static str, message: &str) -> Option<Error> {
    let found = |fault_is, detail| Some(fault(fault_is, op, detail));
    if let Some(code) = message.strip_prefix(CODE) {
        return Some(by_code(op, code));
    }
    if let Some(text) = message.strip_prefix(CLIENT) {
        return Some(by_client(op, text));
    }
    let starts = |texts: &[&str]| texts.iter().any(|text| message.starts_with(text));
    // Not run again: the wait was bounded, and a second one would double it.
    if starts(&[LOCKED]) || starts(&COLLISIONS) {
        found(StoreFault::Busy, "somebody else keeps rows locked")
            .map(|error| error.with_hint("try again; another program may hold a long transaction"))
    } else if starts(&["Input/output error", "Driver error", "Other error", "Server shutdown"])
        || message.contains("onnection was killed")
    {
        found(StoreFault::Unavailable, "the connection to the database broke")
    } else if message.contains("read-only option") || message.contains("READ ONLY transaction") {
        found(StoreFault::ReadOnly, "the database may only be read")
    } else if (starts(&["The table "]) && message.ends_with(" is full"))
        || starts(&["Disk full", "Disk got full", "Got error 28", "Error writing file"])
    {
        found(StoreFault::Full, "there is no space left for the database")
            .map(|error| error.with_hint("make room on the disk of the database server"))
    } else if message.contains(" command denied to user ") || starts(&["Access denied"]) {
        found(StoreFault::Denied, "the user of the database may not do this")
    } else if starts(&["Table "]) && message.contains("llm_keys_") && message.ends_with("t exist") {
        found(StoreFault::SchemaTooOld, "the tables of llm-keys are missing")
    } else if starts(&["CONSTRAINT `"]) {
        found(StoreFault::Refused, "the database refused a value")
    } else {
        None
    }
}

/// What it means that the server let nobody in.
fn by_code(op: &'static str, code: &str) -> Error {
    let (found, detail) = match code.split(':').next().unwrap_or_default() {
        "1044" | "1045" | "1130" | "1251" | "1698" => {
            (StoreFault::Denied, "the database server refused the user or the password")
        }
        "1049" => (StoreFault::Unavailable, "the server has no database of this name"),
        "1040" | "1203" | "1226" => {
            (StoreFault::Busy, "the database server has no connection left")
        }
        _ => (StoreFault::Unavailable, "the database server lets nobody in now"),
    };
    fault(found, op, detail)
}

/// What it means that the server was not reached.
fn by_client(op: &'static str, text: &str) -> Error {
    let found = |detail| fault(StoreFault::Unavailable, op, detail);
    if text.contains("invalid peer certificate") {
        found("the certificate of the database server is not trusted, or not for this host")
            .with_hint("use the host name in the certificate; name its authority by sslrootcert=")
    } else if text.contains("asked for SSL") {
        found("the database server has no TLS")
            .with_hint("turn TLS on there; or reach it on the loopback address or a Unix socket")
    } else {
        found("the database server cannot be reached")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(message: &str) -> &'static str {
        by_message("test", message).map_or("", |error| error.kind().code())
    }

    #[test]
    fn messages_that_no_test_can_make_happen() {
        for (message, wanted) in [
            ("The table 'llm_keys_keys' is full", "store_full"),
            ("The MariaDB server is running with the --read-only option so…", "store_read_only"),
            ("INSERT command denied to user 'u'@'h' for table 't'", "store_denied"),
            ("MySQL error 1040: Too many connections", "store_busy"),
            ("You have an error in your SQL syntax", ""),
        ] {
            assert_eq!(code(message), wanted, "{message}");
        }
    }
}

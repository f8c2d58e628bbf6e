//! PostgreSQL, and what speaks its protocol.

use std::time::Duration;

use diesel::ConnectionError;
use diesel::dsl::sql;
use diesel::result::{ConnectionResult, QueryResult};
use diesel::sql_types::Bool;
use diesel_async::{
    AnsiTransactionManager, RunQueryDsl as _, SimpleAsyncConnection as _, TransactionManager as _,
};
use llm_keys::error::{Error, StoreFault};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::backend::PgConn;
use crate::failure::fault;

pub(crate) mod notify;

/// Said each time: an application's connections, or a server's settings, may have another default.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Opens a connection and sets it up, once in its life.
pub(crate) async fn open(
    config: &Config,
    tls: Option<MakeRustlsConnect>,
    lock_wait: Duration,
) -> ConnectionResult<PgConn> {
    let mut conn = match tls {
        Some(tls) => {
            let (client, driver) = config.connect(tls).await.map_err(not_open)?;
            PgConn::try_from_client_and_connection(client, driver).await?
        }
        None => {
            let (client, driver) = config.connect(NoTls).await.map_err(not_open)?;
            PgConn::try_from_client_and_connection(client, driver).await?
        }
    };
    let wait = lock_wait.as_millis().max(1);
    conn.batch_execute(&format!("SET lock_timeout = {wait}"))
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Keeps the code, which needs no translation; the text may be in the language of the server.
fn not_open(error: tokio_postgres::Error) -> ConnectionError {
    let text = match error.as_db_error() {
        Some(said) => format!("{CODE}{}: {}", said.code().code(), said.message()),
        None => format!("{CLIENT}{}", with_causes(&error)),
    };
    ConnectionError::BadConnection(text)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

pub(super) async fn has_schema(conn: &mut PgConn) -> QueryResult<bool> {
    // Not `to_regclass`: in a transaction it may still answer from before another one ended.
    let found = "EXISTS (SELECT 1 FROM pg_catalog.pg_class \
         WHERE relname = 'llm_keys_schema' AND pg_catalog.pg_table_is_visible(oid))";
    diesel::select(sql::<Bool>(found)).get_result(conn).await
}

/// In a transaction, and under a lock that ends with it, whatever becomes of this process.
pub(super) async fn begin_migration(conn: &mut PgConn) -> QueryResult<()> {
    AnsiTransactionManager::begin_transaction_sql(conn, BEGIN).await?;
    // The number is `llm_keys` in ASCII. Somebody else may be busy with many rows.
    let locked = conn
        .batch_execute(
            "SET LOCAL lock_timeout = '60s'; SELECT pg_advisory_xact_lock(7812739710172100979)",
        )
        .await;
    if locked.is_err() {
        AnsiTransactionManager::rollback_transaction(conn).await?;
    }
    locked
}

pub(super) const DEADLOCK: &str = "deadlock detected";

const CODE: &str = "SQLSTATE ";
const CLIENT: &str = "tokio-postgres: ";

/// What a message of PostgreSQL means; while connecting, what its code means.
pub(super) fn by_message(op: &'static str, message: &str) -> Option<Error> {
    let found = |fault_is, detail| Some(fault(fault_is, op, detail));
    if let Some(code) = message.strip_prefix(CODE) {
        return Some(by_code(op, code));
    }
    if let Some(text) = message.strip_prefix(CLIENT) {
        return Some(by_client(op, text));
    }
    let starts = |text: &str| message.starts_with(text);
    if message == DEADLOCK || starts("canceling statement due to ") {
        found(StoreFault::Busy, "somebody else keeps rows locked")
            .map(|error| error.with_hint("try again; another program may hold a long transaction"))
    } else if message.contains("No space left on device") || starts("disk full") {
        found(StoreFault::Full, "there is no space left for the database")
            .map(|error| error.with_hint("make room on the disk of the database server"))
    } else if starts("terminating connection") || starts("the database system is ") {
        found(StoreFault::Unavailable, "the database server is going down or coming up")
    } else if starts("permission denied ") || starts("must be owner of ") {
        found(StoreFault::Denied, "the user of the database may not do this")
    } else if starts("relation \"llm_keys_") && message.ends_with(" does not exist") {
        found(StoreFault::SchemaTooOld, "the tables of llm-keys are missing")
    } else {
        None
    }
}

/// What it means that the server let nobody in.
fn by_code(op: &'static str, code: &str) -> Error {
    let (found, detail) = match code.get(..5).unwrap_or_default() {
        "28000" | "28P01" | "42501" => {
            (StoreFault::Denied, "the database server refused the user or the password")
        }
        "3D000" => (StoreFault::Unavailable, "the server has no database of this name"),
        "53300" => (StoreFault::Busy, "the database server has no connection left"),
        "53100" => (StoreFault::Full, "there is no space left for the database"),
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
    } else if text.contains("server does not support TLS") {
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
            ("could not extend file \"base/1/2\": No space left on device", "store_full"),
            ("canceling statement due to statement timeout", "store_busy"),
            ("SQLSTATE 53300: sorry, too many clients already", "store_busy"),
            ("SQLSTATE 57P03: das Datenbanksystem startet", "store_unavailable"),
            ("the database system is shutting down", "store_unavailable"),
            ("syntax error", ""),
        ] {
            assert_eq!(code(message), wanted, "{message}");
        }
    }
}

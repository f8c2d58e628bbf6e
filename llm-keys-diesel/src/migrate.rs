//! Bringing our tables up to date, and refusing those we do not know.
//!
//! Each migration writes its version into `llm_keys_schema` itself, in its own transaction. So it
//! does not matter who ran it: this file, Diesel's command line, or an application's harness.

use std::collections::BTreeSet;
use std::error::Error as StdError;

use diesel::SqliteConnection;
use diesel::migration::{Migration, MigrationSource as _};
use diesel::prelude::*;
use diesel::result::QueryResult;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use llm_keys::error::{Error, Result, StoreFault};

use crate::backend::Conn;
use crate::dialect;
use crate::failure::{failed, fault};
use crate::schema::llm_keys_schema;

/// Our migrations for SQLite, for an application that wants to run them in its own harness
/// (`conn.run_pending_migrations(SQLITE_MIGRATIONS)`). [`DieselStore::migrate`] then finds nothing
/// to do.
///
/// [`DieselStore::migrate`]: crate::DieselStore::migrate
#[cfg(feature = "sqlite")]
pub const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

const OP: &str = "store.migrate";

type Migrations = Vec<Box<dyn Migration<Sqlite>>>;

/// Runs what is missing, all in one transaction; how many there were.
pub(crate) async fn run_pending(conn: &mut Conn) -> Result<usize> {
    match conn {
        #[cfg(feature = "sqlite")]
        Conn::Sqlite(conn) => on_sqlite(conn.spawn_blocking(|conn| Ok(run_on_sqlite(conn))).await),
    }
}

/// Whether the tables are those that this program knows.
pub(crate) async fn check(conn: &mut Conn) -> Result<()> {
    let missing = match conn {
        #[cfg(feature = "sqlite")]
        Conn::Sqlite(conn) => on_sqlite(
            conn.spawn_blocking(|conn| Ok(pending_on_sqlite(conn).map(|all| all.len()))).await,
        )?,
    };
    if missing == 0 {
        return Ok(());
    }
    Err(fault(
        StoreFault::SchemaTooOld,
        OP,
        "the tables of llm-keys are missing or older than this program",
    )
    .with_hint("run the migrations: `DieselStore::migrate`"))
}

fn on_sqlite<T>(done: QueryResult<Result<T>>) -> Result<T> {
    done.map_err(|error| failed(OP, error))?
}

fn run_on_sqlite(conn: &mut SqliteConnection) -> Result<usize> {
    // The usual start finds nothing to do, and then takes no lock.
    if pending_on_sqlite(conn)?.is_empty() {
        return Ok(0);
    }
    conn.immediate_transaction(|conn| {
        // Another process may have been faster while we waited for the lock.
        let pending = pending_on_sqlite(conn).map_err(Stopped::Ours)?;
        for migration in &pending {
            migration.run(conn).map_err(|error| Stopped::Ours(not_run(error)))?;
        }
        Ok(pending.len())
    })
    .map_err(|stopped| match stopped {
        Stopped::Ours(error) => error,
        Stopped::Diesel(error) => failed(OP, error),
    })
}

/// What still has to run, in order.
fn pending_on_sqlite(conn: &mut SqliteConnection) -> Result<Migrations> {
    let known: Migrations = SQLITE_MIGRATIONS.migrations().map_err(not_run)?;
    let applied = applied_on_sqlite(conn).map_err(|error| failed(OP, error))?;
    let versions: BTreeSet<_> = known.iter().map(|m| m.name().version().to_string()).collect();
    if applied.iter().any(|version| !versions.contains(version)) {
        return Err(fault(
            StoreFault::SchemaTooNew,
            OP,
            "the tables were made by a newer version of llm-keys",
        )
        .with_hint("use that version, or a newer one; nothing was changed"));
    }
    let mut pending = known;
    pending.retain(|migration| !applied.contains(&migration.name().version().to_string()));
    pending.sort_unstable_by(|a, b| a.name().version().cmp(&b.name().version()));
    Ok(pending)
}

fn applied_on_sqlite(conn: &mut SqliteConnection) -> QueryResult<BTreeSet<String>> {
    if !dialect::sqlite_has_table(conn, "llm_keys_schema")? {
        return Ok(BTreeSet::new());
    }
    let versions = llm_keys_schema::table.select(llm_keys_schema::version).load::<String>(conn)?;
    Ok(versions.into_iter().collect())
}

/// What ended the transaction of the migrations.
enum Stopped {
    Ours(Error),
    Diesel(diesel::result::Error),
}

impl From<diesel::result::Error> for Stopped {
    fn from(error: diesel::result::Error) -> Self {
        Self::Diesel(error)
    }
}

/// A migration that failed. Its error type is private to `diesel_migrations`, and its text ends
/// with what the database said.
fn not_run(error: Box<dyn StdError + Send + Sync>) -> Error {
    let text = error.to_string();
    let said = text.rsplit(" with: ").next().unwrap_or_default();
    dialect::by_message(OP, said).with_source(std::io::Error::other(error))
}

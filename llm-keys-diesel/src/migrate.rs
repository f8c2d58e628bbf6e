//! Bringing our tables up to date, and refusing those we do not know.
//!
//! Each migration writes its version into `llm_keys_schema` itself. So it does not matter who ran
//! it: this file, Diesel's command line, or an application's harness.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use llm_keys::error::{Result, StoreFault};

use self::list::{Step, steps};
use crate::backend::Conn;
use crate::dialect;
use crate::failure::{failed, fault};
use crate::schema::llm_keys_schema;

mod list;
mod loss;

/// Our migrations for SQLite, for an application that wants to run them in its own harness
/// (`conn.run_pending_migrations(SQLITE_MIGRATIONS)`). [`DieselStore::migrate`] then finds nothing
/// to do.
///
/// [`DieselStore::migrate`]: crate::DieselStore::migrate
#[cfg(feature = "sqlite")]
pub const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// As `SQLITE_MIGRATIONS`, for PostgreSQL.
#[cfg(feature = "postgres")]
pub const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// As `SQLITE_MIGRATIONS`, for MySQL and MariaDB. [`DieselStore::migrate`] also goes on after a
/// run that was broken off, which a harness does not.
///
/// [`DieselStore::migrate`]: crate::DieselStore::migrate
#[cfg(feature = "mysql")]
pub const MYSQL_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/mysql");

/// A migration, and whether it ran.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// Its name; of one that this program does not know, its version.
    pub name: String,
    /// Whether its tables are there.
    pub applied: bool,
    /// Whether this program knows it; if not, a newer one made it.
    pub known: bool,
}

pub(crate) const OP: &str = "store.migrate";

/// All migrations, oldest first.
pub(crate) async fn status(conn: &mut Conn) -> Result<Vec<MigrationStatus>> {
    let mut applied = applied(conn).await?;
    let mut all: Vec<_> = steps(conn)
        .iter()
        .map(|step| MigrationStatus {
            name: step.name.to_owned(),
            applied: applied.remove(&step.version()),
            known: true,
        })
        .collect();
    let newer = applied.into_iter();
    all.extend(newer.map(|name| MigrationStatus { name, applied: true, known: false }));
    Ok(all)
}

/// Runs what is missing; how many there were.
pub(crate) async fn run_pending(conn: &mut Conn) -> Result<usize> {
    // The usual start finds nothing to do, and then takes no lock.
    if pending(conn).await?.is_empty() {
        return Ok(0);
    }
    begin(conn).await?;
    fail_point!("migrate.begun");
    let done = run_in_turn(conn).await;
    fail_point!("migrate.made");
    let ran = end(conn, done).await?;
    fail_point!("migrate.done");
    Ok(ran)
}

async fn run_in_turn(conn: &mut Conn) -> Result<usize> {
    // Another process may have been faster while we waited for the lock.
    let pending = pending(conn).await?;
    for step in &pending {
        dialect::run_script(conn, step.up).await.map_err(|error| failed(OP, error))?;
    }
    Ok(pending.len())
}

/// Takes back the newest migration; which one that was, if there was any.
pub(crate) async fn take_back(conn: &mut Conn) -> Result<Option<&'static str>> {
    begin(conn).await?;
    let done = take_back_in_turn(conn).await;
    end(conn, done).await
}

async fn take_back_in_turn(conn: &mut Conn) -> Result<Option<&'static str>> {
    let applied = known_applied(conn).await?;
    let newest = steps(conn).iter().rev().find(|step| applied.contains(&step.version()));
    let Some(step) = newest else { return Ok(None) };
    if loss::by_taking_back(conn, step.name).await? {
        return Err(fault(
            StoreFault::Refused,
            OP,
            "the older tables have no place for what is stored",
        )
        .with_hint("nothing was changed; restore a backup to go back with data"));
    }
    dialect::run_script(conn, step.down).await.map_err(|error| failed(OP, error))?;
    Ok(Some(step.name))
}

/// Whether the tables are those that this program knows.
pub(crate) async fn check(conn: &mut Conn) -> Result<()> {
    if pending(conn).await?.is_empty() {
        return Ok(());
    }
    Err(fault(
        StoreFault::SchemaTooOld,
        OP,
        "the tables of llm-keys are missing or older than this program",
    )
    .with_hint("run the migrations: `llm-keys migrate up` or `DieselStore::migrate`"))
}

/// What still has to run, in order.
async fn pending(conn: &mut Conn) -> Result<Vec<&'static Step>> {
    let applied = known_applied(conn).await?;
    Ok(steps(conn).iter().filter(|step| !applied.contains(&step.version())).collect())
}

/// The versions that ran, all of them known to this program.
async fn known_applied(conn: &mut Conn) -> Result<BTreeSet<String>> {
    let applied = applied(conn).await?;
    let known: BTreeSet<_> = steps(conn).iter().map(Step::version).collect();
    if applied.is_subset(&known) {
        return Ok(applied);
    }
    Err(fault(StoreFault::SchemaTooNew, OP, "the tables were made by a newer version of llm-keys")
        .with_hint("use that version, or a newer one; nothing was changed"))
}

async fn applied(conn: &mut Conn) -> Result<BTreeSet<String>> {
    if !dialect::has_schema(conn).await.map_err(|error| failed(OP, error))? {
        return Ok(BTreeSet::new());
    }
    let versions: Vec<String> = on_backend!(conn, |conn| {
        llm_keys_schema::table.select(llm_keys_schema::version).load(conn).await
    })
    .map_err(|error| failed(OP, error))?;
    Ok(versions.into_iter().collect())
}

async fn begin(conn: &mut Conn) -> Result<()> {
    dialect::begin_migration(conn).await.map_err(|error| failed(OP, error))
}

async fn end<T>(conn: &mut Conn, done: Result<T>) -> Result<T> {
    let ended = dialect::end_migration(conn, done.is_ok()).await;
    match (done, ended) {
        (Ok(done), Ok(())) => Ok(done),
        (Ok(_), Err(error)) => Err(failed(OP, error)),
        // What went wrong first is the cause.
        (Err(error), _) => Err(error),
    }
}

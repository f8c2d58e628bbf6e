//! Which database a URL means.

use std::path::PathBuf;
use std::time::Duration;

use llm_keys::error::{Error, Result};

#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "tls")]
pub(crate) mod server;
mod sqlite;

#[cfg(feature = "sqlite")]
pub(crate) use self::sqlite::sqlite_uri;

/// How a [`DieselStore`](crate::DieselStore) connects.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectOptions {
    pub(crate) max_connections: usize,
    pub(crate) wait: Duration,
    pub(crate) lock_wait: Duration,
}

impl ConnectOptions {
    /// At most 8 connections, 2 s of waiting for one, 5 s for a lock.
    pub fn new() -> Self {
        Self { max_connections: 8, wait: Duration::from_secs(2), lock_wait: Duration::from_secs(5) }
    }

    /// How many connections there are at most; 1 at least.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count.max(1);
        self
    }

    /// How long a call waits for a connection: before it is `Store(Busy)` because all are in use, or
    /// `Store(Unavailable)` because the server gives none.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// How long a call waits for a lock, of the database on SQLite and of rows elsewhere, before it
    /// is `Store(Busy)`. MySQL counts it in whole seconds.
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A database, as a URL names it. What may be a password is not in its `Debug`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// SQLite in memory, gone with the store.
    SqliteMemory,
    /// An SQLite file.
    SqliteFile { path: String, read_only: bool },
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::Postgres>),
    #[cfg(feature = "mysql")]
    Mysql(Box<mysql::Mysql>),
}

const OP: &str = "store.connect";

impl Target {
    /// The scheme chooses; [`DieselStore::connect`](crate::DieselStore::connect) lists them.
    ///
    /// # Errors
    /// `InvalidInput`. The message never repeats the URL: it may hold a password.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        match url.split_once(':') {
            Some(("sqlite", rest)) => sqlite::parse(rest.strip_prefix("//").unwrap_or(rest)),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => {
                Ok(Self::Postgres(Box::new(postgres::Postgres::parse(url)?)))
            }
            #[cfg(not(feature = "postgres"))]
            Some(("postgres" | "postgresql", _)) => Err(not_built("PostgreSQL", "postgres")),
            #[cfg(feature = "mysql")]
            Some(("mysql" | "mariadb", rest)) => {
                Ok(Self::Mysql(Box::new(mysql::Mysql::parse(rest)?)))
            }
            #[cfg(not(feature = "mysql"))]
            Some(("mysql" | "mariadb", _)) => Err(not_built("MySQL", "mysql")),
            _ if url == ":memory:" || sqlite::is_bare_file(url) => sqlite::parse(url),
            _ => Err(Error::invalid(OP, "the database URL has no scheme that we know").with_hint(
                "use sqlite:PATH, postgres://…, mysql://…, or a path that ends in .db or .sqlite",
            )),
        }
    }
}

/// The file that a database URL names; `None` for a database that is no file.
///
/// # Errors
/// `InvalidInput`, as [`DieselStore::open`](crate::DieselStore::open) would say it.
pub fn database_file(url: &str) -> Result<Option<PathBuf>> {
    Ok(match Target::parse(url)? {
        Target::SqliteFile { path, .. } => Some(path.into()),
        _ => None,
    })
}

/// What to say about a database that this program knows only by name.
#[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "mysql")))]
pub(crate) fn not_built(database: &str, feature: &str) -> Error {
    Error::invalid(OP, format!("this program is built without {database}"))
        .with_hint(format!("build it with the feature `{feature}` of llm-keys-diesel"))
}

#[cfg(test)]
mod tests;

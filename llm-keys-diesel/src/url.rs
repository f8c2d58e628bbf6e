//! Which database a URL means.

use std::path::PathBuf;
use std::time::Duration;

use llm_keys::error::{Error, Result};

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

    /// How long a call waits for a free connection before it is `Store(Busy)`.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// How long a call waits for the database's write lock before it is `Store(Busy)`.
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

/// A database, as a URL names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// SQLite in memory, gone with the store.
    SqliteMemory,
    /// An SQLite file.
    SqliteFile { path: String, read_only: bool },
}

const OP: &str = "store.connect";

impl Target {
    /// The scheme chooses: `sqlite:PATH`, `sqlite://PATH`, `sqlite::memory:`; a bare path must end
    /// in `.db`, `.sqlite` or `.sqlite3`. A path may be followed by `?mode=ro` or `?mode=rw`.
    ///
    /// # Errors
    /// `InvalidInput`. The message never repeats the URL: it may hold a password.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let rest = match url.split_once(':') {
            Some(("sqlite", rest)) => rest.strip_prefix("//").unwrap_or(rest),
            Some(("postgres" | "postgresql", _)) => return Err(not_built("PostgreSQL")),
            Some(("mysql" | "mariadb", _)) => return Err(not_built("MySQL")),
            _ if url == ":memory:" => url,
            _ if is_bare_file(url) => url,
            _ => {
                return Err(Error::invalid(OP, "the database URL has no scheme that we know")
                    .with_hint("use sqlite:PATH, or a path that ends in .db or .sqlite"));
            }
        };
        if rest == ":memory:" {
            return Ok(Self::SqliteMemory);
        }
        let (path, read_only) = match rest.split_once('?') {
            None | Some((_, "mode=rw")) => (rest.split('?').next().unwrap_or(rest), false),
            Some((path, "mode=ro")) => (path, true),
            Some(_) => {
                return Err(Error::invalid(OP, "the database URL has a parameter we do not know")
                    .with_hint("after `?` there may be mode=ro or mode=rw"));
            }
        };
        if path.is_empty() || path.contains('\0') {
            return Err(Error::invalid(OP, "the database URL names no file"));
        }
        Ok(Self::SqliteFile { path: path.to_owned(), read_only })
    }
}

/// The file that a database URL names; `None` for a database that is no file.
///
/// # Errors
/// `InvalidInput`, as [`DieselStore::open`](crate::DieselStore::open) would say it.
pub fn database_file(url: &str) -> Result<Option<PathBuf>> {
    Ok(match Target::parse(url)? {
        Target::SqliteMemory => None,
        Target::SqliteFile { path, .. } => Some(path.into()),
    })
}

/// What SQLite is told to open. Without `c` in the mode it never makes the file: that is ours to
/// do, with a mode of our own.
pub(crate) fn sqlite_uri(path: &str, read_only: bool) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "file:" });
    for c in path.chars() {
        match c {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            c => uri.push(c),
        }
    }
    uri.push_str(if read_only { "?mode=ro" } else { "?mode=rw" });
    uri
}

fn is_bare_file(url: &str) -> bool {
    let path = url.split('?').next().unwrap_or(url);
    !path.contains(':') && [".db", ".sqlite", ".sqlite3"].iter().any(|end| path.ends_with(end))
}

fn not_built(database: &str) -> Error {
    Error::invalid(OP, format!("this program is built without {database}"))
        .with_hint("use sqlite:PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Target {
        Target::SqliteFile { path: path.to_owned(), read_only: false }
    }

    #[test]
    fn nobody_waits_longer_than_two_seconds_for_a_connection_unless_asked_to() {
        assert!(ConnectOptions::default().wait <= Duration::from_secs(2));
    }

    #[test]
    fn the_scheme_chooses() {
        for (url, target) in [
            ("sqlite:keys.db", file("keys.db")),
            ("sqlite:/var/keys", file("/var/keys")),
            ("sqlite:///var/keys", file("/var/keys")),
            ("sqlite://keys.db?mode=rw", file("keys.db")),
            ("/var/lib/keys.db", file("/var/lib/keys.db")),
            ("keys.sqlite", file("keys.sqlite")),
            ("sqlite::memory:", Target::SqliteMemory),
            ("sqlite://:memory:", Target::SqliteMemory),
            (":memory:", Target::SqliteMemory),
            ("k.db?mode=ro", Target::SqliteFile { path: "k.db".to_owned(), read_only: true }),
        ] {
            let path = match &target {
                Target::SqliteMemory => None,
                Target::SqliteFile { path, .. } => Some(PathBuf::from(path)),
            };
            assert_eq!(Target::parse(url).unwrap(), target, "{url}");
            assert_eq!(database_file(url).unwrap(), path, "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_and_never_repeated() {
        for url in [
            "",
            "sqlite:",
            "sqlite:?mode=ro",
            "sqlite:k.db?mode=memory",
            "sqlite:k.db?cache=shared",
            "sqlite:a\0b",
            "file:k.db",
            "keys",
            "http://hunter2/k.db",
            "postgres://u:hunter2@h/d",
            "mysql://u:hunter2@h/d",
        ] {
            let error = Target::parse(url).unwrap_err();
            assert_eq!(error.kind().code(), "invalid_input", "{url}");
            assert!(!format!("{error:?}").contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn paths_are_escaped() {
        assert_eq!(sqlite_uri("/a b/50%#x", false), "file:///a b/50%25%23x?mode=rw");
        assert_eq!(sqlite_uri("keys.db", true), "file:keys.db?mode=ro");
    }
}

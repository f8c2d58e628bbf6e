//! A schema or database of its own on each server, or a file; gone when the benchmark ends.

use diesel_async::{
    AsyncConnection as _, AsyncMysqlConnection, AsyncPgConnection, SimpleAsyncConnection as _,
};
use tempfile::TempDir;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    Mysql,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

pub(crate) struct Bed {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    /// The server, and what was made there.
    server: String,
    name: String,
    _folder: Option<TempDir>,
}

impl Bed {
    pub(crate) async fn new(kind: Kind, purpose: &str) -> Self {
        let name = format!("llm_keys_bench_{purpose}_{}", std::process::id());
        let (server, url, folder) = match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
                let url = format!("sqlite:{}", folder.path().join("keys.db").display());
                (String::new(), url, Some(folder))
            }
            Kind::Postgres => {
                let server = server("LLM_KEYS_TEST_POSTGRES_URL");
                let url = format!("{server}?options=-csearch_path%3D{name}");
                (server, url, None)
            }
            Kind::Mysql => {
                let server = server("LLM_KEYS_TEST_MYSQL_URL");
                let (place, _database) = server.rsplit_once('/').unwrap();
                let url = format!("{place}/{name}");
                (server, url, None)
            }
        };
        let bed = Self { kind, url, server, name, _folder: folder };
        match kind {
            Kind::Sqlite => {}
            Kind::Postgres => bed.on_server(format!("CREATE SCHEMA {}", bed.name)).await,
            Kind::Mysql => bed.on_server(format!("CREATE DATABASE {}", bed.name)).await,
        }
        bed
    }

    /// Ends it, with all that it holds.
    pub(crate) async fn drop(self) {
        match self.kind {
            Kind::Sqlite => {}
            Kind::Postgres => self.on_server(format!("DROP SCHEMA {} CASCADE", self.name)).await,
            Kind::Mysql => self.on_server(format!("DROP DATABASE {}", self.name)).await,
        }
    }

    async fn on_server(&self, sql: String) {
        match self.kind {
            Kind::Sqlite => {}
            Kind::Postgres => {
                let mut conn = AsyncPgConnection::establish(&self.server).await.unwrap();
                conn.batch_execute(&sql).await.unwrap();
            }
            Kind::Mysql => {
                let mut conn = AsyncMysqlConnection::establish(&self.server).await.unwrap();
                conn.batch_execute(&sql).await.unwrap();
            }
        }
    }
}

fn server(variable: &str) -> String {
    let found = std::env::var(variable);
    found.unwrap_or_else(|_| panic!("`cargo xtask bench databases` sets {variable}"))
}

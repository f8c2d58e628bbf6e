//! A database for one campaign alone, gone when it ends.

use std::path::Path;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use tokio::runtime::Builder;
use tokio_postgres::NoTls;
use uuid::Uuid;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Backend {
    Sqlite,
    Postgres,
    Mysql,
}

pub(super) struct Database {
    pub(super) backend: Backend,
    pub(super) url: String,
    server: Option<Server>,
}

struct Server {
    url: String,
    /// How the database is thrown away.
    end: String,
    /// Counts the connections to it.
    connections: String,
}

impl Database {
    /// Nothing is in it yet, not even our tables.
    pub(super) fn new(backend: Backend, home: &Path) -> Self {
        if backend == Backend::Sqlite {
            let url = format!("sqlite:{}", home.join("keys.db").display());
            return Self { backend, url, server: None };
        }
        let server = backend.server();
        let name = format!("llm_keys_crash_{}", Uuid::new_v4().simple());
        let (place, query) = match server.split_once('?') {
            Some((place, query)) => (place, format!("{query}&")),
            None => (server.as_str(), String::new()),
        };
        let (make, end, url, connections) = match backend {
            Backend::Sqlite => unreachable!(),
            Backend::Postgres => (
                format!("CREATE SCHEMA {name}"),
                format!("DROP SCHEMA IF EXISTS {name} CASCADE"),
                format!("{place}?{query}options=-csearch_path%3D{name}&application_name={name}"),
                format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'"),
            ),
            Backend::Mysql => (
                format!("CREATE DATABASE {name}"),
                format!("DROP DATABASE IF EXISTS {name}"),
                format!("{}/{name}?{query}", place.rsplit_once('/').unwrap().0),
                format!("SELECT count(*) FROM information_schema.processlist WHERE db = '{name}'"),
            ),
        };
        execute(backend, &server, &make);
        Self { backend, url, server: Some(Server { url: server, end, connections }) }
    }

    /// Waits until the server has noticed that who used the database is dead: it may still be at work
    /// on what it was told last, such as a commit.
    pub(super) fn until_nobody_uses_it(&self) {
        let Some(server) = &self.server else { return };
        for _ in 0..1000 {
            if count(self.backend, &server.url, &server.connections) == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server does not let go of the dead");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            // Not while a test fails: a second panic would hide why.
            if !std::thread::panicking() {
                execute(self.backend, &server.url, &server.end);
            }
        }
    }
}

impl Backend {
    /// The server that the tests were told to use.
    fn server(self) -> String {
        let variable = match self {
            Self::Sqlite => unreachable!(),
            Self::Postgres => "LLM_KEYS_TEST_POSTGRES_URL",
            Self::Mysql => "LLM_KEYS_TEST_MYSQL_URL",
        };
        std::env::var(variable).unwrap_or_else(|_| {
            panic!(
                "this test needs a database server: run `cargo xtask test`, which finds or starts \
                 one, or set {variable}"
            )
        })
    }
}

fn execute(backend: Backend, url: &str, sql: &str) {
    block_on(async {
        if backend == Backend::Postgres {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            client.batch_execute(sql).await.unwrap();
            drop(client);
            connection.await.unwrap().unwrap();
        } else {
            let mut conn = mysql_async::Conn::from_url(url).await.unwrap();
            conn.query_drop(sql).await.unwrap();
            conn.disconnect().await.unwrap();
        }
    });
}

/// The number that a query gives.
fn count(backend: Backend, url: &str, sql: &str) -> i64 {
    block_on(async {
        if backend == Backend::Postgres {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            let found = client.query_one(sql, &[]).await.unwrap().get(0);
            drop(client);
            connection.await.unwrap().unwrap();
            found
        } else {
            let mut conn = mysql_async::Conn::from_url(url).await.unwrap();
            let found = conn.query_first(sql).await.unwrap().unwrap();
            conn.disconnect().await.unwrap();
            found
        }
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

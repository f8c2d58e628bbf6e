//! A database for one campaign alone, gone when it ends.

use std::path::Path;

use mysql_async::prelude::Queryable as _;
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
    /// How it is thrown away: on which server, and by which statement.
    end: Option<(String, String)>,
}

impl Database {
    /// Nothing is in it yet, not even our tables.
    pub(super) fn new(backend: Backend, home: &Path) -> Self {
        if backend == Backend::Sqlite {
            let url = format!("sqlite:{}", home.join("keys.db").display());
            return Self { backend, url, end: None };
        }
        let server = backend.server();
        let name = format!("llm_keys_crash_{}", Uuid::new_v4().simple());
        let (place, query) = match server.split_once('?') {
            Some((place, query)) => (place, format!("{query}&")),
            None => (server.as_str(), String::new()),
        };
        let (make, end, url) = match backend {
            Backend::Sqlite => unreachable!(),
            Backend::Postgres => (
                format!("CREATE SCHEMA {name}"),
                format!("DROP SCHEMA IF EXISTS {name} CASCADE"),
                format!("{place}?{query}options=-csearch_path%3D{name}"),
            ),
            Backend::Mysql => (
                format!("CREATE DATABASE {name}"),
                format!("DROP DATABASE IF EXISTS {name}"),
                format!("{}/{name}?{query}", place.rsplit_once('/').unwrap().0),
            ),
        };
        execute(backend, &server, &make);
        Self { backend, url, end: Some((server, end)) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((server, end)) = &self.end {
            // Not while a test fails: a second panic would hide why.
            if !std::thread::panicking() {
                execute(self.backend, server, end);
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
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

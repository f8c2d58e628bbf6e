//! Databases on real servers, one for each test, gone when it ends.

use std::cell::RefCell;

use diesel_async::{
    AsyncConnection as _, AsyncMysqlConnection, AsyncPgConnection, SimpleAsyncConnection as _,
};
use llm_keys_diesel::{ConnectOptions, DieselStore};
use uuid::Uuid;

/// Which database server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Postgres,
    Mysql,
}

impl Kind {
    /// The server that the tests were told to use.
    fn server(self) -> String {
        let name = match self {
            Self::Postgres => "LLM_KEYS_TEST_POSTGRES_URL",
            Self::Mysql => "LLM_KEYS_TEST_MYSQL_URL",
        };
        std::env::var(name).unwrap_or_else(|_| {
            panic!(
                "this test needs a database server: run `cargo xtask test -- -p llm-keys-diesel`, \
                 which finds or starts one, or set {name}"
            )
        })
    }
}

/// A schema of PostgreSQL or a database of MySQL, for one test alone.
pub(crate) struct Database {
    pub(crate) kind: Kind,
    server: String,
    name: String,
}

impl Database {
    pub(crate) async fn new(kind: Kind) -> Self {
        Self::on(kind, kind.server()).await
    }

    /// On another server than that of the other tests.
    pub(crate) async fn on(kind: Kind, server: String) -> Self {
        let name = format!("llm_keys_test_{}", Uuid::new_v4().simple());
        let database = Self { kind, server, name };
        let make = match kind {
            Kind::Postgres => format!("CREATE SCHEMA {}", database.name),
            Kind::Mysql => format!("CREATE DATABASE {}", database.name),
        };
        execute(kind, &database.server, &make).await.unwrap();
        database
    }

    pub(crate) fn url(&self) -> String {
        let (place, query) = match self.server.split_once('?') {
            Some((place, query)) => (place, format!("{query}&")),
            None => (self.server.as_str(), String::new()),
        };
        match self.kind {
            Kind::Postgres => {
                let name = &self.name;
                format!("{place}?{query}options=-csearch_path%3D{name}&application_name={name}")
            }
            Kind::Mysql => {
                let (server, _database) = place.rsplit_once('/').unwrap();
                format!("{server}/{}?{query}", self.name)
            }
        }
    }

    /// The schema or database; also what its connections to PostgreSQL call themselves.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until `count` transactions of ours wait for a lock.
    pub(crate) async fn until_waiting(&self, count: usize) {
        let sql = match self.kind {
            Kind::Postgres => format!(
                "SELECT query AS line FROM pg_stat_activity
                 WHERE application_name = '{}' AND wait_event_type = 'Lock'",
                self.name
            ),
            Kind::Mysql => format!(
                "SELECT 'waits' AS line FROM information_schema.innodb_trx t
                 JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
                 WHERE t.trx_state = 'LOCK WAIT' AND p.db = '{}'",
                self.name
            ),
        };
        let mut plain = Plain::open(self.kind, &self.server).await;
        for _ in 0..1000 {
            if plain.lines(&sql).await.len() >= count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("nobody waits for a lock");
    }

    pub(crate) async fn store(&self) -> DieselStore {
        DieselStore::open(&self.url()).await.unwrap()
    }

    pub(crate) async fn store_with(&self, options: ConnectOptions) -> DieselStore {
        let store = DieselStore::connect_with(&self.url(), options).await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    /// A connection of somebody else.
    pub(crate) async fn plain(&self) -> Plain {
        Plain::open(self.kind, &self.url()).await
    }

    /// Changes the database behind the store's back.
    pub(crate) async fn execute(&self, sql: &str) -> diesel::QueryResult<()> {
        self.plain().await.execute(sql).await
    }

    /// Keeps this database until the thread of the test ends, for tests that hold only a store.
    pub(crate) fn keep(self) {
        HELD.with_borrow_mut(|held| held.push(self));
    }
}

thread_local! {
    static HELD: RefCell<Vec<Database>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Database {
    fn drop(&mut self) {
        let (kind, server) = (self.kind, self.server.clone());
        let end = match kind {
            Kind::Postgres => format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name),
            Kind::Mysql => format!("DROP DATABASE IF EXISTS {}", self.name),
        };
        // A runtime of its own: this one may be ending.
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async { execute(kind, &server, &end).await.map_err(drop) })
        });
        drop(ended.join());
    }
}

async fn execute(kind: Kind, url: &str, sql: &str) -> diesel::QueryResult<()> {
    Plain::open(kind, url).await.execute(sql).await
}

/// A connection that knows nothing of ours.
pub(crate) enum Plain {
    Postgres(Box<AsyncPgConnection>),
    Mysql(AsyncMysqlConnection),
}

impl Plain {
    async fn open(kind: Kind, url: &str) -> Self {
        match kind {
            Kind::Postgres => {
                Self::Postgres(Box::new(AsyncPgConnection::establish(url).await.unwrap()))
            }
            Kind::Mysql => Self::Mysql(AsyncMysqlConnection::establish(url).await.unwrap()),
        }
    }

    pub(crate) async fn execute(&mut self, sql: &str) -> diesel::QueryResult<()> {
        match self {
            Self::Postgres(conn) => conn.batch_execute(sql).await,
            Self::Mysql(conn) => conn.batch_execute(sql).await,
        }
    }

    /// The column `line` of a query.
    #[expect(clippy::disallowed_methods, reason = "it asks for what is not in our tables")]
    pub(crate) async fn lines(&mut self, sql: &str) -> Vec<String> {
        use diesel_async::RunQueryDsl as _;
        let found: Vec<Line> = match self {
            Self::Postgres(conn) => diesel::sql_query(sql).load(conn).await.unwrap(),
            Self::Mysql(conn) => diesel::sql_query(sql).load(conn).await.unwrap(),
        };
        found.into_iter().map(|line| line.line).collect()
    }
}

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

/// Makes a test for each server of functions that take a [`Kind`].
macro_rules! on_each_server {
    ($($(#[$attribute:meta])* $test:ident)*) => {
        mod postgres {
            $($(#[$attribute])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::database::Kind::Postgres).await;
            })*
        }
        mod mysql {
            $($(#[$attribute])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::database::Kind::Mysql).await;
            })*
        }
    };
}

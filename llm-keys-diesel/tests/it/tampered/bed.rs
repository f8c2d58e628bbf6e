//! A database with keys, a manager over it, and somebody who writes to it past both.

use std::sync::Arc;

use llm_keys::event::{Action, Outcome};
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::{CacheOptions, VerifyOptions, VerifyReport};
use llm_keys::store::KeyStore as _;
use llm_keys::testing::fakes::RecordingSink;
use llm_keys::{ApiKey, EnvelopeKeyManager, ErrorKind, KeyId, SecureKeyManager as _, StoreOptions};
use llm_keys_diesel::DieselStore;
use tempfile::TempDir;

use crate::database::{Database, Kind};
use crate::fixture::Folder;

enum Place {
    Sqlite(Folder),
    Server(Database),
}

pub(super) struct Bed {
    place: Place,
    store: DieselStore,
    kms: Arc<LocalKms>,
    pub(super) sink: Arc<RecordingSink>,
    /// For checkpoints.
    elsewhere: TempDir,
}

/// The tables, those first that others point to.
const TABLES: [&str; 6] = [
    "llm_keys_keys",
    "llm_keys_versions",
    "llm_keys_system",
    "llm_keys_events",
    "llm_keys_changes",
    "llm_keys_counters",
];

impl Bed {
    pub(super) async fn sqlite() -> Self {
        let folder = Folder::new();
        let store = folder.store().await;
        Self::with(Place::Sqlite(folder), store).await
    }

    pub(super) async fn server(kind: Kind) -> Self {
        let database = Database::new(kind).await;
        let store = database.store().await;
        Self::with(Place::Server(database), store).await
    }

    /// Alice has a key with two versions, Bob and Carol one with one.
    async fn with(place: Place, store: DieselStore) -> Self {
        let (kms, sink) = (Arc::new(LocalKms::ephemeral().unwrap()), Arc::default());
        let elsewhere = tempfile::tempdir().unwrap();
        let bed = Self { place, store, kms, sink, elsewhere };
        for user in ["alice", "alice", "bob", "carol"] {
            bed.put(user).await;
        }
        bed
    }

    pub(super) async fn put(&self, user: &str) {
        let key = ApiKey::new(format!("sk-{user}")).unwrap();
        let keys = self.process().await;
        keys.store_api_key(&id(user), key, &StoreOptions::default()).await.unwrap();
    }

    /// A manager that has read nothing yet.
    pub(super) async fn process(&self) -> EnvelopeKeyManager {
        EnvelopeKeyManager::builder()
            .kms(KmsSet::single(Arc::clone(&self.kms)))
            .store(self.store.clone())
            .event_sink(Arc::clone(&self.sink))
            .cache(CacheOptions::OFF)
            .build()
            .await
            .unwrap()
    }

    pub(super) async fn record(&self, user: &str) -> String {
        let (row, _) = self.store.key_find(&id(user)).await.unwrap().unwrap();
        row.record.to_string()
    }

    /// What reading says in a process that has read nothing yet.
    pub(super) async fn read(&self, id: &KeyId) -> Result<bool, ErrorKind> {
        let read = self.process().await.get_api_key(id).await;
        read.map(|key| key.is_some()).map_err(|error| error.kind())
    }

    /// Reading `id` is refused, with an event; and `verify` finds it.
    pub(super) async fn is_refused(&self, id: &KeyId, why: &str) {
        let kind = match self.read(id).await {
            Err(kind @ ErrorKind::Integrity(_)) => kind,
            other => panic!("{why}: {other:?}"),
        };
        let event = self.sink.events().pop().unwrap();
        assert_eq!((event.action, event.outcome), (Action::KeyGet, Outcome::Failed(kind)), "{why}");
        assert_eq!(*event.key, *id, "{why}");
        let report = self.verify(&VerifyOptions::default()).await;
        assert!(!report.findings.is_empty(), "{why}: verify finds nothing");
        assert!(report.stopped.is_none(), "{why}: {:?}", report.stopped);
    }

    pub(super) async fn verify(&self, options: &VerifyOptions) -> VerifyReport {
        self.process().await.verify(options).await.unwrap()
    }

    /// Verifies with the checkpoint.
    pub(super) async fn checkpoint(&self) -> VerifyReport {
        let file = self.elsewhere.path().join("checkpoint");
        self.verify(&VerifyOptions::default().checkpoint(file)).await
    }

    /// Writes past everything: constraints are off as far as the database lets its owner.
    pub(super) async fn execute(&self, statements: &[String]) {
        match &self.place {
            Place::Sqlite(folder) => {
                folder.tamper(&format!("PRAGMA foreign_keys = OFF; {};", statements.join(";")));
            }
            Place::Server(database) => {
                let mut plain = database.plain().await;
                let unchecked: &[&str] = match database.kind {
                    Kind::Postgres => &["SET session_replication_role = replica"],
                    Kind::Mysql => {
                        &["SET FOREIGN_KEY_CHECKS = 0", "SET check_constraint_checks = 0"]
                    }
                };
                for sql in unchecked.iter().copied().chain(statements.iter().map(String::as_str)) {
                    plain.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
                }
            }
        }
    }

    /// One byte, as a literal.
    pub(super) fn byte(&self) -> &'static str {
        match &self.place {
            Place::Server(database) if database.kind == Kind::Postgres => "'\\x07'::bytea",
            _ => "X'07'",
        }
    }

    /// Every column of every table that there is, as `table.column`, by the database's own word.
    pub(super) async fn columns(&self) -> Vec<String> {
        let of_servers = |schema: &str| {
            format!(
                "SELECT concat(table_name, '.', column_name) AS line
                 FROM information_schema.columns WHERE table_schema = {schema} ORDER BY 1"
            )
        };
        match &self.place {
            Place::Sqlite(folder) => sqlite_columns(folder),
            Place::Server(database) => {
                let schema = match database.kind {
                    Kind::Postgres => "current_schema()",
                    Kind::Mysql => "DATABASE()",
                };
                database.plain().await.lines(&of_servers(schema)).await
            }
        }
    }

    /// Copies all tables, for [`restore`](Self::restore).
    pub(super) async fn back_up(&self) {
        let copy = |table: &str| format!("CREATE TABLE copy_{table} AS SELECT * FROM {table}");
        self.execute(&TABLES.map(copy)).await;
    }

    /// Puts all tables back.
    pub(super) async fn restore(&self) {
        self.restore_tables(&TABLES).await;
    }

    /// Puts keys and versions back, and nothing else.
    pub(super) async fn restore_keys(&self) {
        self.restore_tables(&TABLES[..2]).await;
    }

    async fn restore_tables(&self, tables: &[&str]) {
        let empty = tables.iter().rev().map(|table| format!("DELETE FROM {table}"));
        let fill =
            tables.iter().map(|table| format!("INSERT INTO {table} SELECT * FROM copy_{table}"));
        self.execute(&empty.chain(fill).collect::<Vec<_>>()).await;
    }

    /// Puts one row of a table back.
    pub(super) async fn restore_row(&self, table: &str, record: &str) {
        self.execute(&[
            format!("DELETE FROM {table} WHERE record = '{record}'"),
            format!("INSERT INTO {table} SELECT * FROM copy_{table} WHERE record = '{record}'"),
        ])
        .await;
    }
}

pub(super) fn id(user: &str) -> KeyId {
    KeyId::user(user, "openai").unwrap()
}

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

#[expect(clippy::disallowed_methods, reason = "it asks for what is not in our tables")]
fn sqlite_columns(folder: &Folder) -> Vec<String> {
    use diesel::RunQueryDsl as _;
    let sql = "SELECT t.name || '.' || c.name AS line
        FROM sqlite_master t, pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1";
    let found: Vec<Line> = diesel::sql_query(sql).load(&mut folder.plain()).unwrap();
    found.into_iter().map(|line| line.line).collect()
}

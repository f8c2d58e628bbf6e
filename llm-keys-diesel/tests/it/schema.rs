//! Migrations: up, down, newer, older, beside an application's own.

use diesel::connection::SimpleConnection as _;
use diesel::migration::{Migration, MigrationSource as _};
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_migrations::MigrationHarness as _;
use llm_keys::KeyId;
use llm_keys::store::KeyStore as _;
use llm_keys_diesel::{DieselStore, SQLITE_MIGRATIONS, SqlitePool};

use crate::fixture::{Folder, new_key};

diesel::table! {
    sqlite_master (name) {
        #[sql_name = "type"]
        kind -> Text,
        name -> Text,
        sql -> Nullable<Text>,
    }
}

diesel::table! {
    llm_keys_schema (version) {
        version -> Text,
    }
}

/// Every table and index that is not SQLite's own, with its definition.
fn objects(conn: &mut SqliteConnection) -> Vec<(String, Option<String>)> {
    sqlite_master::table
        .select((sqlite_master::name, sqlite_master::sql))
        .filter(sqlite_master::name.not_like("sqlite_%"))
        .order(sqlite_master::name)
        .load(conn)
        .unwrap()
}

fn versions(conn: &mut SqliteConnection) -> Vec<String> {
    let all = llm_keys_schema::table.select(llm_keys_schema::version);
    all.order(llm_keys_schema::version).load(conn).unwrap()
}

fn migrations() -> Vec<Box<dyn Migration<Sqlite>>> {
    SQLITE_MIGRATIONS.migrations().unwrap()
}

fn pool(folder: &Folder) -> SqlitePool {
    let manager = AsyncDieselConnectionManager::new(folder.file("keys.db"));
    Pool::builder(manager).max_size(2).build().unwrap()
}

#[test]
fn up_down_up_ends_where_it_began() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    let mut once = Vec::new();
    for round in 0..2 {
        for migration in migrations() {
            migration.run(&mut conn).unwrap();
        }
        let objects = objects(&mut conn);
        assert!(objects.iter().all(|(name, _)| name.starts_with("llm_keys_")), "{objects:?}");
        if round == 0 {
            once = objects;
        } else {
            assert_eq!(objects, once);
        }
        for migration in migrations().iter().rev() {
            migration.revert(&mut conn).unwrap();
        }
        assert_eq!(self::objects(&mut conn), []);
    }
    assert!(!once.is_empty());
}

#[test]
fn every_migration_records_itself_and_its_revert_takes_that_back() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    let mut expected = Vec::new();
    for migration in migrations() {
        migration.run(&mut conn).unwrap();
        expected.push(migration.name().version().to_string());
        assert_eq!(versions(&mut conn), expected);
    }
    // The first one makes and drops the table itself.
    for migration in migrations().iter().skip(1).rev() {
        migration.revert(&mut conn).unwrap();
        expected.pop();
        assert_eq!(versions(&mut conn), expected);
    }
}

#[tokio::test]
async fn migrating_twice_and_at_once_does_nothing_more() {
    let folder = Folder::new();
    let stores: Vec<_> = (0..4)
        .map(|_| {
            let url = folder.url();
            tokio::spawn(async move { DieselStore::connect(&url).await.unwrap().migrate().await })
        })
        .collect();
    let mut ran = 0;
    for store in stores {
        ran += store.await.unwrap().unwrap();
    }
    assert_eq!(ran, migrations().len());
    assert_eq!(folder.store().await.migrate().await.unwrap(), 0);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let folder = Folder::new();
    drop(folder.store().await);
    folder.tamper("INSERT INTO llm_keys_schema VALUES ('99990101000000')");
    let error = DieselStore::open(&folder.url()).await.unwrap_err();
    assert_eq!(error.kind().code(), "store_schema_too_new");
    let store = DieselStore::connect(&folder.url()).await.unwrap();
    let id = KeyId::global("openai").unwrap();
    assert_eq!(store.key_find(&id).await.unwrap_err().kind().code(), "store_schema_too_new");
    let error = store.commit(new_key(&id, 1)).await.unwrap_err();
    assert_eq!(error.kind().code(), "store_schema_too_new");
}

#[tokio::test]
async fn without_migrations_the_first_call_says_so_and_migrating_helps() {
    let folder = Folder::new();
    let store = DieselStore::from_pool(pool(&folder));
    let id = KeyId::global("openai").unwrap();
    for _ in 0..2 {
        let error = store.key_find(&id).await.unwrap_err();
        assert_eq!(error.kind().code(), "store_schema_too_old");
        assert!(error.hint().unwrap().contains("migrate"));
    }
    assert_eq!(store.migrate().await.unwrap(), migrations().len());
    store.commit(new_key(&id, 1)).await.unwrap();
    assert!(store.key_find(&id).await.unwrap().is_some());
}

/// A migration of an application, as Diesel's command line would run it.
struct OfTheApplication;

#[derive(Debug)]
struct Name(&'static str);

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl diesel::migration::MigrationName for Name {
    fn version(&self) -> diesel::migration::MigrationVersion<'_> {
        self.0.to_owned().into()
    }
}

#[derive(Clone)]
struct Application;

impl diesel::migration::MigrationSource<Sqlite> for Application {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<Sqlite>>>> {
        Ok(vec![Box::new(OfTheApplication)])
    }
}

struct InTransaction;

impl diesel::migration::MigrationMetadata for InTransaction {
    fn run_in_transaction(&self) -> bool {
        true
    }
}

impl Migration<Sqlite> for OfTheApplication {
    fn run(
        &self,
        conn: &mut dyn diesel::connection::BoxableConnection<Sqlite>,
    ) -> diesel::migration::Result<()> {
        Ok(conn.batch_execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")?)
    }

    fn revert(
        &self,
        conn: &mut dyn diesel::connection::BoxableConnection<Sqlite>,
    ) -> diesel::migration::Result<()> {
        Ok(conn.batch_execute("DROP TABLE orders")?)
    }

    fn metadata(&self) -> &dyn diesel::migration::MigrationMetadata {
        &InTransaction
    }

    fn name(&self) -> &dyn diesel::migration::MigrationName {
        const NAME: &Name = &Name("20200101000000");
        NAME
    }
}

#[tokio::test]
async fn an_applications_own_migrations_and_ours_never_meet() {
    let folder = Folder::new();
    let mut app = folder.plain();
    app.run_pending_migrations(Application).unwrap();
    let store = DieselStore::from_pool(pool(&folder));
    assert_eq!(store.migrate().await.unwrap(), migrations().len());

    // The application's harness sees its own migration and nothing else: it can revert its last one
    // although ours ran after it.
    assert_eq!(app.applied_migrations().unwrap().len(), 1);
    app.revert_last_migration(Application).unwrap();
    app.run_pending_migrations(Application).unwrap();

    let id = KeyId::global("openai").unwrap();
    store.commit(new_key(&id, 1)).await.unwrap();
    assert!(store.key_find(&id).await.unwrap().is_some());
    app.batch_execute("INSERT INTO orders VALUES (1)").unwrap();
}

#[tokio::test]
async fn an_application_may_run_ours_in_its_own_harness() {
    let folder = Folder::new();
    let mut app = folder.plain();
    app.run_pending_migrations(Application).unwrap();
    app.run_pending_migrations(SQLITE_MIGRATIONS).unwrap();
    let store = DieselStore::from_pool(pool(&folder));
    assert!(store.key_find(&KeyId::global("openai").unwrap()).await.unwrap().is_none());
    assert_eq!(store.migrate().await.unwrap(), 0);
}

//! Migrations on real servers: there and back, at once, broken off, newer, and with data.

use std::path::Path;

use llm_keys::KeyId;
use llm_keys::store::KeyStore as _;
use llm_keys_diesel::DieselStore;

use crate::database::{Database, Kind};
use crate::fixture::new_key;

on_each_server! {
    up_down_up_ends_where_it_began
    several_at_once_run_each_migration_once
    a_newer_schema_is_refused_and_left_alone
    without_migrations_the_first_call_says_so
    nothing_that_is_stored_is_lost_on_the_way_down
}

/// Every column, index and rule of our tables.
async fn objects(database: &Database) -> Vec<String> {
    let mut plain = database.plain().await;
    let queries: &[&str] = match database.kind {
        Kind::Postgres => &[
            "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default,
                 collation_name) AS line
             FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1",
            "SELECT replace(indexdef, current_schema(), '') AS line
             FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1",
            "SELECT conname || pg_get_constraintdef(oid) AS line
             FROM pg_constraint WHERE connamespace = current_schema()::regnamespace ORDER BY 1",
        ],
        Kind::Mysql => &[
            "SELECT concat_ws(' ', table_name, column_name, column_type, is_nullable,
                 coalesce(column_default, ''), coalesce(collation_name, '')) AS line
             FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1",
            "SELECT concat_ws(' ', table_name, index_name, seq_in_index, column_name) AS line
             FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY 1",
            "SELECT concat_ws(' ', constraint_name, check_clause) AS line
             FROM information_schema.check_constraints
             WHERE constraint_schema = DATABASE() ORDER BY 1",
        ],
    };
    let mut all = Vec::new();
    for query in queries {
        all.extend(plain.lines(query).await);
    }
    all
}

async fn up_down_up_ends_where_it_began(kind: Kind) {
    let database = Database::new(kind).await;
    let store = DieselStore::connect(&database.url()).await.unwrap();
    let count = store.migrations().await.unwrap().len();
    assert!(store.migrations().await.unwrap().iter().all(|one| one.known && !one.applied));
    assert_eq!(store.migrate().await.unwrap(), count);
    assert!(store.migrations().await.unwrap().iter().all(|one| one.known && one.applied));
    let once = objects(&database).await;
    assert!(once.iter().any(|line| line.contains("llm_keys_keys")), "{once:?}");
    let mut taken = Vec::new();
    while let Some(name) = store.migrate_down().await.unwrap() {
        taken.push(name);
    }
    assert_eq!(taken.len(), count);
    assert!(taken.is_sorted_by(|a, b| a > b), "{taken:?}");
    assert_eq!(objects(&database).await, Vec::<String>::new());
    assert_eq!(store.migrate().await.unwrap(), count);
    assert_eq!(objects(&database).await, once);
    store.commit(new_key(&KeyId::global("openai").unwrap(), 1)).await.unwrap();
}

async fn several_at_once_run_each_migration_once(kind: Kind) {
    let database = Database::new(kind).await;
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let url = database.url();
            tokio::spawn(async move { DieselStore::connect(&url).await.unwrap().migrate().await })
        })
        .collect();
    let mut ran = 0;
    for task in tasks {
        ran += task.await.unwrap().unwrap();
    }
    let store = database.store().await;
    assert_eq!(ran, store.migrations().await.unwrap().len());
}

async fn a_newer_schema_is_refused_and_left_alone(kind: Kind) {
    let database = Database::new(kind).await;
    drop(database.store().await);
    database.execute("INSERT INTO llm_keys_schema VALUES ('99990101000000')").await.unwrap();
    let error = DieselStore::open(&database.url()).await.unwrap_err();
    assert_eq!(error.kind().code(), "store_schema_too_new");
    let store = DieselStore::connect(&database.url()).await.unwrap();
    let id = KeyId::global("openai").unwrap();
    assert_eq!(store.key_find(&id).await.unwrap_err().kind().code(), "store_schema_too_new");
    let error = store.commit(new_key(&id, 1)).await.unwrap_err();
    assert_eq!(error.kind().code(), "store_schema_too_new");
    let error = store.migrate_down().await.unwrap_err();
    assert_eq!(error.kind().code(), "store_schema_too_new");
    let newest = store.migrations().await.unwrap().pop().unwrap();
    assert_eq!((newest.name.as_str(), newest.known), ("99990101000000", false));
}

async fn without_migrations_the_first_call_says_so(kind: Kind) {
    let database = Database::new(kind).await;
    let store = DieselStore::connect(&database.url()).await.unwrap();
    let id = KeyId::global("openai").unwrap();
    let error = store.key_find(&id).await.unwrap_err();
    assert_eq!(error.kind().code(), "store_schema_too_old");
    assert!(error.hint().unwrap().contains("migrate"));
    store.migrate().await.unwrap();
    assert!(store.key_find(&id).await.unwrap().is_none());
}

async fn nothing_that_is_stored_is_lost_on_the_way_down(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.store().await;
    let id = KeyId::global("openai").unwrap();
    store.commit(new_key(&id, 1)).await.unwrap();
    let before = objects(&database).await;
    let error = store.migrate_down().await.unwrap_err();
    assert_eq!(error.kind().code(), "store_refused", "{error:?}");
    assert_eq!(objects(&database).await, before);
    assert!(store.key_find(&id).await.unwrap().is_some());
    assert_eq!(store.migrate().await.unwrap(), 0);
}

/// The statements of all migrations for MySQL, in order.
fn statements() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/mysql");
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort_unstable();
    let mut all = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(name.join("up.sql")).unwrap();
        let code: Vec<_> = text.lines().filter(|line| !line.starts_with("--")).collect();
        let code = code.join("\n");
        all.extend(code.split_inclusive(";\n").map(str::to_owned).filter(|one| one.contains(' ')));
    }
    all
}

/// DB11: MySQL has no transaction around a migration, so it may end after any statement.
#[tokio::test]
async fn a_migration_that_was_broken_off_is_finished_by_the_next() {
    let whole = Database::new(Kind::Mysql).await;
    drop(whole.store().await);
    let whole = objects(&whole).await;
    let statements = statements();
    assert!(statements.len() > 10);
    for count in 0..=statements.len() {
        let database = Database::new(Kind::Mysql).await;
        let mut plain = database.plain().await;
        for statement in statements.get(..count).unwrap() {
            plain.execute(statement).await.unwrap();
        }
        let store = DieselStore::connect(&database.url()).await.unwrap();
        store.migrate().await.unwrap();
        assert_eq!(objects(&database).await, whole, "after {count} statements");
        store.commit(new_key(&KeyId::global("openai").unwrap(), 1)).await.unwrap();
        assert_eq!(store.changes_since(llm_keys::model::Seq(0)).await.unwrap().head.0, 1);
    }
}

/// DB11 on PostgreSQL: what was not finished was not begun.
#[tokio::test]
async fn a_migration_that_fails_midway_leaves_nothing() {
    let database = Database::new(Kind::Postgres).await;
    // Stands in the way of the last table of the first migration.
    database.execute("CREATE TABLE llm_keys_counters (x INT)").await.unwrap();
    let before = objects(&database).await;
    let store = DieselStore::connect(&database.url()).await.unwrap();
    store.migrate().await.unwrap_err();
    assert_eq!(objects(&database).await, before);
    database.execute("DROP TABLE llm_keys_counters").await.unwrap();
    assert!(store.migrate().await.unwrap() > 0);
}

//! PostgreSQL tells of changes; nothing depends on it.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use llm_keys::KeyId;
use llm_keys::model::Seq;
use llm_keys::store::{Hints, KeyStore as _};
use llm_keys_diesel::DieselStore;
use tokio::time::timeout;

use crate::database::{Database, Kind};
use crate::fixture::new_key;

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

fn id(n: u128) -> KeyId {
    KeyId::user(&format!("user-{n}"), "openai").unwrap()
}

/// A store of another process.
async fn another(database: &Database) -> DieselStore {
    DieselStore::connect(&database.url()).await.unwrap()
}

async fn heard(hints: &mut Hints) {
    timeout(PATIENCE, hints.next()).await.expect("no hint comes");
}

/// Who listens for this database now.
async fn listeners(database: &Database) -> Vec<String> {
    let (name, mut plain) = (database.name(), database.plain().await);
    plain
        .lines(&format!(
            "SELECT pid::text AS line FROM pg_stat_activity
             WHERE application_name = '{name}' AND query LIKE 'LISTEN %'"
        ))
        .await
}

async fn until_listeners(database: &Database, count: usize) {
    for _ in 0..1000 {
        if listeners(database).await.len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{count} should listen: {:?}", listeners(database).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_another_store_is_heard() {
    let database = Database::new(Kind::Postgres).await;
    let (ours, theirs) = (database.store().await, another(&database).await);
    assert!(ours.capabilities().hints);
    // Whoever does not ask for hints opens no connection for them.
    ours.commit(new_key(&id(0), 100)).await.unwrap();
    assert_eq!(listeners(&database).await.len(), 0);
    let (mut one, mut two) = (ours.hints().unwrap(), ours.hints().unwrap());
    // That it listens now.
    heard(&mut one).await;
    heard(&mut two).await;
    assert_eq!(listeners(&database).await.len(), 1);
    for n in 1..=20 {
        theirs.commit(new_key(&id(n), n)).await.unwrap();
        heard(&mut one).await;
        heard(&mut two).await;
        assert_eq!(ours.changes_since(Seq(n as u64)).await.unwrap().keys, [id(n)]);
    }
    drop(ours);
    until_listeners(&database, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_cut_off_loses_nothing() {
    let database = Database::new(Kind::Postgres).await;
    let (ours, theirs) = (database.store().await, another(&database).await);
    let mut hints = ours.hints().unwrap();
    heard(&mut hints).await;
    for n in 1..=5 {
        for pid in listeners(&database).await {
            database.execute(&format!("SELECT pg_terminate_backend({pid})")).await.unwrap();
        }
        // It is made while nobody listens, or just about.
        theirs.commit(new_key(&id(n), n)).await.unwrap();
        assert!(ours.key_find(&id(n)).await.unwrap().is_some());
        until_listeners(&database, 1).await;
        let (mut seen, mut stand) = (BTreeSet::new(), Seq(n as u64 - 1));
        while !seen.contains(&id(n)) {
            heard(&mut hints).await;
            let changes = ours.changes_since(stand).await.unwrap();
            assert!(changes.complete);
            stand = changes.head;
            seen.extend(changes.keys);
        }
    }
}

/// Whose connections may come from anywhere, such as a proxy that shares them between transactions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_the_application_gives_no_hints() {
    let database = Database::new(Kind::Postgres).await;
    database.store().await;
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(database.url());
    let store = DieselStore::from_pool(Pool::builder(manager).build().unwrap());
    assert!(!store.capabilities().hints && store.hints().is_none());
    // But it tells others.
    let ours = another(&database).await;
    let mut hints = ours.hints().unwrap();
    heard(&mut hints).await;
    store.commit(new_key(&id(1), 1)).await.unwrap();
    heard(&mut hints).await;
}

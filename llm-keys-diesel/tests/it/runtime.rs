//! Runtimes, callers that go away, and pools that are empty.

use std::time::Duration;

use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::{Pool, PoolBuilder};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use llm_keys::KeyId;
use llm_keys::store::{KeyStore as _, Use};
use llm_keys::{Micros, Version};
use llm_keys_diesel::{ConnectOptions, DieselStore, SqlitePool};
use uuid::Uuid;

use crate::fixture::{Folder, new_key};

type SqliteConn = SyncConnectionWrapper<diesel::SqliteConnection>;

fn id(n: u128) -> KeyId {
    KeyId::user(&format!("user-{n}"), "openai").unwrap()
}

/// Polls `call` once, so that it has begun, and drops it; whether that was in the middle of it.
async fn begin_and_drop(call: impl Future) -> bool {
    let mut call = Box::pin(call);
    std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context).is_pending()))
        .await
}

async fn callers_that_go_away(store: &DieselStore) {
    let mut cut = 0;
    for n in 1..=50 {
        cut += u32::from(begin_and_drop(store.commit(new_key(&id(n), n))).await);
        cut += u32::from(begin_and_drop(store.key_find(&id(n))).await);
    }
    assert!(cut > 0, "every call ended at its first poll");
    // Each write had begun, so each is made: writers go in turn, so this one is the last.
    store.commit(new_key(&id(51), 51)).await.unwrap();
    for n in 1..=51 {
        assert!(store.key_find(&id(n)).await.unwrap().is_some(), "{n}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_caller_that_goes_away_breaks_nothing_on_one_thread() {
    callers_that_go_away(&Folder::new().store().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_breaks_nothing_on_many() {
    callers_that_go_away(&Folder::new().store().await).await;
}

#[tokio::test(flavor = "current_thread")]
async fn many_at_once_on_one_thread() {
    let folder = Folder::new();
    let store = folder.store().await;
    let tasks: Vec<_> = (1..=100)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                store.commit(new_key(&id(n), n)).await?;
                store.key_find(&id(n)).await
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap().unwrap().is_some());
    }
}

#[test]
fn a_runtime_may_end_in_the_middle_of_a_call() {
    let folder = Folder::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    first.block_on(async {
        let store = folder.store().await;
        begin_and_drop(store.commit(new_key(&id(1), 1))).await;
    });
    drop(first);
    // Made or not made, and the file is good for the next.
    runtime().block_on(async {
        let store = folder.store().await;
        let made = store.key_find(&id(1)).await.unwrap();
        assert!(made.is_none_or(|(_, version)| version.is_some()));
        store.commit(new_key(&id(2), 2)).await.unwrap();
    });
}

async fn an_empty_pool(pool: SqlitePool) {
    let quick = ConnectOptions::new().wait(Duration::from_millis(20));
    let store = DieselStore::from_pool_with(pool.clone(), quick);
    let held = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    let calls = (0..200).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.key_find(&id(1)).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap_err().kind().code(), "store_busy");
    }
    // Those that gave up stand in nobody's way.
    drop(held);
    assert!(store.key_find(&id(1)).await.unwrap().is_none());
    // And who still waits when a connection comes back gets it.
    let patient = DieselStore::from_pool(pool.clone());
    let held = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    let call = tokio::spawn(async move { patient.key_find(&id(1)).await });
    tokio::task::yield_now().await;
    drop(held);
    assert!(call.await.unwrap().unwrap().is_none());
}

fn pool_of(folder: &Folder) -> PoolBuilder<SqliteConn> {
    Pool::builder(AsyncDieselConnectionManager::new(folder.file("keys.db"))).max_size(2)
}

#[tokio::test]
async fn an_empty_pool_is_busy_for_all_and_good_afterwards() {
    let folder = Folder::new();
    drop(folder.store().await);
    an_empty_pool(pool_of(&folder).runtime(deadpool::Runtime::Tokio1).build().unwrap()).await;
}

#[tokio::test]
async fn an_empty_pool_without_a_timer_is_the_same() {
    let folder = Folder::new();
    drop(folder.store().await);
    an_empty_pool(pool_of(&folder).build().unwrap()).await;
}

#[tokio::test]
async fn a_last_use_never_goes_back() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.commit(new_key(&id(1), 1)).await.unwrap();
    let used = |at| Use { record: Uuid::from_u128(1), version: Version::FIRST, at: Micros(at) };
    store.touch(&[used(5), used(9), used(7)]).await.unwrap();
    store.touch(&[]).await.unwrap();
    let (key, version) = store.key_find(&id(1)).await.unwrap().unwrap();
    assert_eq!(key.last_used_at, Some(Micros(9)));
    assert_eq!(version.unwrap().last_used_at, Some(Micros(9)));
}

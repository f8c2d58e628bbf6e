//! DB4: the server is killed under load, and comes back.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use llm_keys::KeyId;
use llm_keys::store::KeyStore as _;
use llm_keys_diesel::DieselStore;

use super::own::Own;
use crate::database::{Database, Kind};
use crate::fixture::new_key;

on_each_server! {
    a_killed_server_loses_nothing_it_confirmed_and_the_pool_heals
    a_connection_that_died_unseen_costs_no_error
}

fn id(n: u64) -> KeyId {
    KeyId::user(&format!("user-{n}"), "openai").unwrap()
}

/// What the writers share.
#[derive(Default)]
struct Load {
    next: AtomicU64,
    stop: AtomicBool,
    stored: Mutex<Vec<u64>>,
    failed: AtomicU64,
}

impl Load {
    async fn write(&self, store: &DieselStore) {
        while !self.stop.load(Ordering::Relaxed) {
            let n = self.next.fetch_add(1, Ordering::Relaxed) + 1;
            match store.commit(new_key(&id(n), n.into())).await {
                Ok(()) => self.stored.lock().unwrap().push(n),
                Err(error) => {
                    let code = error.kind().code();
                    assert!(["store_unavailable", "store_busy"].contains(&code), "{error:?}");
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    fn count(&self) -> usize {
        self.stored.lock().unwrap().len()
    }

    /// Waits until so many more are stored.
    async fn until_more(&self, more: usize, limit: Duration) {
        let wanted = self.count() + more;
        let wait = async {
            while self.count() < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(limit, wait).await.expect("nothing is stored any more");
    }
}

async fn a_killed_server_loses_nothing_it_confirmed_and_the_pool_heals(kind: Kind) {
    let mut server = Own::new(kind);
    server.start();
    server.until_ready(&server.url()).await;
    let database = Database::on(kind, server.url()).await;
    let store = database.store().await;
    let load = std::sync::Arc::new(Load::default());
    let writers: Vec<_> = (0..12)
        .map(|_| {
            let (load, store) = (std::sync::Arc::clone(&load), store.clone());
            tokio::spawn(async move { load.write(&store).await })
        })
        .collect();
    for round in 1..=2 {
        load.until_more(100, Duration::from_secs(60)).await;
        server.kill();
        // Somebody notices before it is back.
        let noticed = async {
            while load.failed.load(Ordering::Relaxed) < round * 10 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), noticed).await.expect("nobody noticed");
        server.start();
        server.until_ready(&server.url()).await;
        // The limit.
        load.until_more(1, Duration::from_secs(5)).await;
    }
    load.until_more(100, Duration::from_secs(60)).await;
    load.stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let stored = load.stored.lock().unwrap().clone();
    assert!(stored.len() >= 300);
    for n in stored {
        let (row, version) = store.key_find(&id(n)).await.unwrap().unwrap();
        assert_eq!(row.record.as_u128(), u128::from(n));
        assert!(version.is_some());
    }
    let feed = store.changes_since(llm_keys::model::Seq(0)).await.unwrap();
    assert!(feed.complete);
}

async fn a_connection_that_died_unseen_costs_no_error(kind: Kind) {
    let mut server = Own::new(kind);
    server.start();
    server.until_ready(&server.url()).await;
    let database = Database::on(kind, server.url()).await;
    let store = database.store().await;
    let calls: Vec<_> = (1..=8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(new_key(&id(n), n.into())).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    server.kill();
    server.start();
    server.until_ready(&server.url()).await;
    // All connections of the pool are dead, and nobody asked them yet.
    store.commit(new_key(&id(9), 9)).await.unwrap();
    assert!(store.key_find(&id(1)).await.unwrap().is_some());
    server.kill();
    server.start();
    server.until_ready(&server.url()).await;
    assert!(store.key_find(&id(9)).await.unwrap().is_some());
}

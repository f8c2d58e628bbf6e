//! While others read and write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio::task::JoinSet;

use super::bed::{Kms, assert_all_under, id, kms, manager, put, quick, uri, with_cache};
use super::history::History;
use crate::error::{ErrorKind, StoreFault};
use crate::manager::{
    CacheOptions, ChangeOptions, DeleteOptions, EnvelopeKeyManager, OpenOptions, OpenedContent,
    SecureKeyManager as _, StoreOptions,
};
use crate::model::{KeyState, PageSize};
use crate::secret::ApiKey;
use crate::store::KeyStore as _;
use crate::testing::store::SharedStore;

const KEYS: usize = 50;
const TASKS: usize = 16;
const STORES: usize = 15;
/// Writers may keep a database of files busy for a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// 16 writers and 16 readers on 50 keys while rewraps run one after the other: no read fails, no
/// update is lost, and the history of each key is linearizable. Every read goes to the storage.
pub async fn live_readers_and_writers_see_nothing(store: &SharedStore) {
    live(store, CacheOptions::OFF).await;
}

/// The same with a cache in the process that reads and writes.
pub async fn live_readers_with_a_cache_see_nothing(store: &SharedStore) {
    live(store, CacheOptions::default()).await;
}

async fn live(store: &SharedStore, cache: CacheOptions) {
    let (a, b) = (kms(), kms());
    let users = with_cache(store, &[&a], &[&b], cache).await;
    let history = Arc::new(History::default());
    for key in 0..KEYS {
        store_one(&users, &history, key, "first").await;
    }
    let (writing, rewrapping) = (Arc::new(AtomicBool::new(true)), Arc::clone(store));
    let rewraps = tokio::spawn(rewrap_in_turns(rewrapping, [b, a], Arc::clone(&writing)));
    let (mut writers, mut readers) = (JoinSet::new(), JoinSet::new());
    for task in 0..TASKS {
        let (users, history) = (users.clone(), Arc::clone(&history));
        writers.spawn(async move {
            for number in 0..STORES {
                let key = (task * 7 + number * 11) % KEYS;
                store_one(&users, &history, key, &format!("{task}-{number}")).await;
            }
        });
    }
    for task in 0..TASKS {
        let (users, history, writing) = (users.clone(), history.clone(), writing.clone());
        readers.spawn(async move {
            let mut number = 0;
            while writing.load(SeqCst) {
                read_one(&users, &history, (task * 5 + number) % KEYS).await;
                number += 1;
                // What is cached costs so little that nobody else would get anywhere.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    writing.store(false, SeqCst);
    while let Some(done) = readers.join_next().await {
        done.unwrap();
    }
    let wrapped = rewraps.await.unwrap();
    assert!(wrapped > KEYS as u64, "the rewraps came to {wrapped} versions only");
    for key in 0..KEYS {
        read_one(&users, &history, key).await;
    }
    let ops = history.check();
    assert!(ops >= KEYS * 2 + TASKS * STORES, "{ops}");
}

/// Rewraps everything to one KMS and to the other until nobody writes any more, at least once to
/// each; how many versions that were.
async fn rewrap_in_turns(store: SharedStore, kms: [Kms; 2], writing: Arc<AtomicBool>) -> u64 {
    let (mut wrapped, mut turn) = (0, 0);
    while turn < 2 || writing.load(SeqCst) {
        let (to, from) = (&kms[turn % 2], &kms[(turn + 1) % 2]);
        let moving = manager(&store, &[to], &[from]).await;
        let options = quick().page(PageSize::new(7).unwrap()).at_once(4).patience(PATIENCE);
        let report = moving.rewrap(&options).await.unwrap();
        assert!(report.stopped.is_none(), "{report:?}");
        // A key that is written all the time may be left for the next run; nothing else may.
        let lost = |failed: &&crate::manager::Failed| failed.error.kind() != ErrorKind::Conflict;
        let lost: Vec<_> = report.failed.iter().filter(lost).collect();
        assert!(lost.is_empty(), "{lost:?}");
        wrapped += report.progress.done;
        turn += 1;
    }
    wrapped
}

async fn store_one(users: &EnvelopeKeyManager, history: &History, key: usize, what: &str) {
    let value = format!("sk-test-{key}-{what}");
    loop {
        let began = history.tick();
        let secret = ApiKey::new(value.as_str()).unwrap();
        match users.store_api_key(&id(key), secret, &StoreOptions::default()).await {
            Ok(version) => return history.note(key, began, true, version.get(), value),
            // It was not stored: others were faster each time.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) if error.kind() == ErrorKind::Store(StoreFault::Busy) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn read_one(users: &EnvelopeKeyManager, history: &History, key: usize) {
    let began = history.tick();
    let opened = users.open(&id(key), &OpenOptions::default()).await.unwrap().unwrap();
    let OpenedContent::Raw(secret) = opened.content;
    let value = secret.expose_str(str::to_owned).unwrap();
    history.note(key, began, false, opened.version.get(), value);
}

/// Two rewraps at once, while keys are deleted, deactivated and stored: each change holds, and
/// nothing comes back.
pub async fn two_rewraps_and_every_change_at_once(store: &SharedStore) {
    const EACH: usize = 12;
    let (old, new) = (kms(), kms());
    let first = manager(store, &[&old], &[]).await;
    for key in 0..4 * EACH {
        put(&first, &id(key), "sk-test-first").await;
    }
    let users = manager(store, &[&new], &[&old]).await;
    let mut rewraps = JoinSet::new();
    for _ in 0..2 {
        let moving = manager(store, &[&new], &[&old]).await;
        rewraps.spawn(async move { moving.rewrap(&quick()).await.unwrap() });
    }
    for number in 0..EACH {
        let options = ChangeOptions::default();
        assert!(users.delete_api_key(&id(number), &deletion(number)).await.unwrap());
        users.deactivate_api_key(&id(EACH + number), &options).await.unwrap().unwrap();
        put(&users, &id(2 * EACH + number), "sk-test-second").await;
        tokio::task::yield_now().await;
    }
    while let Some(report) = rewraps.join_next().await {
        let report = report.unwrap();
        assert!(report.is_complete(), "{report:?}");
    }
    for number in 0..EACH {
        let row = store.key_find(&id(number)).await.unwrap();
        let state = row.map(|(row, _)| row.state);
        let deleted = matches!(state, Some(KeyState::Deleted { .. }));
        assert!(if deletion(number).now { state.is_none() } else { deleted }, "{state:?}");
        let metadata = users.key_metadata(&id(EACH + number)).await.unwrap().unwrap();
        assert_eq!(metadata.state, KeyState::Inactive);
        let key = users.get_api_key(&id(2 * EACH + number)).await.unwrap().unwrap();
        assert_eq!(key.expose_str(str::to_owned).unwrap(), "sk-test-second");
    }
    assert_all_under(store, &[uri(&new)]).await;
}

/// Every other one for good, and the rest so that it can be taken back.
fn deletion(number: usize) -> DeleteOptions {
    let options = DeleteOptions::default();
    if number.is_multiple_of(2) { options.now() } else { options }
}

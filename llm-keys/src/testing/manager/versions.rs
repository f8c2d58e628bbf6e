//! Versions: the next one, the expected one, the first of a new record.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Parts;
use super::bed::{Bed, api_key, found, id, kind, number};
use crate::error::ErrorKind;
use crate::manager::{DeleteOptions, ExpectVersion, SecureKeyManager, StoreOptions};
use crate::model::KeyId;
use crate::store::KeyStore;

/// Rule 3.
pub async fn a_second_store_is_version_two<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    let id = id("a");
    for n in 1..=3 {
        assert_eq!(bed.put(&id, &format!("sk-{n}")).await, number(n));
        assert_eq!(bed.get(&id).await.unwrap(), found(&format!("sk-{n}")));
        let known = bed.manager.key_metadata(&id).await.unwrap().unwrap();
        assert_eq!(known.version, Some(number(n)));
    }
    for n in 1..=3 {
        let read = bed.version(&id, number(n)).await.unwrap();
        assert_eq!(read, found(&format!("sk-{n}")), "older versions can still be opened");
    }
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-3"), "and are not what `get` gives");

    // Some at once, few enough that all are kept: each version number is given once, and the last
    // one is current.
    let mut stores = JoinSet::new();
    for n in 0..7 {
        let (manager, id) = (bed.manager.clone(), id.clone());
        stores.spawn(async move {
            let (key, options) = (api_key(&format!("racer-{n}")), StoreOptions::default());
            (n, kind(manager.store_api_key(&id, key, &options).await))
        });
    }
    let mut stored = Vec::new();
    for (n, answer) in stores.join_all().await {
        match answer {
            Ok(version) => stored.push((version, n)),
            Err(kind) => assert_eq!(kind, ErrorKind::Conflict),
        }
    }
    stored.sort_unstable();
    let versions: Vec<_> = stored.iter().map(|(version, _)| version.get()).collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "a version was given twice: {versions:?}");
    for (version, n) in &stored {
        let read = bed.version(&id, *version).await.unwrap();
        assert_eq!(read, found(&format!("racer-{n}")), "version {version}");
    }
    let (_, last) = stored.last().expect("somebody wins");
    assert_eq!(bed.get(&id).await.unwrap(), found(&format!("racer-{last}")));
}

/// Rule 4.
pub async fn expect_version_is_compare_and_swap<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    let id = id("a");
    let swap = async |key: &str, expect| {
        let options = StoreOptions::default().expect_version(expect);
        kind(bed.manager.store_api_key(&id, api_key(key), &options).await)
    };
    let conflict = Err(ErrorKind::Conflict);
    assert_eq!(swap("none", ExpectVersion::Is(number(1))).await, conflict, "there is no key");
    assert_eq!(bed.get(&id).await.unwrap(), None);
    assert_eq!(swap("first", ExpectVersion::Absent).await, Ok(number(1)));
    assert_eq!(swap("again", ExpectVersion::Absent).await, conflict, "it is there");
    assert_eq!(swap("ahead", ExpectVersion::Is(number(2))).await, conflict);
    assert_eq!(bed.get(&id).await.unwrap(), found("first"), "a conflict changes nothing");
    assert_eq!(swap("second", ExpectVersion::Is(number(1))).await, Ok(number(2)));
    assert_eq!(swap("late", ExpectVersion::Is(number(1))).await, conflict);
    assert_eq!(bed.get(&id).await.unwrap(), found("second"));

    for expect in [ExpectVersion::Is(number(2)), ExpectVersion::Absent] {
        if expect == ExpectVersion::Absent {
            assert!(bed.manager.delete_api_key(&id, &DeleteOptions::default()).await.unwrap());
        }
        let winner = race(&bed, &id, expect).await;
        assert_eq!(bed.get(&id).await.unwrap(), found(&format!("racer-{winner}")));
    }
}

/// Lets 16 writers with one expectation store at once, of whom one must win.
async fn race<M: SecureKeyManager + 'static>(
    bed: &Bed<M>,
    id: &KeyId,
    expect: ExpectVersion,
) -> u32 {
    // They all read before the first of them writes.
    bed.store.commits().hold();
    let mut stores = JoinSet::new();
    for n in 0..16 {
        let (manager, id) = (bed.manager.clone(), id.clone());
        stores.spawn(async move {
            let options = StoreOptions::default().expect_version(expect);
            let key = api_key(&format!("racer-{n}"));
            (n, kind(manager.store_api_key(&id, key, &options).await))
        });
    }
    bed.store.commits().until_held(16).await;
    bed.store.commits().release();
    let mut winners = Vec::new();
    for (n, answer) in stores.join_all().await {
        match answer {
            Ok(_) => winners.push(n),
            Err(kind) => assert_eq!(kind, ErrorKind::Conflict),
        }
    }
    assert_eq!(winners.len(), 1, "exactly one writer wins");
    winners[0]
}

/// Rule 14.
pub async fn deleted_and_stored_is_new<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    let id = id("a");
    bed.put(&id, "sk-1").await;
    bed.put(&id, "sk-2").await;
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-2"), "the old one was in use");
    let old = bed.manager.key_metadata(&id).await.unwrap().unwrap();
    assert!(bed.manager.delete_api_key(&id, &DeleteOptions::default()).await.unwrap());

    assert_eq!(bed.put(&id, "sk-new").await, number(1));
    let new = bed.manager.key_metadata(&id).await.unwrap().unwrap();
    assert_ne!(new.record, old.record);
    assert_eq!((new.version, new.generation), (Some(number(1)), 1));
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-new"));
    assert_eq!(bed.version(&id, number(1)).await.unwrap(), found("sk-new"));
    assert_eq!(bed.version(&id, number(2)).await.unwrap(), None, "old versions are gone for good");
}

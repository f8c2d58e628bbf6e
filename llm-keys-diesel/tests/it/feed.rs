//! The feed of changes where it has lost its oldest rows.

use llm_keys::KeyId;
use llm_keys::model::Seq;
use llm_keys::store::KeyStore as _;

use crate::fixture::{Folder, new_key};

fn id(n: u128) -> KeyId {
    KeyId::user(&format!("user-{n}"), "openai").unwrap()
}

#[tokio::test]
async fn a_reader_that_is_too_far_behind_is_told_so() {
    let folder = Folder::new();
    let store = folder.store().await;
    for n in 1..=3 {
        store.commit(new_key(&id(n), n)).await.unwrap();
    }
    assert!(store.changes_since(Seq(0)).await.unwrap().complete);
    // As if ten thousand more had been written since.
    folder.tamper("UPDATE llm_keys_counters SET value = 10003 WHERE name = 'changes'");
    store.commit(new_key(&id(4), 4)).await.unwrap();
    let changes = store.changes_since(Seq(3)).await.unwrap();
    assert_eq!((changes.head, changes.complete), (Seq(10_004), false));
    // The rows that are too old are gone: only the new one is left.
    assert_eq!(store.changes_since(Seq(0)).await.unwrap().keys, [id(4)]);
    let changes = store.changes_since(Seq(10_003)).await.unwrap();
    assert_eq!((changes.keys, changes.complete), (vec![id(4)], true));
}

#[tokio::test]
async fn a_reader_ahead_of_the_feed_stood_in_another() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.commit(new_key(&id(1), 1)).await.unwrap();
    for since in [2, u64::MAX] {
        let changes = store.changes_since(Seq(since)).await.unwrap();
        assert_eq!((changes.head, changes.complete), (Seq(1), false));
    }
    assert!(store.changes_since(Seq(1)).await.unwrap().complete);
}

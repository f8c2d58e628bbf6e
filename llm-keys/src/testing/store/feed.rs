//! The feed of changes: how other processes hear of them.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use super::SharedStore;
use super::sample::{
    event, id, insert, key, next, purge, record, refused, replace, unchanged, version,
};
use crate::error::ErrorKind;
use crate::model::{KeyId, KeyRow, Seq};
use crate::store::Change;

/// Rule 14.
pub async fn the_feed_names_changed_keys(store: &SharedStore) {
    let (a, b) = (key(id("a"), record(1)), key(id("b"), record(2)));
    let elsewhere = a.id.clone().with_tenant("other").unwrap();
    let c = KeyRow { id: elsewhere, ..key(id("a"), record(3)) };
    let start = store.changes_since(Seq(0)).await.unwrap();
    assert_eq!((start.keys, start.complete), (vec![], true), "a new store has no changes");

    let mut seen = Vec::new();
    let mut stand = start.head;
    let mut step = async |change, names: &[&KeyRow]| {
        store.commit(change).await.unwrap();
        let changes = store.changes_since(stand).await.unwrap();
        assert!(changes.complete);
        assert!(changes.head > stand, "the head moves with each commit");
        assert_eq!(sorted(changes.keys), sorted(names.iter().map(|row| row.id.clone()).collect()));
        seen.push((stand, names.iter().map(|row| row.id.clone()).collect::<Vec<_>>()));
        stand = changes.head;
        let changes = store.changes_since(stand).await.unwrap();
        assert_eq!((changes.head, changes.keys, changes.complete), (stand, vec![], true));
    };
    step(insert(&[a.clone(), b.clone()]), &[&a, &b]).await;
    step(insert(std::slice::from_ref(&c)), &[&c]).await;
    step(replace(&a, next(&a)), &[&a]).await;
    let rewrapped =
        Change { expect: vec![unchanged(&c)], versions: vec![version(&c, 1)], ..Change::default() };
    step(rewrapped, &[&c]).await;
    step(purge(&b), &[&b]).await;
    let mut both = replace(&next(&a), next(&next(&a)));
    both.expect.push(unchanged(&c));
    both.purge.push(c.record);
    step(both, &[&a, &c]).await;

    // From every earlier position: each later key, once.
    for (at, (from, _)) in seen.iter().enumerate() {
        let later = seen[at..].iter().flat_map(|(_, names)| names.clone());
        let expected: BTreeSet<_> = later.collect();
        let changes = store.changes_since(*from).await.unwrap();
        assert_eq!(sorted(changes.keys), expected.into_iter().collect::<Vec<_>>());
    }
    assert_eq!(store.changes_since(Seq(0)).await.unwrap().head, stand);

    let mut stale = replace(&a, next(&a));
    stale.events.push(event(&a.id, 1));
    refused(store, &stale, ErrorKind::Conflict, "a stale change does not move the head").await;
    nothing_is_missed(store).await;
}

/// A reader that polls while others write hears of every key, whatever overtakes what.
async fn nothing_is_missed(store: &SharedStore) {
    const WRITERS: u32 = 8;
    const KEYS: u32 = 12;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for n in 0..KEYS {
                let row = key(id(&format!("w{writer}-{n}")), record(100 * (writer + 1) + n));
                store.commit(insert(&[row])).await.unwrap();
            }
        });
    }
    let mut stand = store.changes_since(Seq(0)).await.unwrap().head;
    let mut heard: BTreeSet<KeyId> =
        store.changes_since(Seq(0)).await.unwrap().keys.into_iter().collect();
    loop {
        let done = writers.is_empty();
        let changes = store.changes_since(stand).await.unwrap();
        assert!(changes.complete);
        assert!(changes.head >= stand, "the head never goes back");
        heard.extend(changes.keys);
        stand = changes.head;
        if done {
            break;
        }
        while let Some(writer) = writers.try_join_next() {
            writer.unwrap();
        }
        tokio::task::yield_now().await;
    }
    for writer in 0..WRITERS {
        for n in 0..KEYS {
            let id = id(&format!("w{writer}-{n}"));
            assert!(heard.contains(&id), "the feed never named {id}");
        }
    }
}

fn sorted(mut ids: Vec<KeyId>) -> Vec<KeyId> {
    ids.sort_unstable();
    ids
}

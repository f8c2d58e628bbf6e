//! When a key was last given out.

use super::SharedStore;
use super::sample::{id, insert, key, next, number, record, replace, version};
use crate::clock::Micros;
use crate::model::{KeyRow, Seq, VersionRow};
use crate::store::Use;

/// Rule 12.
pub async fn touch_moves_forward(store: &SharedStore) {
    let (a, b) = (key(id("a"), record(1)), key(id("b"), record(2)));
    let mut change = insert(&[a.clone(), b.clone()]);
    change.versions.push(version(&a, 2));
    store.commit(change).await.unwrap();
    let head = store.changes_since(Seq(0)).await.unwrap().head;
    let used = |row: &KeyRow, version, at| Use {
        record: row.record,
        version: number(version),
        at: Micros(at),
    };
    let last_uses = async || {
        let key = store.key_find(&a.id).await.unwrap().unwrap().0.last_used_at;
        let first = store.version_find(a.record, number(1)).await.unwrap().unwrap().last_used_at;
        let second = store.version_find(a.record, number(2)).await.unwrap().unwrap().last_used_at;
        [key, first, second].map(|at| at.map(|at| at.0))
    };

    store.touch(&[]).await.unwrap();
    assert_eq!(last_uses().await, [None, None, None]);
    store.touch(&[used(&a, 1, 2_000)]).await.unwrap();
    assert_eq!(last_uses().await, [Some(2_000), Some(2_000), None]);
    store.touch(&[used(&a, 1, 1_500)]).await.unwrap();
    assert_eq!(last_uses().await, [Some(2_000), Some(2_000), None], "never back");
    store.touch(&[used(&a, 2, 1_900)]).await.unwrap();
    assert_eq!(last_uses().await, [Some(2_000), Some(2_000), Some(1_900)], "a key has the latest");

    // Many at once, out of order, with records that nobody knows among them.
    let unknown = key(id("unknown"), record(3));
    let mut uses: Vec<_> = (1..=600)
        .map(|n| if n % 2 == 0 { used(&a, 2, 9_000 - n) } else { used(&unknown, 1, n) })
        .collect();
    uses.push(used(&b, 1, 42));
    store.touch(&uses).await.unwrap();
    assert_eq!(last_uses().await, [Some(8_998), Some(2_000), Some(8_998)]);
    assert_eq!(store.key_find(&unknown.id).await.unwrap(), None);
    assert_eq!(store.version_find(unknown.record, number(1)).await.unwrap(), None);

    // All else is as it was: whoever holds the generation can still write.
    for (row, at) in [(&a, 8_998), (&b, 42)] {
        let (found, _) = store.key_find(&row.id).await.unwrap().unwrap();
        assert_eq!(found, KeyRow { last_used_at: Some(Micros(at)), ..row.clone() });
    }
    let found = store.version_find(a.record, number(2)).await.unwrap();
    let expected = VersionRow { last_used_at: Some(Micros(8_998)), ..version(&a, 2) };
    assert_eq!(found, Some(expected));
    let changes = store.changes_since(head).await.unwrap();
    assert_eq!((changes.head, changes.keys), (head, vec![]), "a use is not a change");
    store.commit(replace(&a, next(&a))).await.unwrap();
}

/// Rule 13.
pub async fn replacing_keeps_last_use(store: &SharedStore) {
    let row = key(id("a"), record(1));
    store.commit(insert(std::slice::from_ref(&row))).await.unwrap();
    let at = Some(Micros(5_000));
    let touched = Use { record: row.record, version: number(1), at: Micros(5_000) };
    store.touch(&[touched]).await.unwrap();

    // A writer that read the row before the use, and one that makes a time up.
    let mut old = row.clone();
    for claimed in [None, Some(Micros(1)), Some(Micros(9_000))] {
        let new = KeyRow { last_used_at: claimed, ..next(&old) };
        let version = VersionRow { last_used_at: claimed, ..version(&row, 1) };
        let mut change = replace(&old, new.clone());
        change.versions.push(version.clone());
        store.commit(change).await.unwrap();
        let expected = (
            KeyRow { last_used_at: at, ..new.clone() },
            VersionRow { last_used_at: at, ..version },
        );
        let found = store.key_find(&row.id).await.unwrap();
        assert_eq!(found, Some((expected.0, Some(expected.1))), "claimed {claimed:?}");
        old = new;
    }
}

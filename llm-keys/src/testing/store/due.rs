//! What falls due.

use uuid::Uuid;

use super::SharedStore;
use super::sample::{id, insert, key, next, record, replace};
use crate::clock::Micros;
use crate::model::{KeyId, KeyRow, KeyState, PageSize};

/// Rule 20.
pub async fn due_keys_are_found(store: &SharedStore) {
    let elsewhere = KeyId::global("openai").unwrap().with_tenant("other").unwrap();
    let due = |id: KeyId, number, due_at: Option<i64>| KeyRow {
        due_at: due_at.map(Micros),
        ..key(id, record(number))
    };
    let rows = [
        due(id("a"), 1, Some(30)),
        due(id("b"), 2, None),
        due(id("c"), 3, Some(10)),
        due(id("d"), 4, Some(i64::MAX)),
        due(elsewhere, 5, Some(10)),
        due(id("f"), 6, Some(-5)),
        due(id("g"), 7, Some(10)),
    ];
    store.commit(insert(&rows)).await.unwrap();
    let found = async |before, size| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let size = PageSize::new(size).unwrap();
            let page = store.key_due(Micros(before), after, size).await.unwrap();
            assert!(page.len() <= usize::from(size.get()));
            let Some(last) = page.last() else { return found };
            after = Some((last.due_at.unwrap(), last.record));
            found.extend(page);
        }
    };
    let expect = |order: &[usize]| order.iter().map(|at| rows[*at].clone()).collect::<Vec<_>>();
    for size in [1, 2, 100] {
        assert_eq!(found(-5, size).await, []);
        assert_eq!(found(10, size).await, expect(&[5]));
        assert_eq!(found(11, size).await, expect(&[5, 2, 4, 6]));
        assert_eq!(found(i64::MAX, size).await, expect(&[5, 2, 4, 6, 0]));
    }
    // After a place that is past what is asked for.
    let far = Some((Micros(99), Uuid::nil()));
    assert_eq!(store.key_due(Micros(31), far, PageSize::default()).await.unwrap(), []);

    // It follows the row, whatever its state.
    let later = KeyRow { due_at: Some(Micros(99)), ..next(&rows[5]) };
    let state = KeyState::Deleted { purge_at: Micros(7) };
    let deleted = KeyRow { state, due_at: Some(Micros(7)), ..next(&rows[1]) };
    store.commit(replace(&rows[5], later)).await.unwrap();
    store.commit(replace(&rows[1], deleted.clone())).await.unwrap();
    assert_eq!(found(10, 100).await, [deleted]);
}

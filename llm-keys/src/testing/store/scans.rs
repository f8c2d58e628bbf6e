//! Reading everything: all versions of a record, all envelopes, all system records.

use super::SharedStore;
use super::sample::{id, insert, key, number, record, system, version};
use crate::clock::Micros;
use crate::model::{KeyId, KeyRow, KeyState, PageSize, VersionRow, VersionState};
use crate::store::{Change, Expect};

/// Rule 17.
pub async fn all_versions_of_a_record(store: &SharedStore) {
    let rows = [key(id("a"), record(1)), key(id("b"), record(2))];
    // Version 10 comes after version 2, and not in the order of its text.
    let mut change = insert(&rows);
    change.versions.extend([10, 2, 3].map(|number| version(&rows[0], number)));
    change.versions.push(version(&rows[1], 2));
    store.commit(change).await.unwrap();
    let expected: Vec<_> = [1, 2, 3, 10].map(|number| version(&rows[0], number)).into();
    assert_eq!(store.version_list(record(1)).await.unwrap(), expected);
    assert_eq!(store.version_list(record(2)).await.unwrap().len(), 2);
    assert_eq!(store.version_list(record(3)).await.unwrap(), []);
}

/// Rule 18.
pub async fn a_scan_covers_every_envelope_once(store: &SharedStore) {
    assert_eq!(store.version_scan(None, PageSize::default()).await.unwrap(), []);
    let elsewhere = KeyId::global("openai").unwrap().with_tenant("other").unwrap();
    let rows = [
        key(id("a"), record(3)),
        key(id("b"), record(1)),
        key(elsewhere, record(2)),
        key(id("d"), record(4)),
    ];
    let mut change = insert(&rows);
    change.versions.extend([2, 10, 3].map(|number| version(&rows[0], number)));
    let shredded = VersionState::Shredded;
    change.versions.push(VersionRow { envelope: None, state: shredded, ..version(&rows[1], 2) });
    change.versions.retain(|row| row.record != rows[3].record);
    store.commit(change).await.unwrap();

    let expected: Vec<(KeyRow, VersionRow)> = [(1, 1), (2, 1), (0, 1), (0, 2), (0, 3), (0, 10)]
        .map(|(row, number): (usize, u32)| (rows[row].clone(), version(&rows[row], number)))
        .into();
    for size in [1, 2, 5, 6, 100] {
        let size = PageSize::new(size).unwrap();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.version_scan(after, size).await.unwrap();
            assert!(page.len() <= usize::from(size.get()));
            let Some((_, last)) = page.last() else { break };
            after = Some((last.record, last.version));
            found.extend(page);
        }
        assert_eq!(found, expected, "in pages of {}", size.get());
    }
    // From a place where nothing is.
    let from = store.version_scan(Some((record(1), number(7))), PageSize::default()).await.unwrap();
    assert_eq!(from, expected[1..]);
}

/// Rule 24.
pub async fn a_scan_covers_every_key_once(store: &SharedStore) {
    assert!(store.key_scan(None, PageSize::default()).await.unwrap().is_empty());
    let elsewhere = KeyId::global("openai").unwrap().with_tenant("other").unwrap();
    let deleted = KeyState::Deleted { purge_at: Micros(9) };
    let rows = [
        key(id("a"), record(3)),
        KeyRow { state: deleted, ..key(id("b"), record(1)) },
        key(elsewhere, record(2)),
        key(id("d"), record(4)),
        KeyRow { current: None, ..key(id("e"), record(5)) },
    ];
    let mut change = insert(&rows);
    change.versions.retain(|row| row.record != rows[4].record);
    store.commit(change).await.unwrap();
    let expected: Vec<_> = [1, 2, 0, 3, 4].map(|row: usize| rows[row].clone()).into();
    for size in [1, 2, 3, 5, 100] {
        let size = PageSize::new(size).unwrap();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.key_scan(after.as_deref(), size).await.unwrap();
            assert!(page.len() <= usize::from(size.get()));
            let Some(last) = page.last() else { break };
            after = Some(last.place.clone());
            found.extend(page.into_iter().map(|key| key.row.unwrap()));
        }
        assert_eq!(found, expected, "in pages of {}", size.get());
    }
}

/// Rule 19.
pub async fn all_system_records(store: &SharedStore) {
    assert_eq!(store.system_list().await.unwrap(), []);
    let rows = [("default", "row-mac"), ("default", "sentinel"), ("other", "row-mac")]
        .map(|(tenant, name)| system(tenant, name, 1));
    for row in &rows {
        let (tenant, name) = (row.tenant.clone(), row.name.clone());
        let expect = vec![Expect::System { tenant, name, version: None }];
        let change = Change { expect, system: vec![row.clone()], ..Change::default() };
        store.commit(change).await.unwrap();
    }
    let mut found = store.system_list().await.unwrap();
    found.sort_by(|a, b| (&a.tenant, &a.name).cmp(&(&b.tenant, &b.name)));
    assert_eq!(found, rows);
}

//! Listings: order, pages, filters.

use super::SharedStore;
use super::sample::{id, insert, key, next, purge, record, replace};
use crate::clock::Micros;
use crate::model::{
    Cursor, KeyFilter, KeyId, KeyName, KeyRow, KeyState, Owner, OwnerId, PageSize, Service, Tenant,
};

/// Byte order and every other order disagree about these.
const SERVICES: &[&str] = &["a", "a-b", "a.b", "a_b", "ab"];
const NAMES: &[&str] = &["0", "a", "a.a", "a_a", "aa"];
const TENANTS: &[&str] = &["acme", "Acme", "acme ltd", "acme2"];

/// Rule 8.
pub async fn pages_cover_everything_once(store: &SharedStore) {
    let rows = many_keys();
    assert!(rows.len() > 500, "hundreds of keys");
    for batch in rows.chunks(50) {
        store.commit(insert(batch)).await.unwrap();
    }
    let tenant = Tenant::new("acme").unwrap();
    let all = KeyFilter::of(tenant.clone()).with_deleted();
    let total = expected(&rows, &all).len();
    for size in [1, 2, 3, 7, 64, total - 1, total, total + 1, usize::from(PageSize::MAX)] {
        check(store, &rows, &all, size).await;
    }

    let services = some(["a", "a.b", "ab", "missing"].map(|s| Service::new(s).unwrap()));
    let names = some(["a", "aa", "missing"].map(|name| KeyName::new(name).unwrap()));
    let mut wanted = owners();
    wanted.push(Owner::User(OwnerId::new("missing").unwrap()));
    for owner in some(wanted) {
        for service in &services {
            for name in &names {
                for deleted in [false, true] {
                    let mut filter = KeyFilter::of(tenant.clone());
                    filter.owner.clone_from(&owner);
                    filter.service.clone_from(service);
                    filter.name.clone_from(name);
                    filter.deleted = deleted;
                    for size in [7, usize::from(PageSize::MAX)] {
                        check(store, &rows, &filter, size).await;
                    }
                }
            }
        }
    }
    for tenant in TENANTS.iter().chain(&["ACME", "nobody"]) {
        check(store, &rows, &KeyFilter::of(Tenant::new(tenant).unwrap()), 3).await;
    }
}

/// Rule 9.
pub async fn a_cursor_outlives_its_key(store: &SharedStore) {
    let rows: Vec<_> = (0..9).map(|n| key(id(&format!("k{n}")), record(n + 1))).collect();
    store.commit(insert(&rows)).await.unwrap();
    let filter = KeyFilter::default();
    let three = PageSize::new(3).unwrap();
    let first = store.key_list(&filter, None, three).await.unwrap();
    assert_eq!(first.items, rows[..3]);
    let after = first.next.expect("there are more");

    // The key under the cursor goes, one before and one after it come.
    store.commit(purge(&rows[2])).await.unwrap();
    let (before, between) = (key(id("k1a"), record(20)), key(id("k2a"), record(21)));
    store.commit(insert(&[before, between.clone()])).await.unwrap();
    let second = store.key_list(&filter, Some(&after), three).await.unwrap();
    assert_eq!(second.items, [between, rows[3].clone(), rows[4].clone()]);

    // A cursor need never have been a key at all.
    for (name, rest) in [("0", 0), ("k4", 5), ("k4a", 5), ("k8", 9), ("z", 9)] {
        let after = Cursor::after(&id(name));
        let page = store.key_list(&filter, Some(&after), PageSize::default()).await.unwrap();
        let listed: Vec<_> = page.items.into_iter().filter(|row| rows.contains(row)).collect();
        let left: Vec<_> = rows[rest..].iter().filter(|row| **row != rows[2]).cloned().collect();
        assert_eq!((listed, page.next), (left, None), "after {name}");
    }
    // It stands in a path, not in a tenant: another tenant's listing starts there as well.
    let other = KeyRow { id: id("k5").with_tenant("other").unwrap(), ..key(id("x"), record(30)) };
    store.commit(insert(std::slice::from_ref(&other))).await.unwrap();
    let filter = KeyFilter::of(other.id.tenant.clone());
    let page = store.key_list(&filter, Some(&after), three).await.unwrap();
    assert_eq!((page.items, page.next), (vec![other], None));
}

/// Rule 10.
pub async fn deleted_keys_hide(store: &SharedStore) {
    let rows = [key(id("a"), record(1)), key(id("b"), record(2)), key(id("c"), record(3))];
    store.commit(insert(&rows)).await.unwrap();
    let state = KeyState::Deleted { purge_at: Micros(5_000) };
    let deleted = KeyRow { state, ..next(&rows[1]) };
    store.commit(replace(&rows[1], deleted.clone())).await.unwrap();
    let [a, b, c] = [rows[0].clone(), deleted, rows[2].clone()];

    let default = KeyFilter::default;
    let one = PageSize::new(1).unwrap();
    let page = store.key_list(&default(), None, one).await.unwrap();
    assert_eq!(page.items, std::slice::from_ref(&a));
    let page = store.key_list(&default(), page.next.as_ref(), one).await.unwrap();
    assert_eq!((page.items, page.next), (vec![c.clone()], None), "a deleted key fills no page");
    let by_name = default().name(b.id.name.clone());
    let page = store.key_list(&by_name, None, one).await.unwrap();
    assert_eq!((page.items, page.next), (vec![], None));

    for (filter, rows) in [(default(), vec![a, b.clone(), c]), (by_name, vec![b.clone()])] {
        let filter = filter.with_deleted();
        let page = store.key_list(&filter, None, PageSize::default()).await.unwrap();
        assert_eq!(page.items, rows);
    }
    let found = store.key_find(&b.id).await.unwrap().map(|found| found.0);
    assert_eq!(found, Some(b), "its row is there until it is purged");
}

/// Walks through all pages, and compares with what the test itself sorts and filters.
async fn check(store: &SharedStore, rows: &[KeyRow], filter: &KeyFilter, size: usize) {
    let expected = expected(rows, filter);
    let page_size = PageSize::new(u16::try_from(size).unwrap()).unwrap();
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = store.key_list(filter, after.as_ref(), page_size).await.unwrap();
        let left = expected.len() - listed.len();
        assert_eq!(page.items.len(), left.min(size), "{filter:?}, pages of {size}: a short page");
        assert_eq!(page.next.is_some(), left > size, "{filter:?}, pages of {size}: the last page");
        listed.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let ids = |rows: &[KeyRow]| rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&listed), ids(&expected), "{filter:?}, pages of {size}");
    assert_eq!(listed, expected, "{filter:?}, pages of {size}: the rows are not the same");
}

fn expected(rows: &[KeyRow], filter: &KeyFilter) -> Vec<KeyRow> {
    let wanted = |row: &&KeyRow| {
        row.id.tenant == filter.tenant
            && filter.owner.as_ref().is_none_or(|owner| *owner == row.id.owner)
            && filter.service.as_ref().is_none_or(|service| *service == row.id.service)
            && filter.name.as_ref().is_none_or(|name| *name == row.id.name)
            && (filter.deleted || !matches!(row.state, KeyState::Deleted { .. }))
    };
    let mut rows: Vec<_> = rows.iter().filter(wanted).cloned().collect();
    rows.sort_by(|a, b| parts(&a.id).cmp(&parts(&b.id)));
    rows
}

/// The order of the contract, spelled without [`KeyId::path`].
fn parts(id: &KeyId) -> [&[u8]; 4] {
    [id.service.as_str(), id.owner.kind(), id.owner.id(), id.name.as_str()].map(str::as_bytes)
}

fn many_keys() -> Vec<KeyRow> {
    let mut rows = Vec::new();
    for tenant in TENANTS {
        for service in SERVICES {
            for owner in owners() {
                for name in NAMES {
                    let number = u32::try_from(rows.len()).unwrap();
                    // One tenant has all of them, the others some.
                    let some = (service.len() + owner.id().len() + name.len()) % 4 == 0;
                    if *tenant != TENANTS[0] && !some {
                        continue;
                    }
                    let id = KeyId {
                        tenant: Tenant::new(tenant).unwrap(),
                        owner: owner.clone(),
                        service: Service::new(service).unwrap(),
                        name: KeyName::new(name).unwrap(),
                    };
                    let state = match number % 7 {
                        2 => KeyState::Inactive,
                        4 => KeyState::Deleted { purge_at: Micros(9_000) },
                        _ => KeyState::Active,
                    };
                    rows.push(KeyRow { state, ..key(id, record(number + 1)) });
                }
            }
        }
    }
    // Not in the order in which they are listed.
    rows.sort_by_key(|row| row.record.as_u128().wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0xffff_ffff);
    rows
}

fn owners() -> Vec<Owner> {
    let id = |id: &str| OwnerId::new(id).unwrap();
    let mut owners = vec![Owner::Global];
    for owner in ["A", "a", "a b", "a/b", "aa", "b", "global", "~"] {
        owners.push(Owner::User(id(owner)));
        owners.push(Owner::Team(id(owner)));
    }
    owners
}

/// Each of them, and none.
fn some<T>(values: impl IntoIterator<Item = T>) -> Vec<Option<T>> {
    std::iter::once(None).chain(values.into_iter().map(Some)).collect()
}

//! System records.

use super::SharedStore;
use super::sample::{number, system};
use crate::model::KeyFilter;
use crate::model::PageSize;
use crate::store::{Change, Expect, SystemRow};

/// Rule 15.
pub async fn system_records_are_per_tenant(store: &SharedStore) {
    let tenants = ["default", "Default", "default.", "other", "%", "sentinel"];
    let names = ["sentinel", "row-mac", "row_mac", "row.mac", "default"];
    let rows: Vec<_> = tenants
        .iter()
        .flat_map(|tenant| names.iter().map(move |name| system(tenant, name, 1)))
        .collect();
    let expect = |row: &SystemRow, version| Expect::System {
        tenant: row.tenant.clone(),
        name: row.name.clone(),
        version,
    };
    let find = async |row: &SystemRow| store.system_find(&row.tenant, &row.name).await.unwrap();

    for row in &rows {
        assert_eq!(find(row).await, None, "{} of {} before its time", row.name, row.tenant);
        let change = Change {
            expect: vec![expect(row, None)],
            system: vec![row.clone()],
            ..Change::default()
        };
        store.commit(change).await.unwrap();
    }
    for row in &rows {
        assert_eq!(find(row).await.as_ref(), Some(row));
    }

    // One changes, the others stay.
    let old = &rows[1];
    let new = SystemRow { version: number(2), ..system("default", "row-mac", 7) };
    assert_eq!((&new.tenant, &new.name), (&old.tenant, &old.name));
    let change = Change {
        expect: vec![expect(old, Some(old.version))],
        system: vec![new.clone()],
        ..Change::default()
    };
    store.commit(change).await.unwrap();
    for row in &rows {
        let expected = if row == old { &new } else { row };
        assert_eq!(find(row).await.as_ref(), Some(expected));
    }
    let page = store.key_list(&KeyFilter::default(), None, PageSize::default()).await.unwrap();
    assert_eq!(page.items, vec![], "a system record is not a key");
}

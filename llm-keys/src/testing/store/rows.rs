//! Rows: in, out, and gone.

use super::SharedStore;
use super::sample::{id, insert, key, number, purge, record, system, version};
use crate::clock::Micros;
use crate::envelope::Envelope;
use crate::model::{
    Actor, Days, Hint, KeyFilter, KeyRow, KeyState, Labels, PageSize, Reason, RowMac, SystemName,
    TemplateRef, Tenant, VersionRow, VersionState,
};
use crate::store::{Change, Expect, SystemRow};

/// Text that breaks a storage which quotes, cuts or recodes.
const AWKWARD: &str = "é 漢字 🔑 'single' \"double\" `back` \\slash %s {0} $1 ; -- <b>&amp;";

/// Rule 1.
pub async fn missing_is_none(store: &SharedStore) {
    let (tenant, name) = (Tenant::default(), SystemName::new("sentinel").unwrap());
    assert_eq!(store.key_find(&id("a")).await.unwrap(), None);
    assert_eq!(store.version_find(record(1), number(1)).await.unwrap(), None);
    assert_eq!(store.system_find(&tenant, &name).await.unwrap(), None);
    let page = store.key_list(&KeyFilter::default(), None, PageSize::default()).await.unwrap();
    assert_eq!((page.items, page.next), (Vec::new(), None));

    // With neighbours it is the same.
    let row = key(id("a"), record(1));
    store.commit(insert(std::slice::from_ref(&row))).await.unwrap();
    assert_eq!(store.key_find(&id("b")).await.unwrap(), None);
    assert_eq!(store.version_find(row.record, number(2)).await.unwrap(), None);
    assert_eq!(store.version_find(record(2), number(1)).await.unwrap(), None);
}

/// Rule 2.
pub async fn rows_come_back_equal(store: &SharedStore) {
    let plain = key(id("plain"), record(1));
    let full = full_key();
    let empty = KeyRow { current: None, latest: None, ..key(id("empty"), record(3)) };
    let edge = KeyRow {
        state: KeyState::Deleted { purge_at: Micros(i64::MAX) },
        generation: i64::MAX.unsigned_abs(),
        created_at: Micros(i64::MIN),
        updated_at: Micros(-1),
        ..key(id("edge"), record(4))
    };
    let mut versions = full_versions(&full);
    versions.extend([version(&plain, 1), version(&edge, 1)]);
    let system = SystemRow {
        envelope: Envelope::from_bytes(vec![0; 54_000]),
        updated_at: Micros(i64::MAX),
        mac: Some(RowMac(vec![0xff; 32])),
        ..system("default", "sentinel", u32::MAX)
    };
    let (tenant, name) = (system.tenant.clone(), system.name.clone());
    let rows = [plain, full, empty, edge];
    let mut change = insert(&rows);
    change.versions.clone_from(&versions);
    let absent = Expect::System { tenant: tenant.clone(), name: name.clone(), version: None };
    change.expect.push(absent);
    change.system.push(system.clone());
    store.commit(change).await.unwrap();

    for row in &rows {
        let current = row.current.and_then(|current| {
            versions.iter().find(|v| v.record == row.record && v.version == current).cloned()
        });
        assert_eq!(store.key_find(&row.id).await.unwrap(), Some((row.clone(), current)));
    }
    for version in &versions {
        let found = store.version_find(version.record, version.version).await.unwrap();
        assert_eq!(found.as_ref(), Some(version));
    }
    assert_eq!(store.system_find(&tenant, &name).await.unwrap(), Some(system));
    let filter = KeyFilter::default().with_deleted();
    let mut listed = store.key_list(&filter, None, PageSize::default()).await.unwrap().items;
    listed.sort_by_key(|row| row.record);
    assert_eq!(listed, rows, "a listing gives whole rows, too");

    // And what replaces them does, with nothing of the old row left behind.
    for (old, new) in [(&rows[1], &rows[0]), (&rows[0], &rows[1])] {
        let (now, _) = store.key_find(&old.id).await.unwrap().unwrap();
        let new = KeyRow {
            id: now.id.clone(),
            record: now.record,
            generation: now.generation + 1,
            last_used_at: now.last_used_at,
            ..new.clone()
        };
        let unchanged = Expect::Generation { record: now.record, generation: now.generation };
        let keys = vec![new.clone()];
        let change = Change { expect: vec![unchanged], keys, ..Change::default() };
        store.commit(change).await.unwrap();
        assert_eq!(store.key_find(&old.id).await.unwrap().map(|found| found.0), Some(new));
    }
}

/// Rule 11.
pub async fn purge_takes_everything(store: &SharedStore) {
    let rows = [key(id("a"), record(1)), key(id("b"), record(2)), key(id("c"), record(3))];
    let mut change = insert(&rows);
    change.versions.extend(rows.iter().flat_map(|row| [version(row, 2), version(row, 3)]));
    store.commit(change).await.unwrap();
    let [a, b, c] = &rows;

    let mut both = purge(a);
    both.expect.extend(purge(c).expect);
    both.purge.push(c.record);
    store.commit(both).await.unwrap();
    for gone in [a, c] {
        assert_eq!(store.key_find(&gone.id).await.unwrap(), None);
        for version in 1..=3 {
            assert_eq!(store.version_find(gone.record, number(version)).await.unwrap(), None);
        }
    }
    for kept in 1..=3 {
        let found = store.version_find(b.record, number(kept)).await.unwrap();
        assert_eq!(found, Some(version(b, kept)));
    }
    let filter = KeyFilter::default().with_deleted();
    let listed = store.key_list(&filter, None, PageSize::default()).await.unwrap().items;
    assert_eq!(listed, std::slice::from_ref(b));

    // The id is free for another record, and nothing of the old one comes back with it.
    let again = key(a.id.clone(), record(4));
    store.commit(insert(std::slice::from_ref(&again))).await.unwrap();
    let found = store.key_find(&a.id).await.unwrap();
    assert_eq!(found, Some((again.clone(), Some(version(&again, 1)))));
    assert_eq!(store.version_find(again.record, number(2)).await.unwrap(), None);
}

/// Every column filled, with the longest and oddest values it may have.
fn full_key() -> KeyRow {
    let long = "x".repeat(63);
    let mut row = key(id(&long), record(2));
    row.state = KeyState::Inactive;
    row.current = Some(number(3));
    row.latest = Some(number(u32::MAX));
    row.generation = 1 << 53;
    let setting = |n: u32| (format!("field {n} {AWKWARD}"), format!("{AWKWARD}\n\t{n}"));
    row.settings.0 = (0..20).map(setting).chain([(String::new(), String::new())]).collect();
    row.template = Some(TemplateRef(format!("proxmox@1 {AWKWARD}")));
    row.labels = Labels::default();
    for n in 0..Labels::MAX {
        let value = if n == 0 { "🔑".repeat(255) } else { AWKWARD.to_owned() };
        row.labels.insert(&format!("a._/-{n}"), &value).unwrap();
    }
    row.hint = Hint::from_column("'\"\\%");
    row.expires_at = Some(Micros(4_102_444_800_000_001));
    row.rotate_every = Some(Days(u32::MAX));
    row.due_at = Some(Micros(4_102_444_800_000_000));
    row.due_told = Some(Micros(i64::MAX));
    row.kept = "1:1,2:9007199254740993,4294967295:9223372036854775807".parse().unwrap();
    row.created_at = Micros(1_700_000_000_123_456);
    row.updated_at = Micros(1_700_000_000_123_457);
    row.last_used_at = Some(Micros(1_700_000_000_123_458));
    row.mac = Some(RowMac((0..=255).collect()));
    row
}

/// One version in each state.
fn full_versions(row: &KeyRow) -> Vec<VersionRow> {
    let states = [
        VersionState::Pending,
        VersionState::Retiring { until: Micros(1_700_000_000_000_001) },
        VersionState::Live,
        VersionState::Retired,
        VersionState::Shredded,
    ];
    let mut all: Vec<_> = (1..=5).map(|number| version(row, number)).collect();
    for (version, state) in all.iter_mut().zip(states) {
        version.state = state;
        version.last_used_at = Some(Micros(i64::from(version.version.get())));
    }
    let every_byte = (0..54_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    all[2].envelope = Some(Envelope::from_bytes(every_byte));
    all[2].by = Actor::new("é".repeat(127)).unwrap();
    all[2].reason = Some(Reason::new(AWKWARD).unwrap());
    all[2].mac = Some(RowMac(vec![0; 32]));
    all[4].envelope = None;
    all
}

//! What must hold for a change to be made, and that nothing is made where it does not.

use super::SharedStore;
use super::sample::{
    World, id, key, next, number, purge, record, refused, replace, system, version,
};
use crate::clock::Micros;
use crate::error::ErrorKind;
use crate::model::{KeyRow, KeyState, SystemName, Tenant, VersionRow, VersionState};
use crate::store::{Change, Expect};

/// Rule 3.
pub async fn absent_conflicts(store: &SharedStore) {
    let world = World::lay(store).await;
    let taken = |row: &KeyRow| Expect::Absent(row.id.clone());

    let mut change = world.everything();
    change.expect.push(taken(&world.kept));
    refused(store, &change, ErrorKind::Conflict, "the id is taken").await;
    change.expect.rotate_right(1);
    refused(store, &change, ErrorKind::Conflict, "whatever the order").await;
    let bare = Change { expect: vec![taken(&world.kept)], ..Change::default() };
    refused(store, &bare, ErrorKind::Conflict, "even without a write").await;

    let deleted = KeyState::Deleted { purge_at: Micros(9_000) };
    let row = KeyRow { state: deleted, ..next(&world.doomed) };
    store.commit(replace(&world.doomed, row.clone())).await.unwrap();
    let bare = Change { expect: vec![taken(&row)], ..Change::default() };
    refused(store, &bare, ErrorKind::Conflict, "a deleted key is there until its purge").await;

    let mut change = World { doomed: row, ..world }.everything();
    change.expect.push(Expect::Absent(id("nobody")));
    store.commit(change).await.expect("the same change goes through where all holds");
}

/// Rule 4.
pub async fn stale_expectations_conflict(store: &SharedStore) {
    let world = World::lay(store).await;
    // Two versions, the second shredded, to compare envelopes with.
    let row = next(&world.kept);
    let shredded = VersionRow { state: VersionState::Shredded, envelope: None, ..version(&row, 2) };
    let mut change = replace(&world.kept, row.clone());
    change.versions.push(shredded);
    store.commit(change).await.unwrap();
    let world = World { kept: row, ..world };

    let hash = |n| version(&world.kept, n).envelope.map(|e| e.hash()).unwrap();
    let generation = |record, generation| Expect::Generation { record, generation };
    let envelope =
        |n, hash| Expect::Envelope { record: world.kept.record, version: number(n), hash };
    let system = |tenant: &str, name: &str, version| Expect::System {
        tenant: Tenant::new(tenant).unwrap(),
        name: SystemName::new(name).unwrap(),
        version,
    };
    let mut flipped = hash(1);
    flipped[31] ^= 1;
    let stale = [
        ("an older generation", generation(world.kept.record, 1)),
        ("a newer generation", generation(world.kept.record, 3)),
        ("the generation of an unknown record", generation(record(99), 1)),
        ("generation 0 of an unknown record", generation(record(99), 0)),
        ("one bit of the hash", envelope(1, flipped)),
        ("the hash of another version", envelope(1, hash(2))),
        ("the envelope of a shredded version", envelope(2, hash(2))),
        ("the envelope of a missing version", envelope(3, hash(1))),
        ("a system record that is there", system("default", "sentinel", None)),
        ("an older system record", system("default", "sentinel", Some(number(2)))),
        ("a system record that is missing", system("default", "other", Some(number(1)))),
        ("another tenant's system record", system("other", "sentinel", Some(number(1)))),
    ];
    for (why, expect) in stale {
        let mut change = world.everything();
        change.expect.push(expect.clone());
        refused(store, &change, ErrorKind::Conflict, why).await;
        let bare = Change { expect: vec![expect], ..Change::default() };
        refused(store, &bare, ErrorKind::Conflict, why).await;
    }

    let mut change = world.everything();
    change.expect.extend([envelope(1, hash(1)), system("default", "other", None)]);
    store.commit(change).await.expect("the same change goes through where all holds");

    // An envelope is swapped on the strength of its hash alone, once.
    let new = VersionRow { envelope: version(&world.kept, 3).envelope, ..version(&world.kept, 1) };
    let swap = Change {
        expect: vec![envelope(1, hash(1))],
        versions: vec![new.clone()],
        ..Change::default()
    };
    store.commit(swap.clone()).await.unwrap();
    assert_eq!(store.version_find(new.record, new.version).await.unwrap(), Some(new));
    refused(store, &swap, ErrorKind::Conflict, "the envelope was swapped already").await;
}

/// Rule 5.
pub async fn uncovered_writes_are_refused(store: &SharedStore) {
    let world = World::lay(store).await;
    let (kept, doomed) = (&world.kept, &world.doomed);
    let new = key(id("new"), record(3));
    let absent = |row: &KeyRow| Expect::Absent(row.id.clone());
    let same = |row: &KeyRow| Expect::Generation { record: row.record, generation: row.generation };
    let with_keys =
        |expect, row: &KeyRow| Change { expect, keys: vec![row.clone()], ..Change::default() };
    let with_version =
        |expect, row: VersionRow| Change { expect, versions: vec![row], ..Change::default() };
    let with_system = |expect| Change {
        expect,
        system: vec![system("default", "sentinel", 2)],
        ..Change::default()
    };
    let of_system = |tenant: &str, name: &str| Expect::System {
        tenant: Tenant::new(tenant).unwrap(),
        name: SystemName::new(name).unwrap(),
        version: None,
    };
    let first = Expect::Envelope {
        record: kept.record,
        version: number(1),
        hash: version(kept, 1).envelope.map(|e| e.hash()).unwrap(),
    };
    let nobody = key(id("nobody"), record(4));
    let uncovered = [
        ("a new key", with_keys(vec![], &new)),
        ("a replaced key", with_keys(vec![], &next(kept))),
        ("a key beside another id", with_keys(vec![absent(&nobody)], &new)),
        ("a key beside another record", with_keys(vec![same(doomed)], &next(kept))),
        ("a key beside an envelope", with_keys(vec![first.clone()], &next(kept))),
        ("a version", with_version(vec![], version(kept, 1))),
        ("a version of another key", with_version(vec![same(doomed)], version(kept, 1))),
        ("a version beside an id alone", with_version(vec![absent(&new)], version(&new, 1))),
        ("another version's envelope", with_version(vec![first], version(kept, 2))),
        ("a purge", Change { expect: vec![], ..purge(doomed) }),
        ("a purge beside another record", Change { expect: vec![same(kept)], ..purge(doomed) }),
        ("a system record", with_system(vec![])),
        ("another system name", with_system(vec![of_system("default", "other")])),
        ("another system tenant", with_system(vec![of_system("other", "sentinel")])),
    ];
    for (why, change) in uncovered {
        refused(store, &change, ErrorKind::InvalidInput, why).await;
    }
    store.commit(world.everything()).await.expect("covered writes go through");
}

/// Rule 21.
pub async fn a_purged_key_makes_room(store: &SharedStore) {
    let world = World::lay(store).await;
    let (old, new) = (&world.kept, key(world.kept.id.clone(), record(77)));
    let generation =
        |row: &KeyRow| Expect::Generation { record: row.record, generation: row.generation };
    let change = Change {
        expect: vec![Expect::Absent(new.id.clone()), generation(old)],
        keys: vec![new.clone()],
        versions: vec![version(&new, 1)],
        purge: vec![old.record],
        ..Change::default()
    };
    let other = Change {
        expect: vec![Expect::Absent(new.id.clone()), generation(&world.doomed)],
        purge: vec![world.doomed.record],
        ..change.clone()
    };
    refused(store, &other, ErrorKind::Conflict, "another key's purge makes no room").await;
    store.commit(change).await.unwrap();
    let (found, current) = store.key_find(&new.id).await.unwrap().unwrap();
    assert_eq!((&found, current), (&new, Some(version(&new, 1))));
    assert_eq!(store.version_list(old.record).await.unwrap(), []);
}

//! Rows to store, and a look at everything a change could touch.

use std::sync::Arc;

use uuid::Uuid;

use crate::clock::Micros;
use crate::envelope::Envelope;
use crate::error::ErrorKind;
use crate::event::{Action, Event, Outcome};
use crate::model::{
    Actor, Caller, Kept, KeyFilter, KeyId, KeyRow, KeyState, Labels, PageSize, Seq, Settings,
    SystemName, Tenant, Version, VersionRow, VersionState,
};
use crate::store::{Change, Expect, KeyStore, SystemRow};

/// Some record, always the same for the same number.
pub(super) fn record(number: u32) -> Uuid {
    Uuid::from_u128(0x4c4b_4531_0000_4000_8000_0000_0000_0000 | u128::from(number))
}

pub(super) fn number(version: u32) -> Version {
    Version::new(version).expect("versions start at 1")
}

pub(super) fn id(name: &str) -> KeyId {
    KeyId::user("alice", "openai").and_then(|id| id.with_name(name)).expect("a valid name")
}

/// Version `version`, written at generation 1.
pub(super) fn kept(version: u32) -> Kept {
    let mut kept = Kept::default();
    kept.set(number(version), 1);
    kept
}

/// An active key whose current version is 1.
pub(super) fn key(id: KeyId, record: Uuid) -> KeyRow {
    KeyRow {
        id,
        record,
        state: KeyState::Active,
        current: Some(Version::FIRST),
        latest: Some(Version::FIRST),
        generation: 1,
        kept: kept(1),
        settings: Settings::default(),
        template: None,
        labels: Labels::default(),
        hint: None,
        expires_at: None,
        rotate_every: None,
        due_at: None,
        due_told: None,
        created_at: Micros(1_000),
        updated_at: Micros(1_000),
        last_used_at: None,
        mac: None,
    }
}

/// A live version of `row`, with an envelope like no other version's.
pub(super) fn version(row: &KeyRow, version: u32) -> VersionRow {
    let envelope = [row.record.as_bytes(), version.to_be_bytes().as_slice()].concat();
    VersionRow {
        record: row.record,
        version: number(version),
        generation: row.generation,
        state: VersionState::Live,
        envelope: Some(Envelope::from_bytes(envelope)),
        rewrap: version.is_multiple_of(2),
        by: Actor::new("test").expect("a valid actor"),
        reason: None,
        created_at: Micros(1_000),
        last_used_at: None,
        mac: None,
    }
}

pub(super) fn system(tenant: &str, name: &str, version: u32) -> SystemRow {
    let tenant = Tenant::new(tenant).expect("a valid tenant");
    let name = SystemName::new(name).expect("a valid name");
    let text = format!("{tenant}\0{name}\0{version}");
    SystemRow {
        record: record(u32::try_from(text.len()).unwrap_or(0)),
        version: number(version),
        envelope: Envelope::from_bytes(text.into_bytes()),
        created_at: Micros(1_000),
        updated_at: Micros(1_000),
        mac: None,
        tenant,
        name,
    }
}

pub(super) fn event(key: &KeyId, at: i64) -> Event {
    let (key, caller) = (Arc::new(key.clone()), Arc::new(Caller::default()));
    Event::new(Micros(at), Action::KeyStore, key, caller, Outcome::Ok).of(record(1), None)
}

/// New keys, each with its version 1.
pub(super) fn insert(rows: &[KeyRow]) -> Change {
    Change {
        expect: rows.iter().map(|row| Expect::Absent(row.id.clone())).collect(),
        keys: rows.to_vec(),
        versions: rows.iter().map(|row| version(row, 1)).collect(),
        ..Change::default()
    }
}

/// That `row` is stored as it is here.
pub(super) fn unchanged(row: &KeyRow) -> Expect {
    Expect::Generation { record: row.record, generation: row.generation }
}

/// `row` as a next writer would store it.
pub(super) fn next(row: &KeyRow) -> KeyRow {
    KeyRow {
        generation: row.generation + 1,
        updated_at: Micros(row.updated_at.0 + 1),
        ..row.clone()
    }
}

/// Replaces `old`.
pub(super) fn replace(old: &KeyRow, new: KeyRow) -> Change {
    Change { expect: vec![unchanged(old)], keys: vec![new], ..Change::default() }
}

pub(super) fn purge(row: &KeyRow) -> Change {
    Change { expect: vec![unchanged(row)], purge: vec![row.record], ..Change::default() }
}

/// The row as the store has it.
pub(super) async fn found(store: &dyn KeyStore, id: &KeyId) -> KeyRow {
    let found = store.key_find(id).await.unwrap();
    found.unwrap_or_else(|| panic!("the key {id} is not there")).0
}

/// A store with two keys and a system record in it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) kept: KeyRow,
    pub(super) doomed: KeyRow,
    pub(super) system: SystemRow,
}

impl World {
    pub(super) async fn lay(store: &dyn KeyStore) -> Self {
        let kept = key(id("kept"), record(1));
        let doomed = key(id("doomed"), record(2));
        let system = system("default", "sentinel", 1);
        let name = (system.tenant.clone(), system.name.clone());
        let mut change = insert(&[kept.clone(), doomed.clone()]);
        change.expect.push(Expect::System { tenant: name.0, name: name.1, version: None });
        change.system.push(system.clone());
        change.events.push(event(&kept.id, 1));
        store.commit(change).await.unwrap();
        Self { kept, doomed, system }
    }

    /// A change that does a bit of everything, and whose expectations all hold.
    pub(super) fn everything(&self) -> Change {
        let new = key(id("new"), record(3));
        let system = SystemRow { version: number(2), ..self.system.clone() };
        Change {
            expect: vec![
                Expect::Absent(new.id.clone()),
                unchanged(&self.kept),
                unchanged(&self.doomed),
                Expect::System {
                    tenant: system.tenant.clone(),
                    name: system.name.clone(),
                    version: Some(self.system.version),
                },
            ],
            versions: vec![version(&new, 1), version(&self.kept, 2)],
            keys: vec![new, next(&self.kept)],
            purge: vec![self.doomed.record],
            system: vec![system],
            events: vec![event(&self.kept.id, 2)],
        }
    }
}

/// What is stored, as far as `change` and [`World`] could have touched it.
#[derive(PartialEq, Debug)]
pub(super) struct Contents {
    keys: Vec<KeyRow>,
    versions: Vec<VersionRow>,
    system: Vec<SystemRow>,
    head: Seq,
    events: Vec<(Seq, String)>,
}

impl Contents {
    pub(super) async fn of(store: &dyn KeyStore, change: &Change) -> Self {
        let all = PageSize::new(PageSize::MAX).unwrap();
        let filter = KeyFilter::default().with_deleted();
        let keys = store.key_list(&filter, None, all).await.unwrap().items;
        let mut records: Vec<_> = (keys.iter().chain(&change.keys).map(|row| row.record))
            .chain(change.versions.iter().map(|row| row.record))
            .chain(change.purge.iter().copied())
            .collect();
        records.sort_unstable();
        records.dedup();
        let mut versions = Vec::new();
        for record in records {
            for version in 1..=3 {
                versions.extend(store.version_find(record, number(version)).await.unwrap());
            }
        }
        let mut system = Vec::new();
        for row in &change.system {
            system.extend(store.system_find(&row.tenant, &row.name).await.unwrap());
        }
        let head = store.changes_since(Seq(0)).await.unwrap().head;
        let events = store.events_since(Seq(0), all).await.unwrap();
        Self { keys, versions, system, head, events }
    }
}

/// Commits `change`, which must be refused as `kind` and leave everything as it was.
pub(super) async fn refused(store: &dyn KeyStore, change: &Change, kind: ErrorKind, why: &str) {
    let before = Contents::of(store, change).await;
    let answer = store.commit(change.clone()).await;
    assert_eq!(answer.as_ref().map_err(crate::Error::kind), Err(kind), "{why}: {answer:?}");
    assert_eq!(Contents::of(store, change).await, before, "{why}: something of it was made");
}

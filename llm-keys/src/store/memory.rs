//! The reference store: everything in maps under one lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    Change, Changes, Expect, Hinter, Hints, KeyStore, ScannedKey, StoreCapabilities, SystemRow, Use,
};
use crate::clock::Micros;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Cursor, KeyFilter, KeyId, KeyRow, KeyState, Page, PageSize, Seq, SystemName, Tenant, Version,
    VersionRow,
};

/// A store that lives in this process and is gone with it: for tests, trials, and as the example
/// of what every other store must do.
///
/// It keeps all keys, and of the rest only as much as it must: the feed of changes reaches back
/// over the last [`FEED_LEN`](Self::FEED_LEN) written or purged keys, and the last
/// [`EVENTS_LEN`](Self::EVENTS_LEN) events can be read. A program that needs all its events gives
/// the manager a sink that keeps them.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    hinter: Hinter,
}

impl MemoryStore {
    /// How many written or purged keys the feed of changes holds.
    pub const FEED_LEN: usize = 10_000;

    /// How many events can be read back.
    pub const EVENTS_LEN: usize = 10_000;

    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// No step below can stop half-way through a change, so a lock that was poisoned by a panic
    /// guards a sound state all the same.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} keys)", self.state().keys.len())
    }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn key_find(&self, id: &KeyId) -> Result<Option<(KeyRow, Option<VersionRow>)>> {
        let state = self.state();
        Ok(state.keys.get(&place(id)).map(|row| {
            let current = row.current.and_then(|version| state.version(row.record, version));
            (row.clone(), current.cloned())
        }))
    }

    async fn version_find(&self, record: Uuid, version: Version) -> Result<Option<VersionRow>> {
        Ok(self.state().version(record, version).cloned())
    }

    async fn version_list(&self, record: Uuid) -> Result<Vec<VersionRow>> {
        let state = self.state();
        let versions = state.versions.get(&record);
        Ok(versions.map(|all| all.values().cloned().collect()).unwrap_or_default())
    }

    async fn version_scan(
        &self,
        after: Option<(Uuid, Version)>,
        size: PageSize,
    ) -> Result<Vec<(KeyRow, VersionRow)>> {
        let state = self.state();
        let from = after.map_or(Uuid::nil(), |(record, _)| record);
        let rows = state.versions.range(from..).flat_map(|(_, versions)| versions.values());
        let rows = rows.filter(|row| after.is_none_or(|after| (row.record, row.version) > after));
        let rows = rows.filter(|row| row.envelope.is_some());
        let with_key = rows.filter_map(|row| {
            let key = state.records.get(&row.record).and_then(|place| state.keys.get(place))?;
            Some((key.clone(), row.clone()))
        });
        Ok(with_key.take(size.get().into()).collect())
    }

    async fn key_due(
        &self,
        before: Micros,
        after: Option<(Micros, Uuid)>,
        size: PageSize,
    ) -> Result<Vec<KeyRow>> {
        let state = self.state();
        let mut due: Vec<_> = state
            .keys
            .values()
            .filter_map(|row| Some(((row.due_at?, row.record), row)))
            .filter(|(at, _)| at.0 < before && after.is_none_or(|after| *at > after))
            .collect();
        due.sort_unstable_by_key(|(at, _)| *at);
        Ok(due.into_iter().take(size.get().into()).map(|(_, row)| row.clone()).collect())
    }

    async fn key_scan(&self, after: Option<&str>, size: PageSize) -> Result<Vec<ScannedKey>> {
        let state = self.state();
        // In the order of their bytes, which is the order of their texts.
        let later = state.records.iter().filter_map(|(record, place)| {
            let text = record.hyphenated().to_string();
            let row = state.keys.get(place)?;
            after.is_none_or(|after| text.as_str() > after).then(|| ScannedKey {
                place: text,
                name: row.id.to_string(),
                row: Ok(row.clone()),
            })
        });
        Ok(later.take(size.get().into()).collect())
    }

    async fn system_list(&self) -> Result<Vec<SystemRow>> {
        Ok(self.state().system.values().cloned().collect())
    }

    async fn key_list(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyRow>> {
        let state = self.state();
        // No path is empty, so this is before the tenant's first key.
        let start =
            (filter.tenant.clone(), after.map_or_else(String::new, |c| c.path().to_owned()));
        let mut found = state
            .keys
            .range((Excluded(start), Unbounded))
            .take_while(|((tenant, _), _)| *tenant == filter.tenant)
            .map(|(_, row)| row)
            .filter(|row| matches(filter, row));
        let items: Vec<_> = found.by_ref().take(size.get().into()).cloned().collect();
        let next = found.next().and_then(|_| items.last()).map(|row| Cursor::after(&row.id));
        Ok(Page { items, next })
    }

    async fn commit(&self, change: Change) -> Result<()> {
        change.check_covered()?;
        let events = change
            .events
            .iter()
            .map(serde_json::to_string)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| {
                Error::new(ErrorKind::Internal, OP, "an event does not fit JSON").with_source(error)
            })?;
        let mut state = self.state();
        state.check(&change)?;
        let before = state.feed_head;
        state.apply(change);
        state.record(events);
        if state.feed_head != before {
            self.hinter.tell();
        }
        Ok(())
    }

    async fn touch(&self, uses: &[Use]) -> Result<()> {
        let mut state = self.state();
        for one in uses {
            if let Some(row) = state.key_of(one.record) {
                forward(&mut row.last_used_at, one.at);
            }
            let versions = state.versions.get_mut(&one.record);
            if let Some(row) = versions.and_then(|all| all.get_mut(&one.version)) {
                forward(&mut row.last_used_at, one.at);
            }
        }
        Ok(())
    }

    async fn system_find(&self, tenant: &Tenant, name: &SystemName) -> Result<Option<SystemRow>> {
        Ok(self.state().system.get(&(tenant.clone(), name.clone())).cloned())
    }

    async fn changes_since(&self, since: Seq) -> Result<Changes> {
        let state = self.state();
        // A caller ahead of us stood in the feed of another store: it knows nothing of this one.
        let complete = state.feed_floor <= since && since <= state.feed_head;
        let named: BTreeSet<_> = state
            .feed
            .iter()
            .filter(|(at, _)| !complete || *at > since)
            .map(|(_, id)| id.clone())
            .collect();
        Ok(Changes { head: state.feed_head, keys: named.into_iter().collect(), complete })
    }

    fn hints(&self) -> Option<Hints> {
        Some(self.hinter.subscribe())
    }

    async fn events_since(&self, since: Seq, limit: PageSize) -> Result<Vec<(Seq, String)>> {
        let state = self.state();
        let after = state.events.iter().filter(|(at, _)| *at > since);
        Ok(after.take(limit.get().into()).cloned().collect())
    }

    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities::IN_PROCESS.with_hints()
    }
}

const OP: &str = "store.commit";

/// Tenant and path: where a key stands in the order of a listing.
type Place = (Tenant, String);

#[derive(Default)]
struct State {
    keys: BTreeMap<Place, KeyRow>,
    /// Where the key of a record stands.
    records: BTreeMap<Uuid, Place>,
    versions: BTreeMap<Uuid, BTreeMap<Version, VersionRow>>,
    system: BTreeMap<(Tenant, SystemName), SystemRow>,
    /// Written and purged keys, each with the position of its commit, oldest first.
    feed: VecDeque<(Seq, KeyId)>,
    /// The position of the last commit that touched keys.
    feed_head: Seq,
    /// The position up to which the feed was forgotten.
    feed_floor: Seq,
    events: VecDeque<(Seq, String)>,
    events_head: Seq,
}

impl State {
    /// Everything that can stop a change, so that nothing stops [`apply`](Self::apply).
    fn check(&self, change: &Change) -> Result<()> {
        if !change.expect.iter().all(|expect| self.holds(expect, &change.purge)) {
            return Err(conflict("the key changed meanwhile"));
        }
        let (mut places, mut records) = (BTreeSet::new(), BTreeSet::new());
        for row in &change.keys {
            let replaces = change
                .expect
                .iter()
                .any(|e| matches!(e, Expect::Generation { record, .. } if *record == row.record));
            let taken = self
                .keys
                .get(&place(&row.id))
                .is_some_and(|old| old.record != row.record && !change.purge.contains(&old.record));
            if taken || !replaces && self.records.contains_key(&row.record) {
                return Err(conflict("another key has this id or this record"));
            }
            if !places.insert(place(&row.id)) || !records.insert(row.record) {
                return Err(conflict("the change writes one key twice"));
            }
        }
        Ok(())
    }

    fn holds(&self, expect: &Expect, purge: &[Uuid]) -> bool {
        match expect {
            Expect::Absent(id) => {
                self.keys.get(&place(id)).is_none_or(|row| purge.contains(&row.record))
            }
            Expect::Generation { record, generation } => {
                let row = self.records.get(record).and_then(|place| self.keys.get(place));
                row.is_some_and(|row| row.generation == *generation)
            }
            Expect::Envelope { record, version, hash } => {
                let row = self.version(*record, *version);
                let envelope = row.and_then(|row| row.envelope.as_ref());
                envelope.is_some_and(|envelope| envelope.hash() == *hash)
            }
            Expect::System { tenant, name, version } => {
                let row = self.system.get(&(tenant.clone(), name.clone()));
                row.map(|row| row.version) == *version
            }
        }
    }

    fn apply(&mut self, change: Change) {
        let mut touched = BTreeSet::new();
        for record in change.purge {
            touched.extend(self.remove(record).map(|row| row.id));
            self.versions.remove(&record);
        }
        for mut row in change.keys {
            if let Some(old) = self.remove(row.record) {
                row.last_used_at = old.last_used_at;
                touched.insert(old.id);
            }
            touched.insert(row.id.clone());
            self.records.insert(row.record, place(&row.id));
            self.keys.insert(place(&row.id), row);
        }
        for mut row in change.versions {
            let key = self.records.get(&row.record).and_then(|place| self.keys.get(place));
            touched.extend(key.map(|key| key.id.clone()));
            let versions = self.versions.entry(row.record).or_default();
            if let Some(old) = versions.get(&row.version) {
                row.last_used_at = old.last_used_at;
            }
            versions.insert(row.version, row);
        }
        for row in change.system {
            self.system.insert((row.tenant.clone(), row.name.clone()), row);
        }
        self.publish(touched);
    }

    fn publish(&mut self, touched: BTreeSet<KeyId>) {
        if touched.is_empty() {
            return;
        }
        self.feed_head = Seq(self.feed_head.0 + 1);
        self.feed.extend(touched.into_iter().map(|id| (self.feed_head, id)));
        while self.feed.len() > MemoryStore::FEED_LEN {
            if let Some((at, _)) = self.feed.pop_front() {
                self.feed_floor = at;
            }
        }
    }

    fn record(&mut self, events: Vec<String>) {
        for event in events {
            self.events_head = Seq(self.events_head.0 + 1);
            self.events.push_back((self.events_head, event));
        }
        let surplus = self.events.len().saturating_sub(MemoryStore::EVENTS_LEN);
        self.events.drain(..surplus);
    }

    fn version(&self, record: Uuid, version: Version) -> Option<&VersionRow> {
        self.versions.get(&record)?.get(&version)
    }

    fn key_of(&mut self, record: Uuid) -> Option<&mut KeyRow> {
        self.keys.get_mut(self.records.get(&record)?)
    }

    fn remove(&mut self, record: Uuid) -> Option<KeyRow> {
        self.keys.remove(&self.records.remove(&record)?)
    }
}

fn place(id: &KeyId) -> Place {
    (id.tenant.clone(), id.path())
}

fn matches(filter: &KeyFilter, row: &KeyRow) -> bool {
    filter.owner.as_ref().is_none_or(|owner| *owner == row.id.owner)
        && filter.service.as_ref().is_none_or(|service| *service == row.id.service)
        && filter.name.as_ref().is_none_or(|name| *name == row.id.name)
        && (filter.deleted || !matches!(row.state, KeyState::Deleted { .. }))
}

fn forward(last: &mut Option<Micros>, at: Micros) {
    *last = (*last).max(Some(at));
}

fn conflict(detail: &'static str) -> Error {
    Error::new(ErrorKind::Conflict, OP, detail)
}

#[cfg(test)]
mod tests;

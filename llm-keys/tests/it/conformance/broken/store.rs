//! Stores that each break a rule.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use llm_keys::model::{KeyRow, Seq, SystemName, VersionRow};
use llm_keys::store::{
    Change, Changes, Expect, Hinter, Hints, KeyStore, MemoryStore, ScannedKey, StoreCapabilities,
    SystemRow, Use,
};
use llm_keys::{
    Cursor, Error, ErrorKind, KeyFilter, KeyId, KeyState, Micros, Owner, OwnerId, Page, PageSize,
    Result, Tenant, Version,
};
use uuid::Uuid;

mod faults;

/// What a [`Broken`] store does wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    FailsOnMissing,
    ForgetsAHint,
    ForgetsAReason,
    SwallowsConflicts,
    ReportsOtherConflicts,
    KeepsEventsOfARefusedChange,
    LetsUncoveredWritesPass,
    LetsNobodyWin,
    FoldsCase,
    MixesOwnerKinds,
    DropsTheLastOfAPage,
    RepeatsAKey,
    SortsByName,
    IgnoresTheServiceFilter,
    AnnouncesAnEmptyPage,
    NeedsTheCursorsKey,
    ShowsDeletedKeys,
    HidesDeletedKeysForever,
    KeepsPurgedVersions,
    MovesUsesBack,
    KnowsAllRecords,
    CountsAUseAsAChange,
    LosesUsesOnReplace,
    ForgetsOneChange,
    NeverMovesTheHead,
    SharesSystemRecords,
    ReversesEvents,
    IgnoresTheEventLimit,
    ListsVersionsByText,
    ScansShreddedVersions,
    SkipsARecordInAScan,
    ScansOneTenant,
    SkipsAKeyInAScan,
    ScansNoDeletedKeys,
    ListsOneSystemRecord,
    IgnoresWhenKeysAreDue,
    HidesDueKeysOfTheSameTime,
    NeverHints,
    HintsUnannounced,
}

#[derive(Debug)]
struct Broken {
    inner: MemoryStore,
    fault: Fault,
    versions: Mutex<BTreeMap<(Uuid, Version), VersionRow>>,
    last_use: Mutex<BTreeMap<Uuid, Use>>,
    replaced: Mutex<Vec<Uuid>>,
    touches: Mutex<u64>,
    silent: Hinter,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Self {
            inner: MemoryStore::new(),
            fault,
            versions: Mutex::default(),
            last_use: Mutex::default(),
            replaced: Mutex::default(),
            touches: Mutex::default(),
            silent: Hinter::new(),
        }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// The id that this store takes `id` for.
    fn taken_for(&self, id: &KeyId) -> KeyId {
        let mut id = id.clone();
        id.owner = match id.owner {
            Owner::User(user) if self.is(Fault::FoldsCase) => {
                Owner::User(OwnerId::new(user.as_str().to_lowercase()).unwrap())
            }
            Owner::Team(team) if self.is(Fault::MixesOwnerKinds) => Owner::User(team),
            owner => owner,
        };
        id
    }

    fn twist_row(&self, mut row: KeyRow) -> KeyRow {
        if self.is(Fault::ForgetsAHint) {
            row.hint = None;
        }
        if let Some(last) = self.last_use.lock().unwrap().get(&row.record)
            && self.is(Fault::MovesUsesBack)
        {
            row.last_used_at = Some(last.at);
        }
        if self.is(Fault::LosesUsesOnReplace) && self.replaced.lock().unwrap().contains(&row.record)
        {
            row.last_used_at = None;
        }
        row
    }

    fn twist_version(&self, mut row: VersionRow) -> VersionRow {
        if self.is(Fault::ForgetsAReason) {
            row.reason = None;
        }
        row
    }
}

#[async_trait]
impl KeyStore for Broken {
    async fn key_find(&self, id: &KeyId) -> Result<Option<(KeyRow, Option<VersionRow>)>> {
        let found = self.inner.key_find(&self.taken_for(id)).await?;
        if found.is_none() && self.is(Fault::FailsOnMissing) {
            return Err(Error::new(ErrorKind::InvalidInput, "store.key_find", "no such key"));
        }
        Ok(found.map(|(row, version)| {
            (self.twist_row(row), version.map(|row| self.twist_version(row)))
        }))
    }

    async fn version_find(&self, record: Uuid, version: Version) -> Result<Option<VersionRow>> {
        let mut found = self.inner.version_find(record, version).await?;
        if found.is_none() && self.is(Fault::KeepsPurgedVersions) {
            found = self.versions.lock().unwrap().get(&(record, version)).cloned();
        }
        Ok(found.map(|row| self.twist_version(row)))
    }

    async fn version_list(&self, record: Uuid) -> Result<Vec<VersionRow>> {
        let mut found = self.inner.version_list(record).await?;
        if self.is(Fault::ListsVersionsByText) {
            found.sort_by_key(|row| row.version.to_string());
        }
        Ok(found)
    }

    async fn version_scan(
        &self,
        after: Option<(Uuid, Version)>,
        size: PageSize,
    ) -> Result<Vec<(KeyRow, VersionRow)>> {
        let mut found = self.inner.version_scan(after, size).await?;
        match self.fault {
            Fault::SkipsARecordInAScan if after.is_some() => {
                let seen = after.map(|(record, _)| record);
                found.retain(|(_, row)| Some(row.record) != seen);
            }
            Fault::ScansOneTenant => found.retain(|(key, _)| key.id.tenant == Tenant::default()),
            Fault::ScansShreddedVersions => {
                let versions = self.versions.lock().unwrap();
                let shredded = versions.values().find(|row| row.envelope.is_none());
                let with = |(key, _): &(KeyRow, VersionRow)| {
                    shredded
                        .filter(|row| row.record == key.record)
                        .map(|row| (key.clone(), row.clone()))
                };
                let more: Vec<_> = found.iter().filter_map(with).collect();
                found.extend(more);
            }
            _ => {}
        }
        Ok(found)
    }

    async fn key_due(
        &self,
        before: Micros,
        after: Option<(Micros, Uuid)>,
        size: PageSize,
    ) -> Result<Vec<KeyRow>> {
        let before = if self.is(Fault::IgnoresWhenKeysAreDue) { Micros(i64::MAX) } else { before };
        let after = match after {
            Some((due, _)) if self.is(Fault::HidesDueKeysOfTheSameTime) => Some((due, Uuid::max())),
            after => after,
        };
        self.inner.key_due(before, after, size).await
    }

    async fn key_scan(&self, after: Option<&str>, size: PageSize) -> Result<Vec<ScannedKey>> {
        let mut found = self.inner.key_scan(after, size).await?;
        match self.fault {
            Fault::SkipsAKeyInAScan if after.is_some() => drop(found.drain(..1.min(found.len()))),
            Fault::ScansNoDeletedKeys => found.retain(|key| {
                key.row.as_ref().is_ok_and(|row| !matches!(row.state, KeyState::Deleted { .. }))
            }),
            _ => {}
        }
        Ok(found)
    }

    async fn system_list(&self) -> Result<Vec<SystemRow>> {
        let mut found = self.inner.system_list().await?;
        if self.is(Fault::ListsOneSystemRecord) {
            found.truncate(1);
        }
        Ok(found)
    }

    async fn key_list(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyRow>> {
        let mut filter = filter.clone();
        filter.deleted |= self.is(Fault::ShowsDeletedKeys);
        filter.deleted &= !self.is(Fault::HidesDeletedKeysForever);
        if self.is(Fault::IgnoresTheServiceFilter) {
            filter.service = None;
        }
        if let Some(after) = after
            && self.is(Fault::NeedsTheCursorsKey)
        {
            let all = KeyFilter::of(filter.tenant.clone()).with_deleted();
            let all = self.inner.key_list(&all, None, PageSize::new(1000)?).await?.items;
            if !all.iter().any(|row| row.id.path() == after.path()) {
                return Ok(Page { items: vec![], next: None });
            }
        }
        let mut page = self.inner.key_list(&filter, after, size).await?;
        match self.fault {
            Fault::DropsTheLastOfAPage if page.items.len() > 2 => drop(page.items.pop()),
            Fault::RepeatsAKey if page.items.len() > 2 => page.items[1] = page.items[0].clone(),
            Fault::SortsByName => page.items.sort_by(|a, b| a.id.name.cmp(&b.id.name)),
            Fault::AnnouncesAnEmptyPage if page.items.len() == usize::from(size.get()) => {
                page.next = page.items.last().map(|row| Cursor::after(&row.id));
            }
            _ => {}
        }
        page.items = page.items.into_iter().map(|row| self.twist_row(row)).collect();
        Ok(page)
    }

    async fn commit(&self, mut change: Change) -> Result<()> {
        for expect in &mut change.expect {
            if let Expect::Absent(id) = expect {
                *id = self.taken_for(id);
            }
        }
        for row in &mut change.keys {
            row.id = self.taken_for(&row.id);
        }
        let events = change.events.clone();
        let written: Vec<_> = change.keys.iter().map(|row| (row.record, row.generation)).collect();
        let versions = change.versions.clone();
        if self.is(Fault::LetsNobodyWin) && !change.keys.is_empty() {
            let mut seen = self.replaced.lock().unwrap();
            if !seen.contains(&change.keys[0].record) {
                seen.push(change.keys[0].record);
                return Err(Error::new(ErrorKind::Conflict, "store.commit", "not the first time"));
            }
        }
        let answer = self.inner.commit(change).await;
        match answer {
            Ok(()) => {
                let replaced = written.iter().filter(|(_, generation)| *generation > 1);
                self.replaced.lock().unwrap().extend(replaced.map(|(record, _)| record));
                let versions = versions.into_iter().map(|row| ((row.record, row.version), row));
                self.versions.lock().unwrap().extend(versions);
                Ok(())
            }
            Err(error) => match error.kind() {
                ErrorKind::Conflict if self.is(Fault::SwallowsConflicts) => Ok(()),
                ErrorKind::Conflict if self.is(Fault::ReportsOtherConflicts) => {
                    Err(Error::new(ErrorKind::Internal, "store.commit", "unique violation"))
                }
                ErrorKind::Conflict if self.is(Fault::KeepsEventsOfARefusedChange) => {
                    self.inner.commit(Change { events, ..Change::default() }).await?;
                    Err(error)
                }
                ErrorKind::InvalidInput if self.is(Fault::LetsUncoveredWritesPass) => Ok(()),
                _ => Err(error),
            },
        }
    }

    async fn touch(&self, uses: &[Use]) -> Result<()> {
        *self.touches.lock().unwrap() += 1;
        for one in uses {
            let version = self.inner.version_find(one.record, one.version).await?;
            if version.is_none() && self.is(Fault::KnowsAllRecords) {
                return Err(Error::invalid("store.touch", "no such record"));
            }
            self.last_use.lock().unwrap().insert(one.record, *one);
        }
        self.inner.touch(uses).await
    }

    async fn system_find(&self, tenant: &Tenant, name: &SystemName) -> Result<Option<SystemRow>> {
        if self.is(Fault::SharesSystemRecords) {
            return self.inner.system_find(&Tenant::default(), name).await;
        }
        self.inner.system_find(tenant, name).await
    }

    async fn changes_since(&self, since: Seq) -> Result<Changes> {
        let mut changes = self.inner.changes_since(since).await?;
        match self.fault {
            Fault::ForgetsOneChange if changes.keys.len() > 1 => drop(changes.keys.pop()),
            Fault::NeverMovesTheHead => changes.head = Seq(0),
            Fault::CountsAUseAsAChange => changes.head.0 += *self.touches.lock().unwrap(),
            _ => {}
        }
        Ok(changes)
    }

    async fn events_since(&self, since: Seq, limit: PageSize) -> Result<Vec<(Seq, String)>> {
        let limit = if self.is(Fault::IgnoresTheEventLimit) { PageSize::new(1000)? } else { limit };
        let mut events = self.inner.events_since(since, limit).await?;
        if self.is(Fault::ReversesEvents) {
            events.reverse();
        }
        Ok(events)
    }

    fn hints(&self) -> Option<Hints> {
        if self.is(Fault::NeverHints) { Some(self.silent.subscribe()) } else { self.inner.hints() }
    }

    fn capabilities(&self) -> StoreCapabilities {
        if self.is(Fault::HintsUnannounced) {
            return StoreCapabilities::IN_PROCESS;
        }
        self.inner.capabilities()
    }
}

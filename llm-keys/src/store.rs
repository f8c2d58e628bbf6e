//! Storage: rows in, rows out, and one way to write.
//!
//! [`KeyStore`] is what a backend implements; [`MemoryStore`] is the reference. A store never sees
//! a secret: only envelopes.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::clock::Micros;
use crate::envelope::Envelope;
use crate::error::Result;
use crate::event::Event;
use crate::model::{
    Cursor, KeyFilter, KeyId, KeyRow, Page, PageSize, RowMac, Seq, SystemName, Tenant, Version,
    VersionRow,
};

pub use self::hints::{Hinter, Hints};
pub use self::memory::MemoryStore;

mod hints;
mod memory;

/// A small named envelope of our own: sentinel, row-MAC keys, token pepper, KMS alias pins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SystemRow {
    /// Whose.
    pub tenant: Tenant,
    /// What it is called.
    pub name: SystemName,
    /// Random, new for each row; part of the envelope's context.
    pub record: Uuid,
    /// Counts its changes from 1; part of the envelope's context, and what compare-and-swap
    /// compares.
    pub version: Version,
    /// The sealed content.
    pub envelope: Envelope,
    /// When it was first written.
    pub created_at: Micros,
    /// When it last changed.
    pub updated_at: Micros,
    /// Reserved.
    pub mac: Option<RowMac>,
}

/// What must hold for a [`Change`] to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Expect {
    /// There is no key of this id, or only one that the same change purges.
    Absent(KeyId),
    /// The key row of this record has this generation.
    Generation {
        /// The key's record.
        record: Uuid,
        /// Its generation.
        generation: u64,
    },
    /// This version has an envelope with this hash.
    Envelope {
        /// The key's record.
        record: Uuid,
        /// The version.
        version: Version,
        /// SHA-256 of its envelope.
        hash: [u8; 32],
    },
    /// The system record has this version, or is absent.
    System {
        /// Whose.
        tenant: Tenant,
        /// Its name.
        name: SystemName,
        /// Its version; `None`: it is absent.
        version: Option<Version>,
    },
}

/// Everything that changes together: in one transaction, or not at all.
///
/// `expect` is checked first, inside the transaction. Then `purge` is done, and rows are written: each
/// replaces the row with its key (`record`; `record` and `version`; `tenant` and `name`) or is inserted. A key row
/// needs an `Absent` or `Generation` in `expect`, a version row an expectation about its record, a
/// system row one about its name, a purge a `Generation`; otherwise the change is refused as
/// `InvalidInput`, because two writers could overwrite each other.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Change {
    /// What must hold.
    pub expect: Vec<Expect>,
    /// Key rows to insert or replace. `last_used_at` is ignored on replace.
    pub keys: Vec<KeyRow>,
    /// Version rows to insert or replace. `last_used_at` is ignored on replace.
    pub versions: Vec<VersionRow>,
    /// Records whose key row and versions all go, at once and for good.
    pub purge: Vec<Uuid>,
    /// System rows to insert or replace.
    pub system: Vec<SystemRow>,
    /// What to record about this change, in the same transaction.
    pub events: Vec<Event>,
}

/// A key row as a scan found it.
#[derive(Clone, Debug)]
pub struct ScannedKey {
    /// The column `record`, as it stands there: where the scan goes on.
    pub place: String,
    /// Tenant and path of the row, as they stand there: what it says it is called.
    pub name: String,
    /// The row; `Integrity` if it cannot be read.
    pub row: Result<KeyRow>,
}

/// That a version was given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Use {
    /// The key's record.
    pub record: Uuid,
    /// The version.
    pub version: Version,
    /// When last.
    pub at: Micros,
}

/// What changed since a position in the feed.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Changes {
    /// The position to ask from next time.
    pub head: Seq,
    /// The keys that were written or purged, each once, in no particular order.
    pub keys: Vec<KeyId>,
    /// `false` if the feed no longer reaches back to where the caller stood: anything may have
    /// changed.
    pub complete: bool,
}

/// What a backend can and cannot do; the conformance suite asks here, never for a backend's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct StoreCapabilities {
    /// What was committed is still there after the process ends.
    pub durable: bool,
    /// Several processes can use it at once.
    pub shared: bool,
    /// It gives [`hints`](KeyStore::hints).
    pub hints: bool,
}

impl StoreCapabilities {
    /// A store that lives in this process alone.
    pub const IN_PROCESS: Self = Self { durable: false, shared: false, hints: false };
    /// A store that outlives the process and that several processes share.
    pub const DURABLE: Self = Self { durable: true, shared: true, hints: false };

    /// The same store, which also gives [`hints`](KeyStore::hints).
    #[must_use]
    pub const fn with_hints(mut self) -> Self {
        self.hints = true;
        self
    }
}

/// Storage for keys, their versions, and system records.
///
/// | # | Rule | Checked by |
/// |---|------|------------|
/// | 1 | A missing key, version or system record is `Ok(None)` | `testing::store::missing_is_none` |
/// | 2 | What was committed is read back equal, every column of it | `testing::store::rows_come_back_equal` |
/// | 3 | `Absent` of an id that is there is `Conflict`, and nothing of the change is made | `testing::store::absent_conflicts` |
/// | 4 | A stale `Generation`, `Envelope` or `System` is `Conflict`, and nothing is made | `testing::store::stale_expectations_conflict` |
/// | 5 | A write that no expectation covers is `InvalidInput` | `testing::store::uncovered_writes_are_refused` |
/// | 6 | Of many writers with one expectation exactly one wins | `testing::store::one_writer_wins` |
/// | 7 | Ids that differ in any byte are different keys: owner kinds, case, spaces, separators | `testing::store::ids_never_collide` |
/// | 8 | A listing is ordered by service, owner kind, owner id, name, in byte order; pages give each key once and only those the filter asks for | `testing::store::pages_cover_everything_once` |
/// | 9 | A page goes on after its cursor even if that key is gone | `testing::store::a_cursor_outlives_its_key` |
/// | 10 | Deleted keys are listed only on request | `testing::store::deleted_keys_hide` |
/// | 11 | A purge takes the key row and all its versions | `testing::store::purge_takes_everything` |
/// | 12 | `touch` sets the last use forward, never back, and changes nothing else; an unknown record is ignored | `testing::store::touch_moves_forward` |
/// | 13 | Replacing a row keeps its last use | `testing::store::replacing_keeps_last_use` |
/// | 14 | Each commit that touches keys or versions moves `changes_since` forward and names those keys | `testing::store::the_feed_names_changed_keys` |
/// | 15 | System records are apart for each tenant | `testing::store::system_records_are_per_tenant` |
/// | 16 | Events of a change are readable in order, and those of a refused change are not there | `testing::store::events_ride_in_the_change` |
/// | 17 | `version_list` gives every version of one record, in order | `testing::store::all_versions_of_a_record` |
/// | 18 | `version_scan` gives each version that has an envelope once, with its key, whatever the tenant | `testing::store::a_scan_covers_every_envelope_once` |
/// | 19 | `system_list` gives every system record | `testing::store::all_system_records` |
/// | 20 | `key_due` gives the keys that fall due before then, the most urgent first, whatever the tenant and state | `testing::store::due_keys_are_found` |
/// | 21 | A key can be purged and another of the same id inserted in one change | `testing::store::a_purged_key_makes_room` |
/// | 22 | A store that says so hints at each commit that touches keys or versions, to every subscriber, once it is in the feed; another gives no subscription | `testing::store::hints_are_given` |
/// | 23 | Managers over one storage follow each other's changes by its feed | `testing::store::managers_follow_each_other` |
/// | 24 | `key_scan` gives each key once, in the order of the records, whatever the tenant, the state, and whether it has a version | `testing::store::a_scan_covers_every_key_once` |
#[async_trait]
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// A key and its current version, in one read.
    async fn key_find(&self, id: &KeyId) -> Result<Option<(KeyRow, Option<VersionRow>)>>;

    /// One version of a key.
    async fn version_find(&self, record: Uuid, version: Version) -> Result<Option<VersionRow>>;

    /// All versions of a record, oldest first; none for an unknown record. There are as many as the
    /// key ever had, less those that were purged.
    async fn version_list(&self, record: Uuid) -> Result<Vec<VersionRow>>;

    /// One page of the versions of all tenants that have an envelope, each with its key, ordered by
    /// record and version: from the start, or after `after`. For work on everything, such as
    /// wrapping anew. A version that is written meanwhile may or may not be among them.
    async fn version_scan(
        &self,
        after: Option<(Uuid, Version)>,
        size: PageSize,
    ) -> Result<Vec<(KeyRow, VersionRow)>>;

    /// One page of the key rows of all tenants, whatever their state, ordered by record: from the
    /// start, or after the place `after`. A row that cannot be read is no error of the call, and the
    /// others are still given. For work that looks at everything, such as verifying. A key that is
    /// written meanwhile may or may not be among them.
    async fn key_scan(&self, after: Option<&str>, size: PageSize) -> Result<Vec<ScannedKey>>;

    /// One page of keys: from the start, or after `after`.
    async fn key_list(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyRow>>;

    /// Makes `change` in one transaction, or fails with `Conflict` and makes nothing of it.
    async fn commit(&self, change: Change) -> Result<()>;

    /// Records last uses, many at once. A lost one is no harm: this is not part of a key.
    async fn touch(&self, uses: &[Use]) -> Result<()>;

    /// The keys of all tenants whose [`due_at`](KeyRow::due_at) is before `before`, the most urgent
    /// first and then by record: from the start, or after `after`.
    async fn key_due(
        &self,
        before: Micros,
        after: Option<(Micros, Uuid)>,
        size: PageSize,
    ) -> Result<Vec<KeyRow>>;

    /// All system records of all tenants; there are few.
    async fn system_list(&self) -> Result<Vec<SystemRow>>;

    /// A system record.
    async fn system_find(&self, tenant: &Tenant, name: &SystemName) -> Result<Option<SystemRow>>;

    /// Which keys changed after `since`. A position ahead of the feed comes from another storage or
    /// from before a restore: the answer is then not `complete`. What has changed by the time of the
    /// call is in the answer, or in one from its head on.
    async fn changes_since(&self, since: Seq) -> Result<Changes>;

    /// A subscription to hints that the feed moved, from a backend that is told so. They only say
    /// "look now": one may be lost or come for nothing, so whoever follows the feed looks without
    /// them, too. `None` unless a backend can do better.
    fn hints(&self) -> Option<Hints> {
        None
    }

    /// The recorded events after `since`, oldest first, at most `limit`, each as the JSON it was
    /// recorded as, with its position.
    async fn events_since(&self, since: Seq, limit: PageSize) -> Result<Vec<(Seq, String)>>;

    /// What this backend can do.
    fn capabilities(&self) -> StoreCapabilities;
}

/// A shared store is a store.
#[deny(clippy::missing_trait_methods)] // A forgotten method would silently use a default.
#[async_trait]
impl<S: KeyStore + ?Sized> KeyStore for Arc<S> {
    async fn key_find(&self, id: &KeyId) -> Result<Option<(KeyRow, Option<VersionRow>)>> {
        (**self).key_find(id).await
    }

    async fn version_find(&self, record: Uuid, version: Version) -> Result<Option<VersionRow>> {
        (**self).version_find(record, version).await
    }

    async fn version_list(&self, record: Uuid) -> Result<Vec<VersionRow>> {
        (**self).version_list(record).await
    }

    async fn version_scan(
        &self,
        after: Option<(Uuid, Version)>,
        size: PageSize,
    ) -> Result<Vec<(KeyRow, VersionRow)>> {
        (**self).version_scan(after, size).await
    }

    async fn key_due(
        &self,
        before: Micros,
        after: Option<(Micros, Uuid)>,
        size: PageSize,
    ) -> Result<Vec<KeyRow>> {
        (**self).key_due(before, after, size).await
    }

    async fn system_list(&self) -> Result<Vec<SystemRow>> {
        (**self).system_list().await
    }

    async fn key_scan(&self, after: Option<&str>, size: PageSize) -> Result<Vec<ScannedKey>> {
        (**self).key_scan(after, size).await
    }

    async fn key_list(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyRow>> {
        (**self).key_list(filter, after, size).await
    }

    async fn commit(&self, change: Change) -> Result<()> {
        (**self).commit(change).await
    }

    async fn touch(&self, uses: &[Use]) -> Result<()> {
        (**self).touch(uses).await
    }

    async fn system_find(&self, tenant: &Tenant, name: &SystemName) -> Result<Option<SystemRow>> {
        (**self).system_find(tenant, name).await
    }

    async fn changes_since(&self, since: Seq) -> Result<Changes> {
        (**self).changes_since(since).await
    }

    fn hints(&self) -> Option<Hints> {
        (**self).hints()
    }

    async fn events_since(&self, since: Seq, limit: PageSize) -> Result<Vec<(Seq, String)>> {
        (**self).events_since(since, limit).await
    }

    fn capabilities(&self) -> StoreCapabilities {
        (**self).capabilities()
    }
}

impl Change {
    /// Whether every write is covered by an expectation (rule 5); backends call it first.
    ///
    /// # Errors
    /// `InvalidInput` that names the uncovered write.
    pub fn check_covered(&self) -> Result<()> {
        let bad = |what: &str| {
            let detail = format!("a {what} is written without an expectation that covers it");
            Err(crate::Error::invalid("store.commit", detail))
        };
        let generation = |wanted: Uuid| {
            self.expect
                .iter()
                .any(|e| matches!(e, Expect::Generation { record, .. } if *record == wanted))
        };
        let absent = |id: &KeyId| {
            self.expect.iter().any(|e| matches!(e, Expect::Absent(absent) if absent == id))
        };
        for row in &self.keys {
            if !absent(&row.id) && !generation(row.record) {
                return bad("key row");
            }
        }
        for row in &self.versions {
            let of_new_key = self.keys.iter().any(|k| k.record == row.record && absent(&k.id));
            let swapped = self.expect.iter().any(|e| {
                matches!(e, Expect::Envelope { record, version, .. }
                    if *record == row.record && *version == row.version)
            });
            if !of_new_key && !swapped && !generation(row.record) {
                return bad("version row");
            }
        }
        if !self.purge.iter().all(|&record| generation(record)) {
            return bad("purge");
        }
        for row in &self.system {
            let covered = self.expect.iter().any(|e| {
                matches!(e, Expect::System { tenant, name, .. }
                    if *tenant == row.tenant && *name == row.name)
            });
            if !covered {
                return bad("system row");
            }
        }
        Ok(())
    }
}

//! What a storage holds: one row for a key, one for each of its versions.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::caller::{Actor, Reason};
use super::kept::Kept;
use super::key_id::KeyId;
use super::notes::{Hint, Labels, Settings, TemplateRef};
use super::version::{Days, Version};
use crate::clock::Micros;
use crate::envelope::Envelope;

/// Whether a key may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KeyState {
    /// It may.
    Active,
    /// It may not, until it is activated again.
    Inactive,
    /// It was deleted and will be purged.
    Deleted {
        /// When its rows go for good.
        purge_at: Micros,
    },
}

impl KeyState {
    /// The word in columns and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Deleted { .. } => "deleted",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Where a version is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum VersionState {
    /// Written, not yet in use.
    Pending,
    /// In use.
    Live,
    /// Replaced, but still good at the service.
    Retiring {
        /// Until when.
        until: Micros,
    },
    /// Replaced.
    Retired,
    /// Its envelope is gone.
    Shredded,
}

impl VersionState {
    /// The word in columns and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Live => "live",
            Self::Retiring { .. } => "retiring",
            Self::Retired => "retired",
            Self::Shredded => "shredded",
        }
    }

    /// What it is at the moment `now`: a version is retired when its overlap has passed, whether or
    /// not anybody has written so.
    #[must_use]
    pub fn at(self, now: Micros) -> Self {
        match self {
            Self::Retiring { until } if until <= now => Self::Retired,
            state => state,
        }
    }
}

impl fmt::Display for VersionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A keyed hash over the columns of a row that decide something: the number of the key, and
/// HMAC-SHA-256.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowMac(pub Vec<u8>);

/// One stored key: everything about it but its versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRow {
    /// What it is called.
    pub id: KeyId,
    /// Random, new for each key row: a key deleted and stored again is another record.
    pub record: Uuid,
    /// Whether it may be used.
    pub state: KeyState,
    /// The version that `get` returns.
    pub current: Option<Version>,
    /// The highest version number given so far, so that none is given twice.
    pub latest: Option<Version>,
    /// Counts the changes of this row, from 1: what compare-and-swap compares.
    pub generation: u64,
    /// The versions that still have an envelope.
    pub kept: Kept,
    /// Non-secret fields.
    pub settings: Settings,
    /// The template the settings follow.
    pub template: Option<TemplateRef>,
    /// Free marks.
    pub labels: Labels,
    /// The last four characters of the current version.
    pub hint: Option<Hint>,
    /// When it stops to be given out.
    pub expires_at: Option<Micros>,
    /// How often it should be replaced.
    pub rotate_every: Option<Days>,
    /// When something falls due: the purge of a deleted key; else its expiry or its rotation,
    /// whichever is first.
    pub due_at: Option<Micros>,
    /// The [`due_at`](Self::due_at) that an event has told of; outside the MAC.
    pub due_told: Option<Micros>,
    /// When it was first stored.
    pub created_at: Micros,
    /// When somebody last changed the key; wrapping or sealing it anew does not count.
    pub updated_at: Micros,
    /// When it was last given out, to within a flush interval; written by
    /// [`KeyStore::touch`](crate::store::KeyStore::touch) alone, and outside the MAC.
    pub last_used_at: Option<Micros>,
    /// Says that this row is as the manager wrote it. Storages keep it and never look at it.
    pub mac: Option<RowMac>,
}

/// One version of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionRow {
    /// The record of its key.
    pub record: Uuid,
    /// Which one.
    pub version: Version,
    /// The generation of the key row when this row was last written. A change of a key rewrites the
    /// row of its current version, too, so that the two always have the same.
    pub generation: u64,
    /// Where it is in its life.
    pub state: VersionState,
    /// The sealed key; `None` once shredded.
    pub envelope: Option<Envelope>,
    /// Whether a KMS key was out of reach when this was sealed, so that its wrapped copy is missing
    /// and a rewrap must add it.
    pub rewrap: bool,
    /// Who wrote it.
    pub by: Actor,
    /// Why.
    pub reason: Option<Reason>,
    /// When.
    pub created_at: Micros,
    /// When it was last given out, as in [`KeyRow::last_used_at`].
    pub last_used_at: Option<Micros>,
    /// Says that this row is as the manager wrote it. Storages keep it and never look at it.
    pub mac: Option<RowMac>,
}

//! What may be shown of a key.

use serde::Serialize;
use uuid::Uuid;

use super::caller::{Actor, Reason};
use super::key_id::KeyId;
use super::notes::{Hint, Labels, Settings, TemplateRef};
use super::row::{KeyRow, KeyState, VersionRow, VersionState};
use super::version::{Days, Version};
use crate::clock::Micros;

/// Whether a row is as it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Integrity {
    /// It is.
    Verified,
    /// Nobody looked: the row MAC keys are not at hand, and opening them would need the KMS.
    Unverified,
    /// It is not: somebody wrote to the storage past llm-keys. Such a key is not given out.
    Broken,
}

impl Integrity {
    /// The word in JSON and tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Broken => "broken",
        }
    }
}

/// Everything about a key that is not secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct KeyMetadata {
    /// What it is called.
    #[serde(flatten)]
    pub id: KeyId,
    /// The record of its row.
    pub record: Uuid,
    /// Whether it may be used.
    #[serde(flatten, serialize_with = "state_word")]
    pub state: KeyState,
    /// The version that `get` returns.
    pub version: Option<Version>,
    /// How often its row changed.
    pub generation: u64,
    /// Non-secret fields.
    pub settings: Settings,
    /// The template the settings follow.
    pub template: Option<TemplateRef>,
    /// Free marks.
    pub labels: Labels,
    /// The last four characters.
    pub hint: Option<Hint>,
    /// When it stops to be given out.
    pub expires_at: Option<Micros>,
    /// How often it should be replaced.
    pub rotate_every: Option<Days>,
    /// When something falls due: the purge of a deleted key; else its expiry or its rotation,
    /// whichever is first.
    pub due_at: Option<Micros>,
    /// When it was first stored.
    pub created_at: Micros,
    /// When somebody last changed it; wrapping or sealing it anew does not count.
    pub updated_at: Micros,
    /// When it was last given out, to within a flush interval.
    pub last_used_at: Option<Micros>,
    /// Whether its row is as it was written.
    pub integrity: Integrity,
}

impl KeyMetadata {
    /// What may be shown of `row`, and whether it is as it was written.
    pub fn of(row: KeyRow, integrity: Integrity) -> Self {
        Self {
            id: row.id,
            record: row.record,
            state: row.state,
            version: row.current,
            generation: row.generation,
            settings: row.settings,
            template: row.template,
            labels: row.labels,
            hint: row.hint,
            expires_at: row.expires_at,
            rotate_every: row.rotate_every,
            due_at: row.due_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_used_at: row.last_used_at,
            integrity,
        }
    }
}

/// Everything about a version of a key that is not secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct VersionMetadata {
    /// Which one.
    pub version: Version,
    /// Whether it is the one that `get` returns.
    pub current: bool,
    /// Where it is in its life.
    pub state: VersionState,
    /// Who wrote it.
    pub by: Actor,
    /// Why.
    pub reason: Option<Reason>,
    /// When.
    pub created_at: Micros,
    /// When it was last given out, to within a flush interval.
    pub last_used_at: Option<Micros>,
}

impl VersionMetadata {
    /// What may be shown of `row`, a version of `key`, at the moment `now`.
    pub fn of(row: VersionRow, key: &KeyRow, now: Micros) -> Self {
        Self {
            version: row.version,
            current: key.current == Some(row.version),
            state: row.state.at(now),
            by: row.by,
            reason: row.reason,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}

fn state_word<S: serde::Serializer>(state: &KeyState, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap as _;
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("state", state.word())?;
    if let KeyState::Deleted { purge_at } = state {
        map.serialize_entry("purge_at", purge_at)?;
    }
    map.end()
}

//! Events: what happened to which key, by which caller. They never hold a secret.
//!
//! An event reaches its sink before a secret is revealed and before a change is committed: a sink
//! that fails stops the operation. One operation gives one event; a change that then fails gives a
//! second one with the failure, under the same caller and request id.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Micros;
use crate::error::{ErrorKind, Result};
use crate::model::{Caller, KeyId, Trail, Version};

pub use self::fan_out::FanOut;
pub use self::json_lines::JsonLinesSink;
pub use self::tracing_sink::TracingSink;

mod fan_out;
mod json_lines;
mod tracing_sink;

/// What was done, or tried.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// A key or a new version of it was stored.
    KeyStore,
    /// A key was read, and its secret given to the caller.
    KeyGet,
    /// A key was deactivated.
    KeyDeactivate,
    /// A key was activated.
    KeyActivate,
    /// A key was deleted, and can be undeleted until it is purged.
    KeyDelete,
    /// A deleted key was taken back.
    KeyUndelete,
    /// A key went for good, with all its versions.
    KeyPurge,
    /// An old version was stored again as the newest.
    KeyRollback,
    /// A new version was stored that is to be tested before it becomes current.
    KeyRotateBegin,
    /// The new version became current.
    KeyRotate,
    /// The new version was given up; the old one stays current.
    KeyRotateAbandon,
    /// The envelopes of old versions were shredded.
    KeyPrune,
    /// A key expired, or its rotation fell due.
    KeyDue,
    /// The data keys of a key were wrapped under other KMS keys; its secrets stayed as they are.
    KeyRewrap,
    /// A key was sealed anew under another data key; its secrets stayed as they are.
    KeyReseal,
    /// Rows of a key that were refused were signed anew, as they are.
    KeyAccept,
}

impl Action {
    /// The word in logs and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::KeyStore => "key_store",
            Self::KeyGet => "key_get",
            Self::KeyDeactivate => "key_deactivate",
            Self::KeyActivate => "key_activate",
            Self::KeyDelete => "key_delete",
            Self::KeyUndelete => "key_undelete",
            Self::KeyPurge => "key_purge",
            Self::KeyRollback => "key_rollback",
            Self::KeyRotateBegin => "key_rotate_begin",
            Self::KeyRotate => "key_rotate",
            Self::KeyRotateAbandon => "key_rotate_abandon",
            Self::KeyPrune => "key_prune",
            Self::KeyDue => "key_due",
            Self::KeyRewrap => "key_rewrap",
            Self::KeyReseal => "key_reseal",
            Self::KeyAccept => "key_accept",
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It is done as soon as this event is recorded.
    Ok,
    /// There is no such key.
    Missing,
    /// It failed, and nothing was revealed or changed.
    Failed(ErrorKind),
}

impl Outcome {
    /// The word in logs and JSON: `ok`, `missing`, or the error's code.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Failed(kind) => kind.code(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for Outcome {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// What happened to which key by which caller.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// When.
    pub at: Micros,
    /// What.
    pub action: Action,
    /// To which key.
    #[serde(flatten)]
    pub key: Arc<KeyId>,
    /// Its record, where it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<Uuid>,
    /// Its version, where one was read or written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// By whom.
    #[serde(flatten)]
    pub caller: Arc<Caller>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was this key, where a key was looked for among several owners. With no record it is
    /// about a key that is not stored: the last step says where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Arc<Trail>>,
}

impl Event {
    /// An event about `key`, with no record and no version yet.
    pub fn new(
        at: Micros,
        action: Action,
        key: Arc<KeyId>,
        caller: Arc<Caller>,
        outcome: Outcome,
    ) -> Self {
        Self { at, action, key, record: None, version: None, caller, outcome, resolution: None }
    }

    /// The same event about this version of this record.
    #[must_use]
    pub fn of(mut self, record: Uuid, version: Option<Version>) -> Self {
        self.record = Some(record);
        self.version = version;
        self
    }

    /// The same event about the key that this search ended with.
    #[must_use]
    pub fn resolved(mut self, trail: Trail) -> Self {
        self.resolution = Some(Arc::new(trail));
        self
    }
}

/// Where events go.
///
/// | # | Rule | Checked by |
/// |---|------|------------|
/// | 1 | When `emit` returns, the event is recorded, as far as this sink records at all | `json_lines::tests::an_event_is_one_line` |
/// | 2 | A failed `emit` stops the operation: no secret is revealed, nothing is changed | `testing::manager::a_failing_sink_stops_everything` |
/// | 3 | `wants` is cheap; `false` means that `emit` for that action and outcome would do nothing | `testing::manager::a_sink_that_wants_nothing_gets_nothing` |
#[async_trait]
pub trait EventSink: fmt::Debug + Send + Sync {
    /// Whether an event of this kind would be recorded at all. Reading a cached key asks here
    /// first, and builds no event that nobody wants.
    fn wants(&self, _action: Action, _outcome: Outcome) -> bool {
        true
    }

    /// Records `event`.
    async fn emit(&self, event: &Event) -> Result<()>;
}

/// A shared sink is a sink.
#[deny(clippy::missing_trait_methods)] // A forgotten method would silently use the default.
#[async_trait]
impl<S: EventSink + ?Sized> EventSink for Arc<S> {
    fn wants(&self, action: Action, outcome: Outcome) -> bool {
        (**self).wants(action, outcome)
    }

    async fn emit(&self, event: &Event) -> Result<()> {
        (**self).emit(event).await
    }
}

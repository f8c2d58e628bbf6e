//! What a walk did.

use std::fmt;
use std::path::PathBuf;

use super::options::{OnProgress, Progress};
use crate::error::{Error, ErrorKind};
use crate::model::{KeyId, SystemName, Tenant, Version};

/// What a walk did.
#[derive(Clone, Default, Debug)]
#[non_exhaustive]
pub struct RewrapReport {
    /// How many versions and system records were done, needed nothing, and failed.
    pub progress: Progress,
    /// How many keys were changed.
    pub keys: u64,
    /// How many system records were changed; in `progress`, too.
    pub system: u64,
    /// What could not be done, and why. It is as it was before.
    pub failed: Vec<Failed>,
    /// Why the walk ended before its end; what it had not looked at is as it was before.
    pub stopped: Option<Error>,
}

impl RewrapReport {
    /// Whether everything was looked at, and nothing failed.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.stopped.is_none()
    }

    pub(super) fn done(&mut self, versions: u64) {
        self.progress.done += versions;
    }

    pub(super) fn fail(&mut self, failed: Failed) {
        tracing::warn!(item = %failed.item, error = ?failed.error, "left as it was");
        self.progress.failed += 1;
        self.failed.push(failed);
    }

    /// An error of a system record: it failed, or everything stops.
    pub(super) fn system(&mut self, item: Item, result: Result<bool, Error>) {
        match result {
            Ok(true) => {
                self.done(1);
                self.system += 1;
            }
            Ok(false) => self.progress.skipped += 1,
            Err(error) if ends_the_walk(error.kind()) => self.stopped = Some(error),
            Err(error) => self.fail(Failed { item, error }),
        }
    }

    pub(super) fn tell(&self, listener: Option<&OnProgress>) {
        if let Some(listener) = listener {
            listener.tell(self.progress);
        }
    }
}

/// What could not be done.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What.
    pub item: Item,
    /// Why.
    pub error: Error,
}

/// Something that is stored.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Item {
    /// A version of a key.
    Version(KeyId, Version),
    /// A system record.
    System(Tenant, SystemName),
    /// A key, with all its versions.
    Key(KeyId),
    /// A row that cannot be read, or is not there any more: what is known of it.
    Row(String),
    /// The checkpoint that the storage was compared with.
    Checkpoint(PathBuf),
    /// All of it.
    Storage,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(id, version) => write!(f, "{id} version {version}"),
            Self::System(tenant, name) => write!(f, "the system record {name} of {tenant}"),
            Self::Key(id) => write!(f, "{id}"),
            Self::Row(name) => write!(f, "the row {name}"),
            Self::Checkpoint(file) => write!(f, "the checkpoint {}", file.display()),
            Self::Storage => f.write_str("the storage"),
        }
    }
}

/// Whether an error says nothing about the key at hand: the next one would fail likewise.
pub(in super::super) fn ends_the_walk(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Kms(_) => kind.is_retryable(),
        ErrorKind::Store(_) | ErrorKind::EventSink | ErrorKind::Io | ErrorKind::Internal => true,
        _ => false,
    }
}

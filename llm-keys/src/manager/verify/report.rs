//! What was found.

use std::collections::HashSet;

use super::super::rewrap::{Item, OnProgress, Progress};
use crate::clock::Micros;
use crate::error::Error;
use crate::model::{KeyId, SystemName, Tenant};

/// What was found.
#[derive(Clone, Default, Debug)]
#[non_exhaustive]
pub struct VerifyReport {
    /// How many keys are well, how many went away meanwhile, and how many are not well.
    pub progress: Progress,
    /// How many version rows of keys were looked at.
    pub versions: u64,
    /// How many envelopes were opened.
    pub opened: u64,
    /// How many system records were looked at.
    pub system: u64,
    /// All that is wrong.
    pub findings: Vec<Finding>,
    /// The keys that are refused when they are read, as far as their rows can be read at all; what
    /// [`accept`](crate::EnvelopeKeyManager::accept) may be asked to accept.
    pub refused: Vec<KeyId>,
    /// What became of the checkpoint, if there was to be one.
    pub checkpoint: Option<CheckpointReport>,
    /// Why it ended before its end; nothing is known of what it had not looked at.
    pub stopped: Option<Error>,
    /// Tenants whose row MAC keys cannot be had, which is one finding and not one for each key.
    pub(super) locked: HashSet<Tenant>,
}

/// Something that is wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// Where.
    pub item: Item,
    /// What.
    pub error: Error,
}

/// What became of the checkpoint.
#[derive(Clone, Default, Debug)]
#[non_exhaustive]
pub struct CheckpointReport {
    /// What the one that was there says; `None` if there was none, it was not asked, or it is not to
    /// be believed.
    pub compared: Option<Compared>,
    /// How many keys the new one has, if one was written: it is only if all is well.
    pub written: Option<u64>,
}

/// How the rows of now differ from a checkpoint, as far as that is nothing wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Compared {
    /// When the checkpoint was made.
    pub made_at: Micros,
    /// How many keys are as they were then.
    pub same: u64,
    /// How many have changed since.
    pub changed: u64,
    /// How many were stored since.
    pub new: u64,
    /// How many are gone since, and were deleted as the events of the storage say.
    pub gone: u64,
}

impl Compared {
    pub(super) fn since(made_at: Micros) -> Self {
        Self { made_at, same: 0, changed: 0, new: 0, gone: 0 }
    }
}

impl Finding {
    pub(super) fn new(item: Item, error: Error) -> Self {
        Self { item, error }
    }
}

impl VerifyReport {
    /// Whether everything was looked at, and is well.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty() && self.stopped.is_none()
    }

    pub(super) fn find(&mut self, finding: Finding) {
        tracing::warn!(item = %finding.item, error = ?finding.error, "not as it was written");
        self.findings.push(finding);
    }

    /// That the row MAC keys of `tenant` cannot be had: told once.
    pub(super) fn lock(&mut self, tenant: Tenant, name: SystemName, error: Error) {
        if self.locked.insert(tenant.clone()) {
            self.find(Finding::new(Item::System(tenant, name), error));
        }
    }

    pub(super) fn tell(&self, listener: Option<&OnProgress>) {
        if let Some(listener) = listener {
            listener.tell(self.progress);
        }
    }
}

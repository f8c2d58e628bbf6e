//! How to wrap or seal anew.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Caller, KeyFilter, KeyId, PageSize};

/// How far a walk is. What it looks at are versions and system records.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// How many were done and stored.
    pub done: u64,
    /// How many needed nothing.
    pub skipped: u64,
    /// How many could not be done.
    pub failed: u64,
}

impl Progress {
    /// How many were looked at.
    pub fn seen(&self) -> u64 {
        self.done + self.skipped + self.failed
    }
}

/// Who is told how far a walk is, each time it moves on. It must not block.
#[derive(Clone)]
pub struct OnProgress(Arc<dyn Fn(Progress) + Send + Sync>);

impl OnProgress {
    /// Tells `listener`.
    pub fn new(listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(in super::super) fn tell(&self, progress: Progress) {
        (self.0)(progress);
    }
}

impl fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnProgress(…)")
    }
}

/// How to wrap anew.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RewrapOptions {
    /// Who does it; the manager's own caller if left out.
    pub caller: Option<Caller>,
    /// How many versions are read, and how many keys committed, at a time.
    pub page: PageSize,
    /// How many keys are worked on at once; each makes one KMS call at a time. 16 unless said, and
    /// at least 1.
    pub at_once: usize,
    /// Also what is wrapped under the right KMS keys already: for a KMS whose key was rotated under
    /// the same name. A second run does everything again.
    pub everything: bool,
    /// Whether each new copy is unwrapped before it is stored. It costs one more call for each.
    /// Off unless said: that the KMS unwraps what it wraps was tried once at the start, and the
    /// new envelope is opened with the data key.
    pub verify: bool,
    /// For how long an outage is waited out before it ends the walk: 30 seconds unless said.
    pub patience: Duration,
    /// Who is told how far it is.
    pub progress: Option<OnProgress>,
}

impl Default for RewrapOptions {
    fn default() -> Self {
        Self {
            caller: None,
            page: PageSize::default(),
            at_once: 16,
            everything: false,
            verify: false,
            patience: Duration::from_secs(30),
            progress: None,
        }
    }
}

impl RewrapOptions {
    /// By `caller`.
    #[must_use]
    pub fn caller(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }

    /// Reads and commits so many at a time.
    #[must_use]
    pub fn page(mut self, page: PageSize) -> Self {
        self.page = page;
        self
    }

    /// Works on so many keys at once.
    #[must_use]
    pub fn at_once(mut self, keys: usize) -> Self {
        self.at_once = keys;
        self
    }

    /// Also what needs it not.
    #[must_use]
    pub fn everything(mut self, everything: bool) -> Self {
        self.everything = everything;
        self
    }

    /// Unwraps each new copy before it is stored.
    #[must_use]
    pub fn verify(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// Waits so long for an outage to pass.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Tells `listener` how far it is.
    #[must_use]
    pub fn progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(OnProgress::new(listener));
        self
    }

    pub(super) fn walk(&self) -> WalkOptions {
        WalkOptions {
            caller: self.caller.clone(),
            batch: self.page.get().into(),
            at_once: self.at_once.max(1),
            patience: self.patience,
            progress: self.progress.clone(),
        }
    }
}

/// Which versions of a key to seal anew.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum KeptVersions {
    /// All that have an envelope.
    #[default]
    All,
    /// The current one.
    Current,
}

/// Which keys to seal anew, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResealOptions {
    /// These keys; `None`: all keys of all tenants.
    pub keys: Option<Vec<KeyId>>,
    /// Of those only what this filter has; its `deleted` counts, too.
    pub filter: Option<KeyFilter>,
    /// Which of their versions.
    pub versions: KeptVersions,
    /// As in [`RewrapOptions`]: who, how many at once, for how long, and who is told.
    pub how: RewrapOptions,
}

impl ResealOptions {
    /// Everything there is.
    pub fn all() -> Self {
        Self {
            keys: None,
            filter: None,
            versions: KeptVersions::All,
            how: RewrapOptions::default(),
        }
    }

    /// These keys.
    pub fn keys(keys: Vec<KeyId>) -> Self {
        Self { keys: Some(keys), ..Self::all() }
    }

    /// Of those only these versions.
    #[must_use]
    pub fn versions(mut self, versions: KeptVersions) -> Self {
        self.versions = versions;
        self
    }

    /// Of those only what `filter` has.
    #[must_use]
    pub fn filter(mut self, filter: KeyFilter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// With these options of a walk; `everything` and `verify` have no meaning here.
    #[must_use]
    pub fn how(mut self, how: RewrapOptions) -> Self {
        self.how = how;
        self
    }

    pub(super) fn walk(&self) -> WalkOptions {
        self.how.walk()
    }
}

/// What every walk needs to know.
#[derive(Clone, Debug)]
pub(super) struct WalkOptions {
    pub(super) caller: Option<Caller>,
    /// How many keys are committed together at most.
    pub(super) batch: usize,
    pub(super) at_once: usize,
    pub(super) patience: Duration,
    pub(super) progress: Option<OnProgress>,
}

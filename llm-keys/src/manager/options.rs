//! What goes into the manager's calls beside the key, and what `open` gives back.

use std::time::Duration;

use uuid::Uuid;

use crate::clock::Micros;
use crate::model::{
    Caller, Days, EnvName, KeyId, KeyName, Labels, Owner, Settings, Source, TemplateRef, Tenant,
    Trail, Version,
};
use crate::secret::ApiKey;

/// What must be stored already for a store to go through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExpectVersion {
    /// No key of this id.
    Absent,
    /// This current version.
    Is(Version),
}

/// How to store a key.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct StoreOptions {
    /// Who stores it; the manager's own caller if left out.
    pub caller: Option<Caller>,
    /// Makes the store compare-and-swap.
    pub expect_version: Option<ExpectVersion>,
    /// When the new version stops to be given out; `None`: never, whatever the last version had.
    pub expires_at: Option<Micros>,
    /// New labels; `None` keeps those there are.
    pub labels: Option<Labels>,
    /// New non-secret fields; `None` keeps those there are.
    pub settings: Option<Settings>,
    /// A new template; `None` keeps the one there is.
    pub template: Option<TemplateRef>,
    /// A new rotation rule; `None` keeps the one there is.
    pub rotate_every: Option<Days>,
}

impl StoreOptions {
    /// Stored by `caller`.
    #[must_use]
    pub fn caller(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }

    /// Only if this holds.
    #[must_use]
    pub fn expect_version(mut self, expect: ExpectVersion) -> Self {
        self.expect_version = Some(expect);
        self
    }

    /// Given out until `at`.
    #[must_use]
    pub fn expires_at(mut self, at: Micros) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// With these labels.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.labels = Some(labels);
        self
    }

    /// With these non-secret fields.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// To be replaced so often; zero days: no rule.
    #[must_use]
    pub fn rotate_every(mut self, days: Days) -> Self {
        self.rotate_every = Some(days);
        self
    }
}

/// How to rotate a key.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RotateOptions {
    /// As for storing the new version.
    pub store: StoreOptions,
    /// How long the service still takes the old version: so long it is `Retiring`. A day unless
    /// said; zero retires it at once.
    pub overlap: Duration,
}

impl Default for RotateOptions {
    fn default() -> Self {
        Self { store: StoreOptions::default(), overlap: Duration::from_secs(24 * 60 * 60) }
    }
}

impl RotateOptions {
    /// Stored like this.
    #[must_use]
    pub fn store(mut self, store: StoreOptions) -> Self {
        self.store = store;
        self
    }

    /// The old version is good for so long.
    #[must_use]
    pub fn overlap(mut self, overlap: Duration) -> Self {
        self.overlap = overlap;
        self
    }
}

/// How to delete a key.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// Who deletes it; the manager's own caller if left out.
    pub caller: Option<Caller>,
    /// At once and for good: its rows go, and what sealed it is shredded with them. Otherwise it can
    /// be undeleted for as long as [`Retention::deleted`] says.
    pub now: bool,
}

impl DeleteOptions {
    /// Deleted by `caller`.
    #[must_use]
    pub fn caller(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }

    /// At once and for good.
    #[must_use]
    pub fn now(mut self) -> Self {
        self.now = true;
        self
    }
}

/// How long what is not in use any more is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Retention {
    /// How many versions of a key keep their envelope, the current one among them: 10 unless said,
    /// at least 1. Versions that are pending, or still good at the service, are kept beyond it.
    pub versions: u32,
    /// How long a deleted key can be undeleted: 30 days unless said. Zero: deleting is for good.
    pub deleted: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { versions: 10, deleted: Duration::from_secs(30 * 24 * 60 * 60) }
    }
}

impl Retention {
    /// Keeps so many versions.
    #[must_use]
    pub fn versions(mut self, versions: u32) -> Self {
        self.versions = versions;
        self
    }

    /// Keeps a deleted key for so long.
    #[must_use]
    pub fn deleted(mut self, deleted: Duration) -> Self {
        self.deleted = deleted;
        self
    }
}

/// How to read a key.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Who reads it; the manager's own caller if left out.
    pub caller: Option<Caller>,
    /// Which version; the current one if left out.
    pub version: Option<Version>,
}

impl OpenOptions {
    /// Read by `caller`.
    #[must_use]
    pub fn caller(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }

    /// This version, and not the current one.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }
}

/// How to change a key, where there is nothing more to say than who does it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ChangeOptions {
    /// Who changes it; the manager's own caller if left out.
    pub caller: Option<Caller>,
}

impl ChangeOptions {
    /// Changed by `caller`.
    #[must_use]
    pub fn caller(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }
}

/// An opened key, and what is known of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The secret.
    pub content: OpenedContent,
    /// Which version it is.
    pub version: Version,
    /// The record of its key.
    pub record: Uuid,
    /// When it stops to be given out.
    pub expires_at: Option<Micros>,
    /// Where it came from.
    pub served: Served,
}

/// The secret of an opened key.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenedContent {
    /// The raw bytes of one key.
    Raw(ApiKey),
}

/// Where an opened key came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Served {
    /// From the cache.
    Cache,
    /// From the storage, through the KMS.
    Store,
    /// From the cache past its time, because the KMS is out of reach; the storage confirmed it.
    Stale,
}

/// How to find whose key to use.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ResolveOptions {
    /// Who asks; the manager's own caller if left out.
    pub caller: Option<Caller>,
    /// Among the keys of which tenant.
    pub tenant: Tenant,
    /// Among the keys of which name.
    pub name: KeyName,
    /// The environment variable that is asked last, under `Prefer`; none unless said.
    pub environment: Option<EnvName>,
}

impl ResolveOptions {
    /// Asked for by `caller`.
    #[must_use]
    pub fn caller(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }

    /// Among the keys of `tenant`.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// Among the keys named `name`.
    #[must_use]
    pub fn name(mut self, name: KeyName) -> Self {
        self.name = name;
        self
    }

    /// And in the end in this variable.
    #[must_use]
    pub fn environment(mut self, name: EnvName) -> Self {
        self.environment = Some(name);
        self
    }
}

/// The key to use, and why it is this one.
#[derive(Debug)]
#[non_exhaustive]
pub struct Resolved {
    /// The secret.
    pub content: OpenedContent,
    /// Whose it is, and why; no secret.
    pub receipt: Receipt,
}

/// Whose key it is, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Receipt {
    /// Whose, or which environment variable.
    pub source: Source,
    /// Which version, if it is stored.
    pub version: Option<Version>,
    /// The record of its key, if it is stored.
    pub record: Option<Uuid>,
    /// When it stops to be given out.
    pub expires_at: Option<Micros>,
    /// Where it came from, if it is stored.
    pub served: Option<Served>,
    /// Who was asked for, and what each source gave that was asked.
    pub trail: Trail,
}

/// Which cached keys to forget.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Evict {
    /// One.
    Key(KeyId),
    /// All of one owner.
    Owner(Tenant, Owner),
    /// All.
    All,
}

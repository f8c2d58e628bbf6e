//! What goes into the manager's calls beside the key, and what `open` gives back.

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

/// How to change a key's state, or delete it.
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

//! How to ask for many keys: a filter, a page at a time.

use serde::{Deserialize, Serialize};

use super::key_id::{KeyId, Owner};
use super::text::{KeyName, Service, Tenant};
use crate::error::{Error, Result};

/// Which keys of one tenant; everything left out matches all. Deleted keys are left out unless
/// `deleted` asks for them.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KeyFilter {
    /// Whose keys; there is no listing across tenants.
    pub tenant: Tenant,
    /// Only this owner's.
    pub owner: Option<Owner>,
    /// Only for this service.
    pub service: Option<Service>,
    /// Only of this name.
    pub name: Option<KeyName>,
    /// Deleted keys that wait for their purge, too.
    pub deleted: bool,
}

impl KeyFilter {
    /// All keys of `tenant`.
    pub fn of(tenant: Tenant) -> Self {
        Self { tenant, ..Self::default() }
    }

    /// Only this owner's.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Only for this service.
    #[must_use]
    pub fn service(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }

    /// Only of this name.
    #[must_use]
    pub fn name(mut self, name: KeyName) -> Self {
        self.name = Some(name);
        self
    }

    /// Deleted keys, too.
    #[must_use]
    pub fn with_deleted(mut self) -> Self {
        self.deleted = true;
        self
    }
}

/// How many keys a page has at most: 1 to 1000, 100 unless said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageSize(u16);

impl PageSize {
    /// The largest page.
    pub const MAX: u16 = 1000;

    /// A page of at most `size` keys.
    ///
    /// # Errors
    /// `InvalidInput` outside 1 to 1000.
    pub fn new(size: u16) -> Result<Self> {
        if size == 0 || size > Self::MAX {
            return Err(Error::invalid("model.parse", "a page has 1 to 1000 keys"));
        }
        Ok(Self(size))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(100)
    }
}

/// Where a listing goes on: after the key with this [path](KeyId::path). It stays good when keys
/// come and go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// Goes on after `id`.
    pub fn after(id: &KeyId) -> Self {
        Self(id.path())
    }

    /// The path to go on after.
    pub fn path(&self) -> &str {
        &self.0
    }
}

/// One page, ordered by service, owner and name, and where the next one starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    /// What was found.
    pub items: Vec<T>,
    /// `None` when this was the last page.
    pub next: Option<Cursor>,
}

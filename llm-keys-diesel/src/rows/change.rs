//! Rows of `llm_keys_changes`.

use diesel::prelude::*;
use llm_keys::KeyId;
use llm_keys::error::{Error, Result};

use super::key::key_id;
use crate::schema::llm_keys_changes;

/// That a key changed, as it is written.
#[derive(Insertable)]
#[diesel(table_name = llm_keys_changes)]
pub(crate) struct NewChange<'a> {
    seq: i64,
    tenant: &'a str,
    owner_kind: &'a str,
    owner_id: &'a str,
    service: &'a str,
    name: &'a str,
}

impl<'a> NewChange<'a> {
    pub(crate) fn new(seq: i64, id: &'a KeyId) -> Self {
        Self {
            seq,
            tenant: id.tenant.as_str(),
            owner_kind: id.owner.kind(),
            owner_id: id.owner.id(),
            service: id.service.as_str(),
            name: id.name.as_str(),
        }
    }
}

/// The columns that name a key, of the feed or of a key row.
#[derive(Queryable)]
pub(crate) struct StoredId {
    tenant: String,
    owner_kind: String,
    owner_id: String,
    service: String,
    name: String,
}

impl TryFrom<StoredId> for KeyId {
    type Error = Error;

    fn try_from(row: StoredId) -> Result<Self> {
        let owner = (row.owner_kind.as_str(), row.owner_id.as_str());
        key_id("llm_keys_changes", &row.tenant, owner, &row.service, &row.name)
    }
}

//! Rows of `llm_keys_changes`.

use diesel::prelude::*;
use llm_keys::KeyId;
use llm_keys::error::{Error, Result};

use super::key::key_id;
use crate::schema::llm_keys_changes;

/// That a key changed, as it is written.
#[derive(Insertable)]
#[diesel(table_name = llm_keys_changes)]
pub(crate) struct NewChange {
    seq: i64,
    tenant: String,
    owner_kind: &'static str,
    owner_id: String,
    service: String,
    name: String,
}

impl NewChange {
    pub(crate) fn new(seq: i64, id: &KeyId) -> Self {
        Self {
            seq,
            tenant: id.tenant.as_str().to_owned(),
            owner_kind: id.owner.kind(),
            owner_id: id.owner.id().to_owned(),
            service: id.service.as_str().to_owned(),
            name: id.name.as_str().to_owned(),
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

//! Rows of `llm_keys_system`.

use diesel::prelude::*;
use llm_keys::envelope::Envelope;
use llm_keys::error::{Error, Result};
use llm_keys::model::{RowMac, SystemName};
use llm_keys::store::SystemRow;
use llm_keys::{Micros, Tenant};

use super::{damaged, record, version, version_column};
use crate::schema::llm_keys_system;

const TABLE: &str = "llm_keys_system";

/// A system record as it is written.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = llm_keys_system, primary_key(tenant, name), treat_none_as_null = true)]
pub(crate) struct NewSystem<'a> {
    tenant: &'a str,
    name: &'a str,
    record: String,
    version: i64,
    envelope: &'a [u8],
    created_at: i64,
    updated_at: i64,
    mac: Option<&'a [u8]>,
}

impl<'a> From<&'a SystemRow> for NewSystem<'a> {
    fn from(row: &'a SystemRow) -> Self {
        Self {
            tenant: row.tenant.as_str(),
            name: row.name.as_str(),
            record: row.record.hyphenated().to_string(),
            version: version_column(row.version),
            envelope: row.envelope.as_bytes(),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
            mac: row.mac.as_ref().map(|mac| mac.0.as_slice()),
        }
    }
}

/// A system record as it is read.
#[derive(Queryable)]
pub(crate) struct StoredSystem {
    tenant: String,
    name: String,
    record: String,
    version: i64,
    envelope: Vec<u8>,
    created_at: i64,
    updated_at: i64,
    mac: Option<Vec<u8>>,
}

impl TryFrom<StoredSystem> for SystemRow {
    type Error = Error;

    fn try_from(row: StoredSystem) -> Result<Self> {
        Ok(Self {
            tenant: Tenant::new(row.tenant).map_err(|_| damaged(TABLE, "tenant"))?,
            name: SystemName::new(row.name).map_err(|_| damaged(TABLE, "name"))?,
            record: record(TABLE, &row.record)?,
            version: version(TABLE, "version", row.version)?,
            envelope: Envelope::from_bytes(row.envelope),
            created_at: Micros(row.created_at),
            updated_at: Micros(row.updated_at),
            mac: row.mac.map(RowMac),
        })
    }
}

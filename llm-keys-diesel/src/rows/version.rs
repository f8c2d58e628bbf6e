//! Rows of `llm_keys_versions`.

use diesel::prelude::*;
use llm_keys::envelope::Envelope;
use llm_keys::error::{Error, Result};
use llm_keys::model::{RowMac, VersionRow, VersionState};
use llm_keys::{Actor, Micros, Reason};

use super::{damaged, record, version, version_column};
use crate::schema::llm_keys_versions;

const TABLE: &str = "llm_keys_versions";

/// A version row as it is written. `last_used_at` is not here: replacing a row keeps it.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = llm_keys_versions, primary_key(record, version), treat_none_as_null = true)]
pub(crate) struct NewVersion<'a> {
    record: String,
    version: i64,
    generation: i64,
    state: &'a str,
    until: Option<i64>,
    envelope: Option<&'a [u8]>,
    rewrap: bool,
    actor: &'a str,
    reason: Option<&'a str>,
    created_at: i64,
    mac: Option<&'a [u8]>,
}

impl<'a> From<&'a VersionRow> for NewVersion<'a> {
    fn from(row: &'a VersionRow) -> Self {
        Self {
            record: row.record.hyphenated().to_string(),
            version: version_column(row.version),
            // No key row counts so far.
            generation: i64::try_from(row.generation).unwrap_or(i64::MAX),
            state: row.state.word(),
            until: match row.state {
                VersionState::Retiring { until } => Some(until.0),
                _ => None,
            },
            envelope: row.envelope.as_ref().map(Envelope::as_bytes),
            rewrap: row.rewrap,
            actor: row.by.as_str(),
            reason: row.reason.as_ref().map(Reason::as_str),
            created_at: row.created_at.0,
            mac: row.mac.as_ref().map(|mac| mac.0.as_slice()),
        }
    }
}

/// A version row as it is read.
#[derive(Queryable)]
pub(crate) struct StoredVersion {
    record: String,
    version: i64,
    generation: i64,
    state: String,
    until: Option<i64>,
    envelope: Option<Vec<u8>>,
    rewrap: bool,
    actor: String,
    reason: Option<String>,
    created_at: i64,
    last_used_at: Option<i64>,
    mac: Option<Vec<u8>>,
}

impl TryFrom<StoredVersion> for VersionRow {
    type Error = Error;

    fn try_from(row: StoredVersion) -> Result<Self> {
        let bad = |column| damaged(TABLE, column);
        let state = match (row.state.as_str(), row.until) {
            ("pending", None) => VersionState::Pending,
            ("live", None) => VersionState::Live,
            ("retiring", Some(until)) => VersionState::Retiring { until: Micros(until) },
            ("retired", None) => VersionState::Retired,
            ("shredded", None) => VersionState::Shredded,
            _ => return Err(bad("state")),
        };
        Ok(Self {
            record: record(TABLE, &row.record)?,
            version: version(TABLE, "version", row.version)?,
            generation: u64::try_from(row.generation).map_err(|_| bad("generation"))?,
            state,
            envelope: row.envelope.map(Envelope::from_bytes),
            rewrap: row.rewrap,
            by: Actor::new(row.actor).map_err(|_| bad("actor"))?,
            reason: row.reason.map(Reason::new).transpose().map_err(|_| bad("reason"))?,
            created_at: Micros(row.created_at),
            last_used_at: row.last_used_at.map(Micros),
            mac: row.mac.map(RowMac),
        })
    }
}

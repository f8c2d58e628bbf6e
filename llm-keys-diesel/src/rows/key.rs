//! Rows of `llm_keys_keys`.

use diesel::prelude::*;
use llm_keys::error::{Error, Result};
use llm_keys::model::{Days, Hint, KeyRow, RowMac, Settings, TemplateRef};
use llm_keys::store::ScannedKey;
use llm_keys::{KeyId, KeyName, KeyState, Labels, Micros, Owner, Service, Tenant};

use super::{damaged, micros_column, record, version, version_column};
use crate::schema::llm_keys_keys;

const TABLE: &str = "llm_keys_keys";

/// A key row as it is written. `last_used_at` is not here: replacing a row keeps it.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = llm_keys_keys, primary_key(record), treat_none_as_null = true)]
pub(crate) struct NewKey<'a> {
    record: String,
    tenant: &'a str,
    path: String,
    owner_kind: &'a str,
    owner_id: &'a str,
    service: &'a str,
    name: &'a str,
    #[diesel(embed)]
    content: KeyContent<'a>,
}

/// What of a key row may change while its id stays. To set the columns of the id, too, makes SQLite
/// write every index of the row anew, whatever their values are.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = llm_keys_keys, treat_none_as_null = true)]
pub(crate) struct KeyContent<'a> {
    state: &'a str,
    purge_at: Option<i64>,
    current_version: Option<i64>,
    latest_version: Option<i64>,
    generation: i64,
    kept: String,
    settings: String,
    template: Option<&'a str>,
    labels: String,
    hint: Option<&'a str>,
    expires_at: Option<i64>,
    rotate_every: Option<i64>,
    due_at: Option<i64>,
    due_told: Option<i64>,
    created_at: i64,
    updated_at: i64,
    mac: Option<&'a [u8]>,
}

impl<'a> TryFrom<&'a KeyRow> for NewKey<'a> {
    type Error = Error;

    fn try_from(row: &'a KeyRow) -> Result<Self> {
        Ok(Self {
            record: row.record.hyphenated().to_string(),
            tenant: row.id.tenant.as_str(),
            path: row.id.path(),
            owner_kind: row.id.owner.kind(),
            owner_id: row.id.owner.id(),
            service: row.id.service.as_str(),
            name: row.id.name.as_str(),
            content: row.try_into()?,
        })
    }
}

impl<'a> TryFrom<&'a KeyRow> for KeyContent<'a> {
    type Error = Error;

    fn try_from(row: &'a KeyRow) -> Result<Self> {
        let bad = |what: &str| Error::invalid("store.commit", format!("the {what} does not fit"));
        Ok(Self {
            state: row.state.word(),
            purge_at: match row.state {
                KeyState::Deleted { purge_at } => Some(purge_at.0),
                _ => None,
            },
            current_version: row.current.map(version_column),
            latest_version: row.latest.map(version_column),
            generation: i64::try_from(row.generation).map_err(|_| bad("generation"))?,
            kept: row.kept.to_string(),
            settings: serde_json::to_string(&row.settings).map_err(|_| bad("settings"))?,
            template: row.template.as_ref().map(|template| template.0.as_str()),
            labels: serde_json::to_string(&row.labels).map_err(|_| bad("labels"))?,
            hint: row.hint.as_ref().map(Hint::as_str),
            expires_at: micros_column(row.expires_at),
            rotate_every: row.rotate_every.map(|days| i64::from(days.0)),
            due_at: micros_column(row.due_at),
            due_told: micros_column(row.due_told),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
            mac: row.mac.as_ref().map(|mac| mac.0.as_slice()),
        })
    }
}

/// A key row as it is read.
#[derive(Queryable)]
pub(crate) struct StoredKey {
    record: String,
    tenant: String,
    path: String,
    owner_kind: String,
    owner_id: String,
    service: String,
    name: String,
    state: String,
    purge_at: Option<i64>,
    current_version: Option<i64>,
    latest_version: Option<i64>,
    generation: i64,
    kept: String,
    settings: String,
    template: Option<String>,
    labels: String,
    hint: Option<String>,
    expires_at: Option<i64>,
    rotate_every: Option<i64>,
    due_at: Option<i64>,
    due_told: Option<i64>,
    created_at: i64,
    updated_at: i64,
    last_used_at: Option<i64>,
    mac: Option<Vec<u8>>,
}

impl StoredKey {
    /// What a scan says of the row, whether it can be read or not.
    pub(crate) fn scanned(self) -> ScannedKey {
        let Self { record, tenant, owner_kind, owner_id, service, name, .. } = &self;
        let owner = if owner_id.is_empty() { "" } else { ":" };
        let name = format!("{tenant}/{owner_kind}{owner}{owner_id}/{service}/{name}");
        // What cannot be read may hold anything.
        let name = name.replace(char::is_control, " ");
        ScannedKey { place: record.clone(), name, row: self.try_into() }
    }
}

impl TryFrom<StoredKey> for KeyRow {
    type Error = Error;

    fn try_from(row: StoredKey) -> Result<Self> {
        let bad = |column| damaged(TABLE, column);
        let id =
            key_id(TABLE, &row.tenant, (&row.owner_kind, &row.owner_id), &row.service, &row.name)?;
        // The row was found by its path; the other columns must tell the same key.
        if id.path() != row.path {
            return Err(bad("path"));
        }
        let state = match (row.state.as_str(), row.purge_at) {
            ("active", None) => KeyState::Active,
            ("inactive", None) => KeyState::Inactive,
            ("deleted", Some(at)) => KeyState::Deleted { purge_at: Micros(at) },
            _ => return Err(bad("state")),
        };
        let number = |column, number: Option<i64>| {
            number.map(|number| version(TABLE, column, number)).transpose()
        };
        Ok(Self {
            id,
            record: record(TABLE, &row.record)?,
            state,
            current: number("current_version", row.current_version)?,
            latest: number("latest_version", row.latest_version)?,
            generation: u64::try_from(row.generation).map_err(|_| bad("generation"))?,
            kept: row.kept.parse().map_err(|_| bad("kept"))?,
            settings: serde_json::from_str::<Settings>(&row.settings)
                .map_err(|_| bad("settings"))?,
            template: row.template.map(TemplateRef),
            labels: serde_json::from_str::<Labels>(&row.labels).map_err(|_| bad("labels"))?,
            hint: row
                .hint
                .map(|hint| Hint::from_column(&hint).ok_or_else(|| bad("hint")))
                .transpose()?,
            expires_at: row.expires_at.map(Micros),
            rotate_every: row
                .rotate_every
                .map(|days| u32::try_from(days).map(Days).map_err(|_| bad("rotate_every")))
                .transpose()?,
            due_at: row.due_at.map(Micros),
            due_told: row.due_told.map(Micros),
            created_at: Micros(row.created_at),
            updated_at: Micros(row.updated_at),
            last_used_at: row.last_used_at.map(Micros),
            mac: row.mac.map(RowMac),
        })
    }
}

/// The id in the columns of a row.
pub(crate) fn key_id(
    table: &'static str,
    tenant: &str,
    owner: (&str, &str),
    service: &str,
    name: &str,
) -> Result<KeyId> {
    Ok(KeyId {
        tenant: Tenant::new(tenant).map_err(|_| damaged(table, "tenant"))?,
        owner: Owner::from_columns(owner.0, owner.1).ok_or_else(|| damaged(table, "owner_kind"))?,
        service: Service::new(service).map_err(|_| damaged(table, "service"))?,
        name: KeyName::new(name).map_err(|_| damaged(table, "name"))?,
    })
}

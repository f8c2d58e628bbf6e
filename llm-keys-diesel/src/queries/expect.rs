//! What must hold before a change is made.

use std::collections::HashMap;

use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::envelope::Envelope;
use llm_keys::error::Result;
use llm_keys::model::SystemName;
use llm_keys::store::{Change, Expect};
use llm_keys::{KeyId, Tenant, Version};
use uuid::Uuid;

use super::key_find::one_version;
use super::system::one_system;
use crate::backend::Conn;
use crate::failure::{conflict, failed};
use crate::rows::change::StoredId;
use crate::rows::version_column;
use crate::schema::{
    llm_keys_keys as keys, llm_keys_system as system, llm_keys_versions as versions,
};

const OP: &str = "store.commit";

/// Checks every expectation of `change`, inside its transaction, and locks the rows that they are
/// about; gives the ids of the records whose
/// rows are there, as far as they are needed to say which keys changed.
pub(super) async fn check_in_txn(conn: &mut Conn, change: &Change) -> Result<HashMap<Uuid, KeyId>> {
    let mut ids = HashMap::new();
    for expect in in_order(&change.expect) {
        let holds = match expect {
            Expect::Absent(id) => is_absent(conn, id, &change.purge).await?,
            Expect::Generation { record, generation } => {
                match locked_generation_of(conn, *record).await? {
                    Some((found, id)) => {
                        ids.insert(*record, id);
                        u64::try_from(found) == Ok(*generation)
                    }
                    None => false,
                }
            }
            Expect::Envelope { record, version, hash } => {
                if let Some(id) = id_of(conn, *record).await? {
                    ids.insert(*record, id);
                }
                envelope_of(conn, *record, *version).await?.is_some_and(|found| found == *hash)
            }
            Expect::System { tenant, name, version } => {
                system_version_of(conn, tenant, name).await? == version.map(version_column)
            }
            // An expectation that we cannot check does not hold.
            _ => false,
        };
        if !holds {
            return Err(conflict(OP, "somebody else changed the same thing first"));
        }
    }
    Ok(ids)
}

/// In one order for all, so that two changes that lock the same rows do not wait for each other.
fn in_order(all: &[Expect]) -> Vec<&Expect> {
    let mut all: Vec<_> = all.iter().collect();
    all.sort_by_key(|expect| match expect {
        Expect::Absent(_) => (0, None, None, None),
        Expect::Generation { record, .. } => (1, Some(*record), None, None),
        Expect::Envelope { record, version, .. } => (2, Some(*record), Some(*version), None),
        Expect::System { tenant, name, .. } => (3, None, None, Some((tenant, name))),
        _ => (4, None, None, None),
    });
    all
}

async fn is_absent(conn: &mut Conn, id: &KeyId, purge: &[Uuid]) -> Result<bool> {
    let path = id.path();
    let found: Option<String> = on_backend!(conn, |conn| {
        record_of(id.tenant.as_str(), &path).first(conn).await.optional()
    })
    .map_err(|error| failed(OP, error))?;
    Ok(found
        .is_none_or(|found| purge.iter().any(|record| record.hyphenated().to_string() == found)))
}

async fn locked_generation_of(conn: &mut Conn, record: Uuid) -> Result<Option<(i64, KeyId)>> {
    let record = record.hyphenated().to_string();
    let found: Option<(i64, StoredId)> =
        on_backend!(conn, locking rows = key_of_record(&record), |conn| {
            rows.first(conn).await.optional()
        })
        .map_err(|error| failed(OP, error))?;
    found.map(|(generation, id)| Ok((generation, id.try_into()?))).transpose()
}

/// The id does not change while the row is there, so the row is not locked.
async fn id_of(conn: &mut Conn, record: Uuid) -> Result<Option<KeyId>> {
    let record = record.hyphenated().to_string();
    let found: Option<(i64, StoredId)> =
        on_backend!(conn, |conn| key_of_record(&record).first(conn).await.optional())
            .map_err(|error| failed(OP, error))?;
    found.map(|(_, id)| id.try_into()).transpose()
}

async fn envelope_of(conn: &mut Conn, record: Uuid, version: Version) -> Result<Option<[u8; 32]>> {
    let record = record.hyphenated().to_string();
    let version = version_column(version);
    let found: Option<Option<Vec<u8>>> = on_backend!(
        conn,
        locking rows = one_version(&record, version).select(versions::envelope),
        |conn| rows.first(conn).await.optional()
    )
    .map_err(|error| failed(OP, error))?;
    Ok(found.flatten().map(|bytes| Envelope::from_bytes(bytes).hash()))
}

async fn system_version_of(
    conn: &mut Conn,
    tenant: &Tenant,
    name: &SystemName,
) -> Result<Option<i64>> {
    on_backend!(
        conn,
        locking rows = one_system(tenant.as_str(), name.as_str()).select(system::version),
        |conn| rows.first(conn).await.optional()
    )
    .map_err(|error| failed(OP, error))
}

#[auto_type]
pub(super) fn record_of<'a>(tenant: &'a str, path: &'a str) -> _ {
    keys::table.select(keys::record).filter(keys::tenant.eq(tenant)).filter(keys::path.eq(path))
}

#[auto_type]
pub(super) fn key_of_record<'a>(record: &'a str) -> _ {
    keys::table
        .select((
            keys::generation,
            (keys::tenant, keys::owner_kind, keys::owner_id, keys::service, keys::name),
        ))
        .filter(keys::record.eq(record))
}

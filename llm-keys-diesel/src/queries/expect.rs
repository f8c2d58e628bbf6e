//! What must hold before a change is made.

use std::collections::{BTreeSet, HashMap};

use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::envelope::Envelope;
use llm_keys::error::Result;
use llm_keys::model::SystemName;
use llm_keys::store::{Change, Expect};
use llm_keys::{KeyId, Tenant, Version};
use uuid::Uuid;

use super::system::one_system;
use crate::backend::{Conn, ROWS_AT_ONCE};
use crate::failure::{conflict, failed};
use crate::rows::change::StoredId;
use crate::rows::{record, version, version_column};
use crate::schema::{
    llm_keys_keys as keys, llm_keys_system as system, llm_keys_versions as versions,
};

const OP: &str = "store.commit";

/// Checks every expectation of `change`, inside its transaction, and locks the rows that they are
/// about; gives the ids of the records whose
/// rows are there, as far as they are needed to say which keys changed.
pub(super) async fn check_in_txn(conn: &mut Conn, change: &Change) -> Result<HashMap<Uuid, KeyId>> {
    let expects = in_order(&change.expect);
    // The keys first, all of them: whoever changes a version changes its key, too.
    let keys = locked_keys(conn, &expects).await?;
    let envelopes = locked_envelopes(conn, &expects).await?;
    let mut ids: HashMap<_, _> =
        keys.iter().map(|(record, (_, id))| (*record, id.clone())).collect();
    for expect in expects {
        let holds = match expect {
            Expect::Absent(id) => is_absent(conn, id, &change.purge).await?,
            Expect::Generation { record, generation } => {
                keys.get(record).is_some_and(|(found, _)| u64::try_from(*found) == Ok(*generation))
            }
            Expect::Envelope { record, version, hash } => {
                if !ids.contains_key(record)
                    && let Some(id) = id_of(conn, *record).await?
                {
                    ids.insert(*record, id);
                }
                envelopes.get(&(*record, *version)) == Some(hash)
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

/// Generation and id of the keys whose generation is expected, as far as they are there. One by one
/// they would cost a walk over many keys more time than all else that it stores.
async fn locked_keys(conn: &mut Conn, expects: &[&Expect]) -> Result<HashMap<Uuid, (i64, KeyId)>> {
    let mut wanted: Vec<_> = expects.iter().filter_map(|expect| generation_of(expect)).collect();
    wanted.dedup();
    let mut found: Vec<(String, (i64, StoredId))> = Vec::with_capacity(wanted.len());
    if let [record] = wanted.as_slice() {
        // Almost every change has one: a statement that stays prepared.
        let one: Option<(i64, StoredId)> =
            on_backend!(conn, locking rows = key_of_record(record), |conn| {
                rows.first(conn).await.optional()
            })
            .map_err(|error| failed(OP, error))?;
        found.extend(one.map(|one| (record.clone(), one)));
    } else {
        for wanted in wanted.chunks(ROWS_AT_ONCE) {
            let more: Vec<(String, (i64, StoredId))> = on_backend!(conn, locking rows = keys::table
                .select((
                    keys::record,
                    (
                        keys::generation,
                        (
                            keys::tenant,
                            keys::owner_kind,
                            keys::owner_id,
                            keys::service,
                            keys::name,
                        ),
                    ),
                ))
                .filter(keys::record.eq_any(wanted))
                .order(keys::record.asc()), |conn| {
                rows.load(conn).await
            })
            .map_err(|error| failed(OP, error))?;
            found.extend(more);
        }
    }
    let known = found.into_iter().map(|(text, (generation, id))| {
        Ok((record("llm_keys_keys", &text)?, (generation, id.try_into()?)))
    });
    known.collect()
}

fn generation_of(expect: &Expect) -> Option<String> {
    match expect {
        Expect::Generation { record, .. } => Some(record.hyphenated().to_string()),
        _ => None,
    }
}

/// The hashes of the envelopes that are expected, as far as they are there; with them may come those
/// of other versions of the same keys.
async fn locked_envelopes(
    conn: &mut Conn,
    expects: &[&Expect],
) -> Result<HashMap<(Uuid, Version), [u8; 32]>> {
    let wanted: Vec<_> = expects.iter().filter_map(|expect| version_of(expect)).collect();
    let mut hashes = HashMap::with_capacity(wanted.len());
    for wanted in wanted.chunks(ROWS_AT_ONCE) {
        let (records, numbers): (BTreeSet<_>, BTreeSet<_>) = wanted.iter().cloned().unzip();
        let found: Vec<(String, i64, Option<Vec<u8>>)> = on_backend!(
            conn,
            locking rows = versions::table
                .select((versions::record, versions::version, versions::envelope))
                .filter(versions::record.eq_any(&records))
                .filter(versions::version.eq_any(&numbers))
                .order((versions::record.asc(), versions::version.asc())),
            |conn| rows.load(conn).await
        )
        .map_err(|error| failed(OP, error))?;
        for (text, number, envelope) in found {
            let Some(bytes) = envelope else { continue };
            let place = (record(TABLE, &text)?, version(TABLE, "version", number)?);
            hashes.insert(place, Envelope::from_bytes(bytes).hash());
        }
    }
    Ok(hashes)
}

const TABLE: &str = "llm_keys_versions";

fn version_of(expect: &Expect) -> Option<(String, i64)> {
    match expect {
        Expect::Envelope { record, version, .. } => {
            Some((record.hyphenated().to_string(), version_column(*version)))
        }
        _ => None,
    }
}

/// The id does not change while the row is there, so the row is not locked.
async fn id_of(conn: &mut Conn, record: Uuid) -> Result<Option<KeyId>> {
    let record = record.hyphenated().to_string();
    let found: Option<(i64, StoredId)> =
        on_backend!(conn, |conn| key_of_record(&record).first(conn).await.optional())
            .map_err(|error| failed(OP, error))?;
    found.map(|(_, id)| id.try_into()).transpose()
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

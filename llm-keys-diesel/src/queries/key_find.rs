//! One key with its current version, and one version.

use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::error::Result;
use llm_keys::model::{KeyRow, VersionRow};
use llm_keys::{KeyId, Version};
use uuid::Uuid;

use crate::backend::Conn;
use crate::failure::failed;
use crate::rows::key::StoredKey;
use crate::rows::version::StoredVersion;
use crate::rows::version_column;
use crate::schema::{llm_keys_keys as keys, llm_keys_versions as versions};

/// A key row and its current version, if it has one.
pub(crate) async fn key_find(
    conn: &mut Conn,
    id: &KeyId,
) -> Result<Option<(KeyRow, Option<VersionRow>)>> {
    let path = id.path();
    let found: Option<(StoredKey, Option<StoredVersion>)> = on_backend!(conn, |conn| {
        key_with_current(id.tenant.as_str(), &path).first(conn).await.optional()
    })
    .map_err(|error| failed("store.key_find", error))?;
    let Some((key, version)) = found else { return Ok(None) };
    Ok(Some((key.try_into()?, version.map(VersionRow::try_from).transpose()?)))
}

/// One version.
pub(crate) async fn version_find(
    conn: &mut Conn,
    record: Uuid,
    version: Version,
) -> Result<Option<VersionRow>> {
    let record = record.hyphenated().to_string();
    let found: Option<StoredVersion> = on_backend!(conn, |conn| {
        one_version(&record, version_column(version)).first(conn).await.optional()
    })
    .map_err(|error| failed("store.version_find", error))?;
    found.map(VersionRow::try_from).transpose()
}

#[auto_type]
pub(super) fn key_with_current<'a>(tenant: &'a str, path: &'a str) -> _ {
    keys::table
        .left_join(
            versions::table.on(versions::record
                .eq(keys::record)
                .and(versions::version.nullable().eq(keys::current_version))),
        )
        .filter(keys::tenant.eq(tenant))
        .filter(keys::path.eq(path))
}

#[auto_type]
pub(super) fn one_version<'a>(record: &'a str, version: i64) -> _ {
    versions::table.filter(versions::record.eq(record)).filter(versions::version.eq(version))
}

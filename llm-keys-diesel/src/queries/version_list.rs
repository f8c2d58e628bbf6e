//! Versions: all of one record, and all that have an envelope.

use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::error::Result;
use llm_keys::model::{KeyRow, VersionRow};
use llm_keys::{PageSize, Version};
use uuid::Uuid;

use crate::backend::Conn;
use crate::failure::failed;
use crate::rows::key::StoredKey;
use crate::rows::version::StoredVersion;
use crate::rows::version_column;
use crate::schema::{llm_keys_keys as keys, llm_keys_versions as versions};

/// All versions of one record.
pub(crate) async fn version_list(conn: &mut Conn, record: Uuid) -> Result<Vec<VersionRow>> {
    let record = record.hyphenated().to_string();
    let found: Vec<StoredVersion> =
        on_backend!(conn, |conn| all_versions(&record).load(conn).await)
            .map_err(|error| failed("store.version_list", error))?;
    found.into_iter().map(VersionRow::try_from).collect()
}

/// A page of the versions that have an envelope, with their keys. Two statements, because one that
/// asks for "this record and later versions, or later records" makes some databases scan.
pub(crate) async fn version_scan(
    conn: &mut Conn,
    after: Option<(Uuid, Version)>,
    size: PageSize,
) -> Result<Vec<(KeyRow, VersionRow)>> {
    let limit = i64::from(size.get());
    let (record, version) = match after {
        Some((record, version)) => (record.hyphenated().to_string(), version_column(version)),
        // Before the first: no record has an empty text.
        None => (String::new(), 0),
    };
    let mut found: Vec<(StoredKey, StoredVersion)> = match after {
        Some(_) => on_backend!(conn, |conn| rest_of(&record, version, limit).load(conn).await),
        None => Ok(Vec::new()),
    }
    .map_err(|error| failed(OP, error))?;
    let left = limit - i64::try_from(found.len()).unwrap_or(limit);
    if left > 0 {
        let later: Vec<(StoredKey, StoredVersion)> =
            on_backend!(conn, |conn| later_than(&record, left).load(conn).await)
                .map_err(|error| failed(OP, error))?;
        found.extend(later);
    }
    found.into_iter().map(|(key, version)| Ok((key.try_into()?, version.try_into()?))).collect()
}

const OP: &str = "store.version_scan";

#[auto_type]
pub(super) fn all_versions<'a>(record: &'a str) -> _ {
    versions::table.filter(versions::record.eq(record)).order(versions::version.asc())
}

#[auto_type]
pub(super) fn rest_of<'a>(record: &'a str, version: i64, limit: i64) -> _ {
    keys::table
        .inner_join(versions::table.on(versions::record.eq(keys::record)))
        .filter(versions::record.eq(record))
        .filter(versions::version.gt(version))
        .filter(versions::envelope.is_not_null())
        .order(versions::version.asc())
        .limit(limit)
}

#[auto_type]
pub(super) fn later_than<'a>(record: &'a str, limit: i64) -> _ {
    keys::table
        .inner_join(versions::table.on(versions::record.eq(keys::record)))
        .filter(versions::record.gt(record))
        .filter(versions::envelope.is_not_null())
        .order((versions::record.asc(), versions::version.asc()))
        .limit(limit)
}

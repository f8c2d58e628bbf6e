//! All key rows, also those that cannot be read.

use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::PageSize;
use llm_keys::error::Result;
use llm_keys::store::ScannedKey;

use crate::backend::Conn;
use crate::failure::failed;
use crate::rows::key::StoredKey;
use crate::schema::llm_keys_keys as keys;

/// A page of the key rows, ordered by record.
pub(crate) async fn key_scan(
    conn: &mut Conn,
    after: Option<&str>,
    size: PageSize,
) -> Result<Vec<ScannedKey>> {
    let limit = i64::from(size.get());
    // Before the first: no record has an empty text.
    let after = after.unwrap_or_default();
    let found: Vec<StoredKey> =
        on_backend!(conn, |conn| later_records(after, limit).load(conn).await)
            .map_err(|error| failed("store.key_scan", error))?;
    Ok(found.into_iter().map(StoredKey::scanned).collect())
}

#[auto_type]
pub(super) fn later_records<'a>(after: &'a str, limit: i64) -> _ {
    keys::table.filter(keys::record.gt(after)).order(keys::record.asc()).limit(limit)
}

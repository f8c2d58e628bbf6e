//! What falls due, of all tenants.

use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::error::Result;
use llm_keys::model::KeyRow;
use llm_keys::{Micros, PageSize};
use uuid::Uuid;

use crate::backend::Conn;
use crate::failure::failed;
use crate::rows::key::StoredKey;
use crate::schema::llm_keys_keys as keys;

/// The keys that fall due before `before`, the most urgent first. Two statements, as for a scan of
/// versions.
pub(crate) async fn key_due(
    conn: &mut Conn,
    before: Micros,
    after: Option<(Micros, Uuid)>,
    size: PageSize,
) -> Result<Vec<KeyRow>> {
    let limit = i64::from(size.get());
    let mut found: Vec<StoredKey> = Vec::new();
    if let Some((Micros(due), record)) = after.filter(|(due, _)| *due < before) {
        let record = record.hyphenated().to_string();
        found = on_backend!(conn, |conn| rest_of(due, &record, limit).load(conn).await)
            .map_err(|error| failed(OP, error))?;
    }
    let left = limit - i64::try_from(found.len()).unwrap_or(limit);
    if left > 0 {
        let later: Vec<StoredKey> = match after {
            Some((Micros(due), _)) => {
                on_backend!(conn, |conn| between(due, before.0, left).load(conn).await)
            }
            None => on_backend!(conn, |conn| until(before.0, left).load(conn).await),
        }
        .map_err(|error| failed(OP, error))?;
        found.extend(later);
    }
    found.into_iter().map(KeyRow::try_from).collect()
}

const OP: &str = "store.key_due";

#[auto_type]
pub(super) fn rest_of<'a>(due: i64, record: &'a str, limit: i64) -> _ {
    keys::table
        .filter(keys::due_at.eq(due))
        .filter(keys::record.gt(record))
        .order(keys::record.asc())
        .limit(limit)
}

#[auto_type]
pub(super) fn between(after: i64, before: i64, limit: i64) -> _ {
    keys::table
        .filter(keys::due_at.gt(after))
        .filter(keys::due_at.lt(before))
        .order((keys::due_at.asc(), keys::record.asc()))
        .limit(limit)
}

#[auto_type]
pub(super) fn until(before: i64, limit: i64) -> _ {
    keys::table
        .filter(keys::due_at.lt(before))
        .order((keys::due_at.asc(), keys::record.asc()))
        .limit(limit)
}

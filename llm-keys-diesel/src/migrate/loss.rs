//! What a way back would lose.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::error::Result;

use super::OP;
use crate::backend::Conn;
use crate::failure::failed;
use crate::schema::{
    llm_keys_events as events, llm_keys_keys as keys, llm_keys_system as system,
    llm_keys_versions as versions,
};

/// Whether taking back the migration of this name loses something that was stored. A migration that
/// is not named here loses everything.
pub(super) async fn by_taking_back(conn: &mut Conn, name: &str) -> Result<bool> {
    match name {
        "2026-11-20-180000_life_cycle" => life_cycle(conn).await,
        _ => anything(conn).await,
    }
}

/// Columns that say something which the older tables have no place for.
async fn life_cycle(conn: &mut Conn) -> Result<bool> {
    let of_keys: Option<String> = on_backend!(conn, |conn| {
        keys::table
            .select(keys::record)
            .filter(
                keys::kept.ne("").or(keys::due_at.is_not_null()).or(keys::due_told.is_not_null()),
            )
            .first(conn)
            .await
            .optional()
    })
    .map_err(|error| failed(OP, error))?;
    let of_versions: Option<String> = on_backend!(conn, |conn| {
        let counted = versions::table.filter(versions::generation.ne(0));
        counted.select(versions::record).first(conn).await.optional()
    })
    .map_err(|error| failed(OP, error))?;
    Ok(of_keys.is_some() || of_versions.is_some())
}

async fn anything(conn: &mut Conn) -> Result<bool> {
    let key: Option<String> =
        on_backend!(conn, |conn| keys::table.select(keys::record).first(conn).await.optional())
            .map_err(|error| failed(OP, error))?;
    let record: Option<String> = on_backend!(conn, |conn| {
        system::table.select(system::name).first(conn).await.optional()
    })
    .map_err(|error| failed(OP, error))?;
    let event: Option<i64> = on_backend!(conn, |conn| {
        events::table.select(events::seq).first(conn).await.optional()
    })
    .map_err(|error| failed(OP, error))?;
    Ok(key.is_some() || record.is_some() || event.is_some())
}

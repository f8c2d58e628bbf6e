//! Last uses.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::error::Result;
use llm_keys::store::Use;

use super::{begin_txn, end_txn};
use crate::backend::Conn;
use crate::failure::failed;
use crate::rows::version_column;
use crate::schema::{llm_keys_keys as keys, llm_keys_versions as versions};

const OP: &str = "store.touch";

/// Moves last uses forward, in one transaction.
pub(crate) async fn touch(conn: &mut Conn, uses: &[Use]) -> Result<()> {
    if uses.is_empty() {
        return Ok(());
    }
    begin_txn(conn, OP).await?;
    let made = all_in_txn(conn, uses).await;
    end_txn(conn, OP, made).await
}

async fn all_in_txn(conn: &mut Conn, uses: &[Use]) -> Result<()> {
    for one in uses {
        touch_in_txn(conn, one).await?;
    }
    Ok(())
}

async fn touch_in_txn(conn: &mut Conn, one: &Use) -> Result<()> {
    let record = one.record.hyphenated().to_string();
    let (version, at) = (version_column(one.version), one.at.0);
    on_backend!(conn, |conn| {
        let key = keys::table
            .filter(keys::record.eq(&record))
            .filter(keys::last_used_at.is_null().or(keys::last_used_at.lt(at)));
        diesel::update(key).set(keys::last_used_at.eq(at)).execute(conn).await
    })
    .map_err(|error| failed(OP, error))?;
    on_backend!(conn, |conn| {
        let row = versions::table
            .filter(versions::record.eq(&record))
            .filter(versions::version.eq(version))
            .filter(versions::last_used_at.is_null().or(versions::last_used_at.lt(at)));
        diesel::update(row).set(versions::last_used_at.eq(at)).execute(conn).await
    })
    .map_err(|error| failed(OP, error))?;
    Ok(())
}

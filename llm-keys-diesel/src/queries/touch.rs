//! Last uses.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::error::Result;
use llm_keys::store::Use;

use crate::backend::Conn;
use crate::failure::failed;
use crate::rows::version_column;
use crate::schema::{llm_keys_keys as keys, llm_keys_versions as versions};

const OP: &str = "store.touch";

/// The last use of each version, in one order for all: two that lock the same rows do not wait for
/// each other.
pub(crate) fn in_order(uses: &[Use]) -> Vec<Use> {
    let mut uses = uses.to_vec();
    uses.sort_unstable_by_key(|one| (one.record, one.version, one.at));
    uses
}

/// Moves last uses forward.
pub(crate) async fn touch_in_txn(conn: &mut Conn, uses: &[Use]) -> Result<()> {
    for one in uses {
        touch_one(conn, one).await?;
        fail_point!("touch.one");
    }
    Ok(())
}

async fn touch_one(conn: &mut Conn, one: &Use) -> Result<()> {
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

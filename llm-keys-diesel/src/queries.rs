//! Every query, each written once. The statements that must seek, not scan, are functions of their
//! own, so that `plan_tests` can ask SQLite how it would run them.

use llm_keys::error::Result;

use crate::backend::Conn;
use crate::dialect;
use crate::failure::failed;

pub(crate) mod changes;
pub(crate) mod commit;
pub(crate) mod events;
pub(crate) mod expect;
pub(crate) mod key_due;
pub(crate) mod key_find;
pub(crate) mod key_list;
pub(crate) mod key_scan;
#[cfg(test)]
mod plan_tests;
pub(crate) mod system;
pub(crate) mod touch;
pub(crate) mod version_list;

/// Begins a transaction that writes; [`end_txn`] ends it, whatever happened in between.
pub(crate) async fn begin_txn(conn: &mut Conn, op: &'static str) -> Result<()> {
    fail_point!("txn.begin");
    dialect::begin_write(conn).await.map_err(|error| failed(op, error))?;
    fail_point!("txn.begun");
    Ok(())
}

/// Commits if `made` is `Ok`, or makes nothing of it.
pub(crate) async fn end_txn(conn: &mut Conn, op: &'static str, made: Result<()>) -> Result<()> {
    match made {
        Ok(()) => {
            fail_point!("txn.made");
            dialect::commit(conn).await.map_err(|error| failed(op, error))?;
            fail_point!("txn.committed");
            Ok(())
        }
        Err(error) => {
            // SQLite rolls back by itself when the disk is full; a connection that cannot roll
            // back is dropped by the pool, and the transaction with it.
            if let Err(rollback) = dialect::rollback(conn).await {
                tracing::debug!(%rollback, "a transaction was dropped with its connection");
            }
            Err(error)
        }
    }
}

//! The feed of changes: which keys other processes must look at again.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::KeyId;
use llm_keys::error::Result;
use llm_keys::model::Seq;
use llm_keys::store::Changes;

use crate::backend::Conn;
use crate::dialect;
use crate::failure::failed;
use crate::rows::change::{NewChange, StoredId};
use crate::rows::damaged;
use crate::schema::{llm_keys_changes as changes, llm_keys_counters as counters};

/// How many rows the feed keeps: one for each key of a commit.
pub(crate) const FEED_LEN: i64 = 10_000;

const OP: &str = "store.changes_since";

/// What changed after `since`.
pub(crate) async fn changes_since(conn: &mut Conn, since: Seq) -> Result<Changes> {
    let head: i64 = on_backend!(conn, |conn| counter("changes").first(conn).await)
        .map_err(|error| failed(OP, error))?;
    let stand = u64::try_from(head).map_err(|_| damaged("llm_keys_counters", "value"))?;
    // A caller ahead of us stood in another feed: it knows nothing of this one.
    let Some(from) = i64::try_from(since.0).ok().filter(|since| *since <= head) else {
        return Ok(Changes { head: Seq(stand), keys: Vec::new(), complete: false });
    };
    let found: Vec<StoredId> = on_backend!(conn, |conn| feed(from, head).load(conn).await)
        .map_err(|error| failed(OP, error))?;
    // Every number up to the head was given to one row: a missing one was dropped as too old.
    let complete = i64::try_from(found.len()) == Ok(head - from);
    let keys = found.into_iter().map(KeyId::try_from).collect::<Result<BTreeSet<_>>>()?;
    Ok(Changes { head: Seq(stand), keys: keys.into_iter().collect(), complete })
}

/// Adds `touched` to the feed, drops what is too old, and tells others.
pub(super) async fn record_in_txn(
    conn: &mut Conn,
    touched: &BTreeSet<KeyId>,
    can_notify: &OnceLock<bool>,
) -> Result<()> {
    if touched.is_empty() {
        return Ok(());
    }
    let head = advance_in_txn(conn, "changes", touched.len()).await?;
    let rows = (1..=head).rev().zip(touched).map(|(seq, id)| NewChange::new(seq, id));
    insert_all!(conn, changes::table, rows.collect::<Vec<_>>())
        .map_err(|error| failed(OP, error))?;
    let keep = head.saturating_sub(FEED_LEN);
    on_backend!(conn, |conn| {
        diesel::delete(changes::table.filter(changes::seq.le(keep))).execute(conn).await
    })
    .map_err(|error| failed(OP, error))?;
    dialect::notify(conn, can_notify).await.map_err(|error| failed(OP, error))
}

/// Moves the counter `name` forward by `by`; its new value.
pub(super) async fn advance_in_txn(conn: &mut Conn, name: &'static str, by: usize) -> Result<i64> {
    let by = i64::try_from(by).unwrap_or(i64::MAX);
    on_backend!(conn, |conn| {
        // The update first: where rows are locked singly, it is what lets one commit pass at a
        // time, so that numbers become visible in their order.
        let row = counters::table.find(name);
        let moved = diesel::update(row).set(counters::value.eq(counters::value + by));
        match moved.execute(conn).await {
            Ok(_) => counter(name).first(conn).await,
            Err(error) => Err(error),
        }
    })
    .map_err(|error| failed("store.commit", error))
}

#[auto_type]
fn counter<'a>(name: &'a str) -> _ {
    counters::table.select(counters::value).filter(counters::name.eq(name))
}

#[auto_type]
pub(super) fn feed(from: i64, to: i64) -> _ {
    changes::table
        .select((
            changes::tenant,
            changes::owner_kind,
            changes::owner_id,
            changes::service,
            changes::name,
        ))
        .filter(changes::seq.gt(from))
        .filter(changes::seq.le(to))
}

//! Events that ride in a change.

use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::PageSize;
use llm_keys::error::Result;
use llm_keys::event::Event;
use llm_keys::model::Seq;

use super::changes::advance_in_txn;
use crate::backend::Conn;
use crate::failure::failed;
use crate::rows::event::{NewEvent, stored_event};
use crate::schema::llm_keys_events as events;

/// The events after `since`, oldest first.
pub(crate) async fn events_since(
    conn: &mut Conn,
    since: Seq,
    limit: PageSize,
) -> Result<Vec<(Seq, String)>> {
    // No event has a number beyond this.
    let since = i64::try_from(since.0).unwrap_or(i64::MAX);
    let limit = i64::from(limit.get());
    let found: Vec<(i64, String)> =
        on_backend!(conn, |conn| events_after(since, limit).load(conn).await)
            .map_err(|error| failed("store.events_since", error))?;
    found.into_iter().map(stored_event).collect()
}

/// Records `all`, in their order.
pub(super) async fn record_in_txn(conn: &mut Conn, all: &[Event]) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let head = advance_in_txn(conn, "events", all.len()).await?;
    let rows = (1..=head).rev().zip(all.iter().rev());
    let rows = rows.map(|(seq, event)| NewEvent::new(seq, event)).collect::<Result<Vec<_>>>()?;
    insert_all!(conn, events::table, rows).map_err(|error| failed("store.commit", error))
}

#[auto_type]
pub(super) fn events_after(since: i64, limit: i64) -> _ {
    events::table
        .select((events::seq, events::body))
        .filter(events::seq.gt(since))
        .order(events::seq.asc())
        .limit(limit)
}

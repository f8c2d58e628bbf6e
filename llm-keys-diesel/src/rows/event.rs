//! Rows of `llm_keys_events`.

use diesel::prelude::*;
use llm_keys::error::{Error, ErrorKind, Result};
use llm_keys::event::Event;
use llm_keys::model::Seq;

use super::damaged;
use crate::schema::llm_keys_events;

/// An event as it is written.
#[derive(Insertable)]
#[diesel(table_name = llm_keys_events)]
pub(crate) struct NewEvent {
    seq: i64,
    tenant: String,
    at: i64,
    body: String,
}

impl NewEvent {
    pub(crate) fn new(seq: i64, event: &Event) -> Result<Self> {
        let body = serde_json::to_string(event).map_err(|error| {
            Error::new(ErrorKind::Internal, "store.commit", "an event cannot be written as JSON")
                .with_source(error)
        })?;
        Ok(Self { seq, tenant: event.key.tenant.as_str().to_owned(), at: event.at.0, body })
    }
}

/// Position and JSON of an event, as they are read.
pub(crate) fn stored_event((seq, body): (i64, String)) -> Result<(Seq, String)> {
    let seq = u64::try_from(seq).map_err(|_| damaged("llm_keys_events", "seq"))?;
    Ok((Seq(seq), body))
}

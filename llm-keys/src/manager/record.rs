//! Recording what happens.

use std::sync::Arc;

use super::envelope_manager::Core;
use crate::error::{Error, Result};
use crate::event::{Action, Event, Outcome};
use crate::model::{Caller, KeyId, KeyRow, Version};

impl Core {
    /// Hands an event to the sink, and waits until it is recorded.
    pub(super) async fn record(&self, event: &Event) -> Result<()> {
        if self.sink.wants(event.action, event.outcome) {
            self.sink.emit(event).await?;
        }
        Ok(())
    }

    /// Records that an operation failed, and hands its error on. That the event is lost, too, must
    /// not hide why the operation failed.
    pub(super) async fn failed(
        &self,
        action: Action,
        id: &KeyId,
        caller: &Arc<Caller>,
        error: Error,
    ) -> Error {
        let outcome = Outcome::Failed(error.kind());
        if self.sink.wants(action, outcome)
            && let Err(lost) = self.sink.emit(&self.event(action, id, caller, outcome)).await
        {
            tracing::warn!(error = ?lost, "a failure could not be recorded");
        }
        error
    }

    /// Records that there is no such key.
    pub(super) async fn missing(
        &self,
        action: Action,
        id: &KeyId,
        caller: &Arc<Caller>,
    ) -> Result<()> {
        if self.sink.wants(action, Outcome::Missing) {
            self.sink.emit(&self.event(action, id, caller, Outcome::Missing)).await?;
        }
        Ok(())
    }

    /// The event of a change to `row` that is about to be committed.
    pub(super) fn change_event(
        &self,
        action: Action,
        row: &KeyRow,
        version: Option<Version>,
        caller: &Arc<Caller>,
    ) -> Event {
        self.event(action, &row.id, caller, Outcome::Ok).of(row.record, version)
    }

    fn event(&self, action: Action, id: &KeyId, caller: &Arc<Caller>, outcome: Outcome) -> Event {
        let key = Arc::new(id.clone());
        Event::new(self.clock.now(), action, key, Arc::clone(caller), outcome)
    }
}

//! Events as `tracing` events: the default sink.

use async_trait::async_trait;

use super::{Action, Event, EventSink, Outcome};
use crate::error::Result;

/// The target of every event: `llm_keys::event`.
const TARGET: &str = "llm_keys::event";

/// Writes each event through `tracing`, target `llm_keys::event`: `INFO` when it went well or the
/// key is missing, `WARN` when it failed. It records as well as the application's subscriber does.
#[derive(Clone, Copy, Default, Debug)]
pub struct TracingSink;

#[async_trait]
impl EventSink for TracingSink {
    fn wants(&self, _action: Action, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Failed(_) => tracing::enabled!(target: TARGET, tracing::Level::WARN),
            _ => tracing::enabled!(target: TARGET, tracing::Level::INFO),
        }
    }

    async fn emit(&self, event: &Event) -> Result<()> {
        /// The same fields at two levels; `tracing` wants the level to be a constant.
        macro_rules! record {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    action = event.action.word(),
                    tenant = %event.key.tenant,
                    owner = %event.key.owner,
                    service = %event.key.service,
                    name = %event.key.name,
                    record = event.record.map(tracing::field::display),
                    version = event.version.map(|version| version.get()),
                    actor = %event.caller.actor,
                    reason = event.caller.reason.as_ref().map(|reason| reason.as_str()),
                    request_id = event.caller.request_id.as_ref().map(|id| id.as_str()),
                    outcome = event.outcome.word(),
                    resolution = event.resolution.as_ref().map(tracing::field::display),
                )
            };
        }
        match event.outcome {
            Outcome::Failed(_) => record!(tracing::Level::WARN),
            _ => record!(tracing::Level::INFO),
        }
        Ok(())
    }
}

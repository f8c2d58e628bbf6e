//! Several sinks as one.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Action, Event, EventSink, Outcome};
use crate::error::Result;

/// Hands each event to every sink in turn; the first failure stops the operation.
#[derive(Clone, Debug)]
pub struct FanOut(Vec<Arc<dyn EventSink>>);

impl FanOut {
    /// Those sinks, in this order.
    pub fn new(sinks: Vec<Arc<dyn EventSink>>) -> Self {
        Self(sinks)
    }
}

#[async_trait]
impl EventSink for FanOut {
    fn wants(&self, action: Action, outcome: Outcome) -> bool {
        self.0.iter().any(|sink| sink.wants(action, outcome))
    }

    async fn emit(&self, event: &Event) -> Result<()> {
        for sink in &self.0 {
            if sink.wants(event.action, event.outcome) {
                sink.emit(event).await?;
            }
        }
        Ok(())
    }
}

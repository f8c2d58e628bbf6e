//! Sinks that keep events, refuse them, or want none.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Action, Event, EventSink, Outcome};

/// Keeps all events.
#[derive(Default, Debug)]
pub struct RecordingSink(Mutex<Vec<Event>>);

impl RecordingSink {
    /// The events since it was made or last [taken](Self::take), oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same, and forgets them.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[deny(clippy::missing_trait_methods)] // A forgotten method would silently use the default.
#[async_trait]
impl EventSink for RecordingSink {
    fn wants(&self, _action: Action, _outcome: Outcome) -> bool {
        true
    }

    async fn emit(&self, event: &Event) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        Ok(())
    }
}

/// Refuses all events, while it is [broken](Self::set_broken), which it is from the start.
#[derive(Debug)]
pub struct FailingSink {
    broken: AtomicBool,
    refused: AtomicU64,
}

impl FailingSink {
    /// Whether to refuse from now on.
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, SeqCst);
    }

    /// How many events were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(SeqCst)
    }
}

impl Default for FailingSink {
    fn default() -> Self {
        Self { broken: AtomicBool::new(true), refused: AtomicU64::new(0) }
    }
}

#[deny(clippy::missing_trait_methods)] // A forgotten method would silently use the default.
#[async_trait]
impl EventSink for FailingSink {
    fn wants(&self, _action: Action, _outcome: Outcome) -> bool {
        true
    }

    async fn emit(&self, _event: &Event) -> Result<()> {
        if !self.broken.load(SeqCst) {
            return Ok(());
        }
        self.refused.fetch_add(1, SeqCst);
        Err(Error::new(ErrorKind::EventSink, "event.emit", "the sink is broken"))
    }
}

//! Keys that a checkpoint has and the storage has not: whether somebody deleted them.

use std::collections::HashMap;

use serde::Deserialize;
use uuid::Uuid;

use super::super::envelope_manager::Core;
use super::super::rewrap::Item;
use super::report::{Finding, VerifyReport};
use crate::error::{Error, ErrorKind, IntegrityFault, Result};
use crate::event::Action;
use crate::model::{KeyId, PageSize, Seq};

const OP: &str = "manager.checkpoint";

/// An event, as far as it matters here.
#[derive(Deserialize)]
struct Told {
    record: Option<Uuid>,
    action: Action,
    #[serde(flatten)]
    key: KeyId,
}

/// What the events tell of a record.
#[derive(Default)]
struct Fate {
    key: Option<KeyId>,
    deleted: bool,
}

impl Fate {
    fn hear(&mut self, told: Told) {
        match told.action {
            Action::KeyDelete | Action::KeyPurge => self.deleted = true,
            Action::KeyUndelete => self.deleted = false,
            // A deleted key may still be wrapped anew.
            _ => {}
        }
        self.key = Some(told.key);
    }
}

impl Core {
    /// How many of the records `gone` were deleted or purged, as the events about each say; the
    /// others are findings. Events are not signed: who can write to the storage can forge one, and an
    /// event sink elsewhere tells.
    pub(super) async fn explain_gone(
        &self,
        gone: Vec<Uuid>,
        report: &mut VerifyReport,
    ) -> Result<u64> {
        let mut fates: HashMap<Uuid, Fate> =
            gone.iter().map(|record| (*record, Fate::default())).collect();
        let mut since = Seq::default();
        while !fates.is_empty() {
            let page = self.store.events_since(since, PageSize::new(PageSize::MAX)?).await?;
            let Some((head, _)) = page.last() else { break };
            since = *head;
            for (_, body) in &page {
                // One of another program version says nothing here.
                let Ok(told) = serde_json::from_str::<Told>(body) else { continue };
                if let Some(fate) = told.record.and_then(|record| fates.get_mut(&record)) {
                    fate.hear(told);
                }
            }
        }
        let mut explained = 0;
        for record in gone {
            let fate = fates.remove(&record).unwrap_or_default();
            if fate.deleted {
                explained += 1;
                continue;
            }
            let name = match fate.key {
                Some(key) => format!("{key} ({record})"),
                None => record.to_string(),
            };
            let fault = ErrorKind::Integrity(IntegrityFault::Row);
            let detail = "it is in the checkpoint and not stored, and no event says it was deleted";
            let error = Error::new(fault, OP, detail).with_hint(
                "put it back from a backup; or, if it was meant to go, \
                 `llm-keys verify --checkpoint FILE --anew`",
            );
            report.find(Finding::new(Item::Row(name), error));
        }
        Ok(explained)
    }
}

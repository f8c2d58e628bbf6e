//! System records: sealed anew under the KMS keys that are written under now.
//!
//! A system record counts its versions, and each is in the context of its envelope, so that a change
//! of its content is never lost to a rewrap: both make the next version. They are few; one more seal
//! costs nothing.

use super::super::envelope_manager::Core;
use super::super::pins;
use super::super::system_record::Renewal;
use super::super::write::{ATTEMPTS, busy};
use super::need::need;
use super::options::RewrapOptions;
use super::report::{Item, RewrapReport};
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::kms::KeyUri;
use crate::store::SystemRow;

impl Core {
    /// Wraps the record of allowed KMS keys, which must list the keys that it is sealed under.
    pub(super) async fn rewrap_pins(
        &self,
        targets: &[KeyUri],
        options: &RewrapOptions,
        report: &mut RewrapReport,
    ) {
        match self.try_to_rewrap_pins(targets, options).await {
            Ok(None) => {}
            Ok(Some((item, result))) => report.system(item, result),
            Err(error) => report.stopped = Some(error),
        }
        report.tell(options.progress.as_ref());
    }

    async fn try_to_rewrap_pins(
        &self,
        targets: &[KeyUri],
        options: &RewrapOptions,
    ) -> Result<Option<(Item, Result<bool>)>> {
        let (tenant, name) = pins::place()?;
        let one = self.pinned.recording.lock().await;
        let Some(row) = self.store.system_find(&tenant, &name).await? else { return Ok(None) };
        let item = Item::System(tenant, name);
        let result = match wants(&row, targets, options) {
            Ok(true) => self.update_pins(|_| Ok(())).await.map(|_| true),
            Ok(false) => Ok(false),
            Err(error) => Err(error),
        };
        drop(one);
        Ok(Some((item, result)))
    }

    /// Wraps all others.
    pub(super) async fn rewrap_system(
        &self,
        targets: &[KeyUri],
        options: &RewrapOptions,
        report: &mut RewrapReport,
    ) {
        let rows = match (self.store.system_list().await, pins::place()) {
            (Ok(rows), Ok(pins)) => {
                rows.into_iter().filter(move |row| (&row.tenant, &row.name) != (&pins.0, &pins.1))
            }
            (Err(error), _) | (_, Err(error)) => {
                report.stopped = Some(error);
                return;
            }
        };
        for row in rows {
            let item = Item::System(row.tenant.clone(), row.name.clone());
            let result = self.rewrap_record(row, targets, options).await;
            report.system(item, result);
            report.tell(options.progress.as_ref());
            if report.stopped.is_some() {
                return;
            }
        }
    }

    /// Whether the record was changed.
    async fn rewrap_record(
        &self,
        mut row: SystemRow,
        targets: &[KeyUri],
        options: &RewrapOptions,
    ) -> Result<bool> {
        let place = (row.tenant.clone(), row.name.clone());
        for _ in 0..ATTEMPTS {
            if !wants(&row, targets, options)? {
                return Ok(false);
            }
            let context =
                EncryptionContext::of_system(&row.tenant, &row.name, row.record, row.version);
            let content = self.unseal(&context, &row.envelope).await?;
            let draft = self.draft_system(place.clone(), Some(&row), Renewal::Always).await?;
            let Some(draft) = draft else { return Ok(false) };
            self.record_aliases().await?;
            let written = self.write_system(draft, &content).await;
            fail_point!("rewrap.record-written");
            let now = self.store.system_find(&place.0, &place.1).await?;
            match (written, now) {
                (Ok(()), Some(now)) if now.version > row.version => {
                    // With a quorum, one of them may have been out.
                    return match need(now.envelope.parse()?.wrapped(), targets, false, false) {
                        None => Ok(true),
                        Some(_) => Err(incomplete()),
                    };
                }
                (Err(error), Some(now)) if error.kind() == ErrorKind::Conflict => row = now,
                (Err(error), _) => return Err(error),
                (Ok(()), _) => return Ok(true),
            }
        }
        Err(busy())
    }
}

/// Whether `row` is to be sealed anew.
pub(super) fn wants(row: &SystemRow, targets: &[KeyUri], options: &RewrapOptions) -> Result<bool> {
    let parsed = row.envelope.parse()?;
    Ok(need(parsed.wrapped(), targets, false, options.everything).is_some())
}

fn incomplete() -> Error {
    let fault = ErrorKind::Kms(KmsFault::Unavailable);
    Error::new(fault, "manager.rewrap", "a KMS key of the write list could not be reached")
        .with_hint("try again when every KMS answers; `llm-keys kms check` says which")
}

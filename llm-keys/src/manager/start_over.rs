//! A way out when the KMS key is gone that the records of llm-keys itself were sealed under.

use super::envelope_manager::{Core, EnvelopeKeyManager};
use super::pins::{self, Ask};
use super::sentinel;
use super::system_record::Renewal;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::kms::{KeyUri, Pins};
use crate::store::SystemRow;

const OP: &str = "manager.start_over";

impl EnvelopeKeyManager {
    /// Replaces the record of allowed KMS keys, and the sentinel, where they cannot be opened
    /// because the KMS key that they were sealed under is gone, disabled, or none of the configured
    /// ones. The new record lists `keys`, and the keys that are written under now; what aliases
    /// meant before, and what else was allowed, is forgotten with the old one. Row MAC keys stay as
    /// they are: with new ones all rows would be refused.
    ///
    /// To be called only by somebody who knows that the configured KMS keys are the right ones.
    ///
    /// # Errors
    /// `InvalidInput` if there is nothing to replace because all of them open, or if no configured
    /// KMS key can be used to reach one of `keys`. What the KMS said if one does not open for
    /// another reason, such as an outage or a denial; else as for storing a key. Then nothing was
    /// replaced, or not all.
    pub async fn start_pins_over(&self, keys: &[KeyUri]) -> Result<Pins> {
        self.core.start_over(keys).await
    }
}

impl Core {
    async fn start_over(&self, keys: &[KeyUri]) -> Result<Pins> {
        self.check_reach(keys)?;
        let one = self.pinned.recording.lock().await;
        let lost_pins = self.lost_pins().await?;
        let lost_sentinel = self.lost_sentinel().await?;
        if lost_pins.is_none() && lost_sentinel.is_none() {
            return Err(Error::invalid(OP, "the records open: there is nothing to start over")
                .with_hint("to allow a key, leave `--start-over` out"));
        }
        let allow = |pins: &mut Pins| {
            for uri in keys {
                pins.allow(uri)?;
            }
            Ok(())
        };
        let pins = match lost_pins {
            Some(row) => {
                tracing::warn!(version = %row.version, "a lost record of KMS keys is replaced");
                let mut pins = Pins::default();
                allow(&mut pins)?;
                self.write_pins(Some(&row), pins, Renewal::Always).await?
            }
            None => self.update_pins(allow).await?,
        };
        // Sealing records what aliases mean, which waits for this.
        drop(one);
        if let Some(row) = lost_sentinel {
            self.write_sentinel(Some((&row, Renewal::Always))).await?;
        }
        Ok(pins)
    }

    /// The record of allowed KMS keys, if there is one and it is lost.
    async fn lost_pins(&self) -> Result<Option<SystemRow>> {
        let (tenant, name) = pins::place()?;
        let Some(row) = self.store.system_find(&tenant, &name).await? else { return Ok(None) };
        let lost = is_lost(self.open_pins(&row, Ask::All).await.map(drop))?;
        Ok(lost.then_some(row))
    }

    /// The sentinel, if there is one and it is lost.
    async fn lost_sentinel(&self) -> Result<Option<SystemRow>> {
        let (tenant, name) = sentinel::place()?;
        let Some(row) = self.store.system_find(&tenant, &name).await? else { return Ok(None) };
        let lost = is_lost(self.open_sentinel(&row).await)?;
        Ok(lost.then_some(row))
    }
}

/// Whether it did not open for a reason that may last for ever.
fn is_lost(opened: Result<()>) -> Result<bool> {
    match opened {
        Ok(()) => Ok(false),
        Err(error) if says_lost(error.kind()) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether the KMS says that its key is gone: no outage, no denial.
pub(super) fn says_lost(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Kms(KmsFault::WrongKey | KmsFault::KeyMissing | KmsFault::KeyDisabled)
    )
}

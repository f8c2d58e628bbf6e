//! Whether a system record is sealed under the keys that are written under now. One that is not
//! would be lost with the last of the older keys.

use super::envelope_manager::Core;
use crate::envelope::Envelope;
use crate::error::{ErrorKind, Result};
use crate::kms::{KeyUri, WrappedKey};

impl Core {
    /// The keys of the write list that `envelope` is not sealed under, as far as is known which
    /// those are: a KMS that could not be opened yet has none.
    pub(super) fn lacking(&self, envelope: &Envelope) -> Result<Vec<&KeyUri>> {
        let parsed = envelope.parse()?;
        let lacks = |uri: &&KeyUri| !has(parsed.wrapped(), uri);
        Ok(self.written_keys().filter(lacks).collect())
    }

    /// Whether `copies` are of more keys of the write list than those of `old`, and of all of them
    /// that `old` is sealed under: with a KMS out of reach it may be others.
    pub(super) fn is_better(&self, copies: &[WrappedKey], old: &Envelope) -> Result<bool> {
        let parsed = old.parse()?;
        let mut gained = false;
        for uri in self.written_keys() {
            match (has(parsed.wrapped(), uri), has(copies, uri)) {
                (true, false) => return Ok(false),
                (false, true) => gained = true,
                _ => {}
            }
        }
        Ok(gained)
    }

    /// Seals the record of allowed KMS keys anew, if there is one and it lacks a key. That it
    /// cannot be done now is no harm: it opens as before.
    pub(super) async fn renew_pins(&self) {
        match self.try_to_renew_pins().await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => {
                tracing::warn!(?error, "the record of allowed KMS keys could not be sealed anew");
            }
        }
    }

    async fn try_to_renew_pins(&self) -> Result<()> {
        let (tenant, name) = super::pins::place()?;
        let Some(row) = self.store.system_find(&tenant, &name).await? else { return Ok(()) };
        if self.lacking(&row.envelope)?.is_empty() {
            return Ok(());
        }
        let _one = self.pinned.recording.lock().await;
        self.update_pins_if_better().await
    }

    fn written_keys(&self) -> impl Iterator<Item = &KeyUri> {
        self.kms.writers().map(|writer| writer.uri()).filter(|uri| !uri.is_unopened())
    }
}

fn has(copies: &[WrappedKey], uri: &KeyUri) -> bool {
    copies.iter().any(|copy| copy.uri == *uri)
}

//! Adding to the record of KMS keys: what an alias means now, and what somebody allows.

use super::envelope_manager::{Core, EnvelopeKeyManager};
use super::pins::{Ask, locked, place};
use super::start_over::says_lost;
use super::system_record::Renewal;
use super::write::{ATTEMPTS, busy};
use crate::envelope::Envelope;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::kms::{KeyUri, Pins};
use crate::secret::SecretBytes;
use crate::store::SystemRow;

const OP: &str = "manager.allow_kms_keys";

impl EnvelopeKeyManager {
    /// The KMS keys that are read with beside those in the settings: what aliases have meant, and
    /// what [`allow_kms_keys`](Self::allow_kms_keys) added. Writes nothing.
    ///
    /// # Errors
    /// `Kms(WrongKey)` if the record was sealed under KMS keys that have nothing to do with the
    /// configured ones; else as for reading a key.
    pub async fn allowed_kms_keys(&self) -> Result<Pins> {
        let (tenant, name) = place()?;
        match self.core.store.system_find(&tenant, &name).await? {
            Some(row) => self.core.open_pins(&row, Ask::All).await.map_err(explained),
            None => Ok(Pins::default()),
        }
    }

    /// Reads with `keys`, too, from now on, in every process on this storage: each through a
    /// configured KMS key of the same service, with its credentials. What is allowed afterwards;
    /// that includes the keys of that service that are written under.
    ///
    /// # Errors
    /// `InvalidInput` if no configured KMS key can be used to reach one of `keys`, or too many are
    /// allowed; else as for reading and storing a key. Then none was allowed.
    pub async fn allow_kms_keys(&self, keys: &[KeyUri]) -> Result<Pins> {
        self.core.check_reach(keys)?;
        let _one = self.core.pinned.recording.lock().await;
        self.core
            .update_pins(|pins| {
                for uri in keys {
                    pins.allow(uri)?;
                }
                Ok(())
            })
            .await
    }
}

impl Core {
    /// # Errors
    /// `InvalidInput` if no configured KMS key can be used to reach one of `keys`.
    pub(super) fn check_reach(&self, keys: &[KeyUri]) -> Result<()> {
        for uri in keys {
            if self.provider_of(uri)?.is_none() {
                return Err(self.out_of_reach(uri));
            }
        }
        Ok(())
    }

    fn out_of_reach(&self, uri: &KeyUri) -> Error {
        let detail = format!("none of the configured KMS keys can reach {uri}");
        // One that could not be opened yet might.
        if self.kms.readers().any(|reader| reader.uri().is_unopened()) {
            return Error::new(ErrorKind::Kms(KmsFault::Unavailable), OP, detail)
                .with_hint("try again when every KMS answers; `llm-keys kms check` says which");
        }
        Error::invalid(OP, detail).with_hint(
            "to read with a key of another kind, name it: `--kms-read`, or `kms_read` of the \
             settings",
        )
    }

    /// Sees to it that the record lists what each alias of the write list means. To be called when
    /// something was sealed, and before it is stored: what is stored under a key that nobody
    /// recorded would be lost when the alias moves.
    ///
    /// Without an alias, and after the first time, this costs nothing; the first time it costs a
    /// read, and the KMS is only asked if there is something to add.
    pub(super) async fn record_aliases(&self) -> Result<()> {
        if self.aliases_are_recorded() {
            return Ok(());
        }
        let _one = self.pinned.recording.lock().await;
        if self.aliases_are_recorded() {
            return Ok(());
        }
        let (tenant, name) = place()?;
        if let Some(row) = self.store.system_find(&tenant, &name).await? {
            let parsed = row.envelope.parse()?;
            let listed = |uri: &KeyUri| parsed.wrapped().iter().any(|copy| copy.uri == *uri);
            let aliases: Vec<_> = self.written_aliases();
            if aliases.iter().all(|(_, uri)| listed(uri)) {
                self.note_recorded(aliases);
                // Not for the key that is stored now: what it needs is on the list.
                if !self.lacking(&row.envelope)?.is_empty()
                    && let Err(error) = self.update_pins_if_better().await
                {
                    tracing::warn!(?error, "the record of KMS keys could not be sealed anew");
                }
                return Ok(());
            }
        }
        self.update_pins(|_| Ok(())).await.map(drop)
    }

    fn aliases_are_recorded(&self) -> bool {
        let mut aliases = self.kms.written_aliases().peekable();
        if aliases.peek().is_none() {
            return true;
        }
        let recorded = locked(&self.pinned.recorded);
        aliases.all(|(alias, uri)| recorded.iter().any(|(a, u)| a == alias && u == uri))
    }

    fn written_aliases(&self) -> Vec<(String, KeyUri)> {
        let aliases = self.kms.written_aliases();
        aliases.map(|(alias, uri)| (alias.to_owned(), uri.clone())).collect()
    }

    fn note_recorded(&self, aliases: Vec<(String, KeyUri)>) {
        let mut recorded = locked(&self.pinned.recorded);
        for pair in aliases {
            if !recorded.contains(&pair) {
                recorded.push(pair);
            }
        }
    }

    /// Opens the record, changes it by `edit`, adds what the aliases mean now, and seals it under
    /// the current KMS keys; anew if others were faster.
    pub(super) async fn update_pins(
        &self,
        edit: impl Fn(&mut Pins) -> Result<()> + Sync,
    ) -> Result<Pins> {
        for _ in 0..ATTEMPTS {
            match self.update_pins_once(&edit, Renewal::Always).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                done => return done,
            }
        }
        Err(busy())
    }

    /// Seals the record anew if it is then sealed under more of the current KMS keys.
    pub(super) async fn update_pins_if_better(&self) -> Result<()> {
        self.update_pins_once(&|_: &mut Pins| Ok(()), Renewal::IfBetter).await.map(drop)
    }

    async fn update_pins_once(
        &self,
        edit: &(impl Fn(&mut Pins) -> Result<()> + Sync),
        renewal: Renewal,
    ) -> Result<Pins> {
        let (tenant, name) = place()?;
        let found = self.store.system_find(&tenant, &name).await?;
        let mut pins = match &found {
            Some(row) => self.open_pins(row, Ask::All).await.map_err(explained)?,
            None => Pins::default(),
        };
        edit(&mut pins)?;
        self.write_pins(found.as_ref(), pins, renewal).await
    }

    /// Seals `pins` with what the aliases mean now, and stores them: in the place of `found`, or
    /// where there must be no record.
    pub(super) async fn write_pins(
        &self,
        found: Option<&SystemRow>,
        mut pins: Pins,
        renewal: Renewal,
    ) -> Result<Pins> {
        // The data key first: only then it is known which keys this will be sealed under, and thus
        // must be on the list.
        let Some(draft) = self.draft_system(place()?, found, renewal).await? else {
            return Ok(pins);
        };
        let aliases = self.written_aliases();
        for (alias, uri) in &aliases {
            pins.add(alias, uri)?;
        }
        // An alias may come to mean a key that is named by itself now, and then move on.
        for writer in self.kms.writers().filter(|writer| writer.alias().is_none()) {
            if writer.for_key(writer.uri())?.is_some() {
                pins.allow(writer.uri())?;
            }
        }
        let content = pins.serialize()?;
        if content.len() > Envelope::MAX_PLAINTEXT {
            return Err(Error::invalid(OP, "the record of allowed KMS keys is full"));
        }
        self.write_system(draft, &SecretBytes::new(content)).await?;
        self.note_recorded(aliases);
        Ok(pins)
    }
}

/// Says how to go on when the record is sealed under a KMS key that cannot be used any more.
pub(super) fn explained(error: Error) -> Error {
    if !says_lost(error.kind()) {
        return error;
    }
    let detail = format!("the record of allowed KMS keys does not open: {}", error.detail());
    let first = match error.kind() {
        ErrorKind::Kms(KmsFault::WrongKey) => {
            "if that key is yours, allow it with itself at hand: `llm-keys --kms-read KEY kms allow \
             KEY`"
        }
        _ => error.hint().unwrap_or("bring that key back"),
    };
    let hint = format!("{first}; if that key is gone for good: `llm-keys kms allow --start-over`");
    Error::new(error.kind(), OP, detail).with_hint(hint).with_source(error)
}

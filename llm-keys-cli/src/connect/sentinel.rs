//! The sentinel: opened, or made where it is known which KMS is the right one.

use llm_keys::kms::KmsSet;
use llm_keys::manager::Sentinel;
use llm_keys::store::KeyStore as _;
use llm_keys::{EnvelopeKeyManager, ErrorKind, KeyFilter, PageSize, SecureKeyManager as _};
use llm_keys_diesel::DieselStore;

use super::{Connect, Made, MasterKeyPlace};
use crate::failure::{Failure, Result};

impl Connect<'_> {
    /// Opens the sentinel under `kms`. Where it is missing although something was stored, it is made
    /// only for a KMS that opens what is stored, or a wrong one would be taken for the right one.
    ///
    /// # Errors
    /// `Kms(WrongKey)` if the database was written under another KMS key; `Usage` if nothing tells.
    pub(crate) async fn sentinel(&self, kms: KmsSet, store: DieselStore) -> Result<Sentinel> {
        let manager = self.quiet_manager(kms, store.clone()).await?;
        match manager.check_sentinel().await? {
            Sentinel::Missing if opens_stored(&manager, &store).await? => {
                Ok(manager.make_sentinel().await?)
            }
            Sentinel::Missing => Err(Failure::usage(
                "the sentinel is missing, and there is no key of the default tenant to tell by \
                 whether this KMS is the right one",
            )
            .with_hint("storing a key makes it; check the KMS first, by reading one")),
            found => Ok(found),
        }
    }

    /// The same for the KMS keys of the settings; not if somebody would have to type a passphrase
    /// for it.
    ///
    /// # Errors
    /// As [`Self::sentinel`].
    pub(crate) async fn check_sentinel(&self, keys: &[Made], store: &DieselStore) -> Result<()> {
        let asks = keys.iter().any(|key| matches!(key.place, MasterKeyPlace::Passphrase(_)));
        if asks && self.settings().passphrase_file.is_none() {
            return Ok(());
        }
        self.sentinel(self.kms().await?, store.clone()).await.map(drop)
    }
}

/// Whether a stored key opens, and none does not: of the first page of the default tenant.
async fn opens_stored(keys: &EnvelopeKeyManager, store: &DieselStore) -> Result<bool> {
    let page = store.key_list(&KeyFilter::default(), None, PageSize::default()).await?;
    let mut opened = false;
    for row in &page.items {
        match keys.refresh(&row.id).await {
            Ok(version) => opened |= version.is_some(),
            Err(error) if matches!(error.kind(), ErrorKind::Inactive | ErrorKind::Expired) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(opened)
}

//! The master key of the embedded default, made on first use.

use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::home::Home;
use crate::kms::local::{self, LocalKms};
use crate::model::Seq;
use crate::random::SystemRandom;
use crate::store::KeyStore;

/// The local KMS of the embedded default, and whether its master key was made just now.
#[derive(Debug)]
#[non_exhaustive]
pub struct FirstUse {
    /// The KMS, under the master key file of the home folder.
    pub kms: LocalKms,
    /// Whether the master key was made by this call.
    pub created: bool,
}

/// Opens the master key file of `home`; makes it if it is missing and nothing was ever written to
/// `store`. Two processes that come here at once end up with the same master key.
///
/// # Errors
/// `Kms(Misconfigured)` if the file is missing although keys were stored (a new master key could
/// not open them, so it is never made silently), is not fit to be used, or is missing because
/// `llm-keys init --passphrase` put a passphrase in its place; `Io` if it cannot be made; `Store` if
/// the storage does not answer.
pub async fn first_use(home: &Home, store: &dyn KeyStore) -> Result<FirstUse> {
    let path = home.master_key();
    if !path.exists() && home.passphrase_file().exists() {
        return Err(wants_passphrase(home));
    }
    // The storage is asked first: whoever writes to it has made the master key before.
    let untouched = store.changes_since(Seq::default()).await?.head == Seq::default();
    let created = if untouched && !path.exists() {
        home.create()?;
        local::create(&path, &SystemRandom)?.fresh
    } else {
        false
    };
    Ok(FirstUse { kms: LocalKms::open(&path)?, created })
}

/// Whoever chose a passphrase does not want a bare master key file beside it.
fn wants_passphrase(home: &Home) -> Error {
    let file = home.passphrase_file();
    let detail = format!("the master key comes from a passphrase, by {}", file.display());
    Error::new(ErrorKind::Kms(KmsFault::Misconfigured), "manager.first_use", detail)
        .with_hint("open it with `kms::from_uri` and a passphrase, and give it to the builder")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::local::PassphraseCost;
    use crate::secret::SecretBytes;
    use crate::store::MemoryStore;

    #[tokio::test]
    async fn a_passphrase_is_not_passed_by() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::under(folder.path());
        let passphrase = SecretBytes::copy_from(b"a passphrase of mine");
        let cost = PassphraseCost::new(8, 1, 1).unwrap();
        local::create_passphrase(home.passphrase_file(), &passphrase, cost, &SystemRandom).unwrap();
        let error = first_use(&home, &MemoryStore::default()).await.unwrap_err();
        assert_eq!(error.kind().code(), "kms_misconfigured");
        assert!(!home.master_key().exists());
    }
}

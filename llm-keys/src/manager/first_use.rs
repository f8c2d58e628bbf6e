//! The master key of the embedded default, made on first use.

use crate::error::Result;
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
/// not open them, so it is never made silently), or is not fit to be used; `Io` if it cannot be
/// made; `Store` if the storage does not answer.
pub async fn first_use(home: &Home, store: &dyn KeyStore) -> Result<FirstUse> {
    let path = home.master_key();
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

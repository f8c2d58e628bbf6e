//! The KMS of commands that need none: `deactivate` works on a machine without the master key.

use async_trait::async_trait;
use llm_keys::error::KmsFault;
use llm_keys::kms::{
    KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, KmsSet, WrappedKey,
};
use llm_keys::{DataKey, Error, ErrorKind, Result};

/// A set of the KMS that refuses everything.
pub(super) fn set() -> Result<KmsSet> {
    Ok(KmsSet::single(NoKms { uri: KeyUri::new("none:none")? }))
}

#[derive(Debug)]
struct NoKms {
    uri: KeyUri,
}

#[async_trait]
impl KmsProvider for NoKms {
    fn uri(&self) -> &KeyUri {
        &self.uri
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::FULL
    }

    async fn wrap_key(&self, _key: &DataKey, _context: KmsContext<'_>) -> Result<WrappedKey> {
        Err(refused())
    }

    async fn unwrap_key(&self, _wrapped: &WrappedKey, _: KmsContext<'_>) -> Result<DataKey> {
        Err(refused())
    }

    async fn check(&self) -> Result<KmsHealth> {
        Err(refused())
    }
}

fn refused() -> Error {
    Error::new(ErrorKind::Kms(KmsFault::Unsupported), "cli.no_kms", "this command has no KMS")
}

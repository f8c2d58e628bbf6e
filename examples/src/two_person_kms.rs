//! A KMS whose master key nobody holds alone.

use std::path::Path;

use async_trait::async_trait;
use llm_keys::error::{Error, ErrorKind, KmsFault, Result};
use llm_keys::kms::local::{self, LocalKms, MasterKey};
use llm_keys::kms::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey};
use llm_keys::{DataKey, SystemRandom};
use zeroize::Zeroizing;

/// Two people hold a share each, 32 random bytes in a file; the master key is both combined with
/// XOR. One share alone tells nothing about it, so that a stolen share opens nothing. The master
/// key is in the memory of this process, and in no file.
///
/// How data keys are sealed is left to [`LocalKms`]: a KMS of one's own need not have cryptography
/// of its own.
#[derive(Debug)]
pub struct TwoPersonKms {
    /// The key's own name, so that an envelope says how its master key is kept.
    uri: KeyUri,
    sealing: LocalKms,
    /// What `sealing` calls the same key.
    sealing_uri: KeyUri,
}

impl TwoPersonKms {
    /// Makes two new shares, each a file with mode 0600.
    ///
    /// # Errors
    /// `Conflict` if one of the files is there: it may be needed to read what was stored.
    pub fn create(shares: [&Path; 2]) -> Result<Self> {
        let there = |path: &Path| {
            Error::new(ErrorKind::Conflict, OP, format!("{} is there already", path.display()))
        };
        if let Some(path) = shares.into_iter().find(|path| path.exists()) {
            return Err(there(path));
        }
        for path in shares {
            if !local::create(path, &SystemRandom)?.fresh {
                return Err(there(path));
            }
        }
        Self::open(shares)
    }

    /// Reads two shares, in any order. As with a master key file, each must have mode 0600.
    ///
    /// # Errors
    /// `Kms(Misconfigured)` if a file is missing or not fit to be used, or if both are the same
    /// share.
    pub fn open(shares: [&Path; 2]) -> Result<Self> {
        // A share has the form of a master key file, so that its checks and backups serve here.
        let [first, second] = shares;
        let (first, second) = (local::load(first)?, local::load(second)?);
        if first.uri() == second.uri() {
            return Err(Error::new(MISCONFIGURED, OP, "both shares are the same")
                .with_hint("give the share of each of the two people"));
        }
        let mut combined = Zeroizing::new(first.expose(|bytes| *bytes));
        second.expose(|bytes| {
            for (byte, other) in combined.iter_mut().zip(bytes) {
                *byte ^= other;
            }
        });
        let master = MasterKey::from_bytes(&combined)?;
        let sealing_uri = master.uri().clone();
        let id = sealing_uri.as_str().trim_start_matches("local:");
        Ok(Self {
            uri: KeyUri::new(format!("two-person:{id}"))?,
            sealing: LocalKms::new(master, Vec::new()),
            sealing_uri,
        })
    }
}

#[async_trait]
impl KmsProvider for TwoPersonKms {
    fn uri(&self) -> &KeyUri {
        &self.uri
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::FULL
    }

    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        let wrapped = self.sealing.wrap_key(key, context).await?;
        Ok(WrappedKey { uri: self.uri.clone(), ..wrapped })
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        if !self.accepts(wrapped) {
            let (theirs, ours) = (&wrapped.uri, &self.uri);
            let detail = format!("it is wrapped under {theirs}, not {ours}");
            return Err(Error::new(ErrorKind::Kms(KmsFault::WrongKey), "kms.unwrap_key", detail));
        }
        let wrapped = WrappedKey { uri: self.sealing_uri.clone(), blob: wrapped.blob.clone() };
        self.sealing.unwrap_key(&wrapped, context).await
    }

    async fn check(&self) -> Result<KmsHealth> {
        let health = self.sealing.check().await?;
        Ok(KmsHealth::new(self.uri.clone(), health.round_trip))
    }
}

const OP: &str = "kms.two_person";
const MISCONFIGURED: ErrorKind = ErrorKind::Kms(KmsFault::Misconfigured);

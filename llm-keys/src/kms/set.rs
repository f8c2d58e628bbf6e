//! The KMS keys of one manager: which to write under, which to read with.

use std::sync::Arc;

use super::{KmsContext, KmsProvider, WrappedKey};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::random::Random;
use crate::secret::DataKey;

/// The providers of a manager. A data key is wrapped under every provider of the write list, and
/// unwrapped by the first provider of either list that accepts a copy and succeeds.
#[derive(Clone, Debug)]
pub struct KmsSet {
    write: Vec<Arc<dyn KmsProvider>>,
    read: Vec<Arc<dyn KmsProvider>>,
}

impl KmsSet {
    /// The most keys one envelope can be wrapped under.
    pub const MAX_WRITE: usize = 8;

    /// One provider for everything.
    pub fn single(provider: impl KmsProvider + 'static) -> Self {
        Self { write: vec![Arc::new(provider)], read: Vec::new() }
    }

    /// Writes under all of `write` (1 to 8 with different keys), and reads with those and then
    /// with `read`.
    ///
    /// # Errors
    /// `InvalidInput` if `write` is empty, too long, or names a key twice.
    pub fn new(write: Vec<Arc<dyn KmsProvider>>, read: Vec<Arc<dyn KmsProvider>>) -> Result<Self> {
        const OP: &str = "kms.set";
        if write.is_empty() || write.len() > Self::MAX_WRITE {
            return Err(Error::invalid(OP, "between 1 and 8 KMS keys can be written under"));
        }
        for (at, provider) in write.iter().enumerate() {
            if write[..at].iter().any(|other| other.uri() == provider.uri()) {
                let uri = provider.uri();
                return Err(Error::invalid(OP, format!("the KMS key {uri} is named twice")));
            }
        }
        Ok(Self { write, read })
    }

    /// The providers that new data keys are wrapped under.
    pub fn writers(&self) -> impl Iterator<Item = &Arc<dyn KmsProvider>> {
        self.write.iter()
    }

    /// All providers, in the order they are tried for reading.
    pub fn readers(&self) -> impl Iterator<Item = &Arc<dyn KmsProvider>> {
        self.write.iter().chain(&self.read)
    }

    /// A fresh data key, wrapped under every key of the write list.
    pub async fn generate(
        &self,
        context: KmsContext<'_>,
        random: &dyn Random,
    ) -> Result<(DataKey, Vec<WrappedKey>)> {
        let mut writers = self.write.iter();
        // `new` and `single` leave no empty list.
        let first = writers.next().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "kms.generate", "no KMS key to write under")
        })?;
        let (key, wrapped) = first.generate_data_key(context, random).await?;
        let mut all = vec![wrapped];
        for provider in writers {
            all.push(provider.wrap_key(&key, context).await?);
        }
        Ok((key, all))
    }

    /// The data key of an envelope, by the first copy that a configured provider opens. Copies of
    /// keys that nobody configured cause no call.
    ///
    /// # Errors
    /// `Kms(WrongKey)` if no provider accepts any copy; otherwise what the last one tried said.
    pub async fn unwrap(&self, copies: &[WrappedKey], context: KmsContext<'_>) -> Result<DataKey> {
        let mut failure = None;
        for provider in self.readers() {
            for copy in copies.iter().filter(|copy| provider.accepts(copy)) {
                match provider.unwrap_key(copy, context).await {
                    Ok(key) => return Ok(key),
                    Err(error) => failure = Some(error),
                }
            }
        }
        Err(failure.unwrap_or_else(|| self.nobody_accepts(copies)))
    }

    fn nobody_accepts(&self, copies: &[WrappedKey]) -> Error {
        let list = |uris: Vec<&str>| uris.join(", ");
        let sealed = list(copies.iter().map(|copy| copy.uri.as_str()).collect());
        let configured = list(self.readers().map(|provider| provider.uri().as_str()).collect());
        Error::new(
            ErrorKind::Kms(KmsFault::WrongKey),
            "kms.unwrap",
            format!("it is sealed under {sealed}, but the configured key is {configured}"),
        )
        .with_hint("configure the KMS key it was sealed under, or restore that master key")
    }
}

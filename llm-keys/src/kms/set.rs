//! The KMS keys of one manager: which to write under, which to read with.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{KmsContext, KmsProvider, WrappedKey};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::random::Random;
use crate::secret::DataKey;

/// The providers of a manager. A data key is wrapped under every provider of the write list, and
/// unwrapped by the first provider of either list that accepts a copy and succeeds.
///
/// While a KMS of the write list is down, nothing is written, unless [`quorum`](Self::quorum)
/// allows fewer copies; reads go on as long as one KMS opens a copy.
#[derive(Clone, Debug)]
pub struct KmsSet {
    write: Vec<Arc<dyn KmsProvider>>,
    read: Vec<Arc<dyn KmsProvider>>,
    quorum: usize,
}

/// A fresh data key, and its wrapped copies.
#[derive(Debug)]
pub struct Generated {
    /// The data key.
    pub key: DataKey,
    /// Its copies: one for each KMS key of the write list that was not out of reach.
    pub wrapped: Vec<WrappedKey>,
    /// Whether a copy is missing, which a rewrap must add.
    pub incomplete: bool,
}

impl KmsSet {
    /// The most keys one envelope can be wrapped under.
    pub const MAX_WRITE: usize = 8;

    /// One provider for everything.
    pub fn single(provider: impl KmsProvider + 'static) -> Self {
        Self { write: vec![Arc::new(provider)], read: Vec::new(), quorum: 1 }
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
        let quorum = write.len();
        Ok(Self { write, read, quorum })
    }

    /// Lets a write go through with `copies` wrapped copies when the other KMS keys are out of
    /// reach; what was written so is marked for rewrap. All copies are needed unless said.
    ///
    /// # Errors
    /// `InvalidInput` if `copies` is 0, or more than there are KMS keys to write under.
    pub fn quorum(mut self, copies: usize) -> Result<Self> {
        if copies == 0 || copies > self.write.len() {
            let keys = self.write.len();
            let detail = format!("a quorum of {copies} cannot be had with {keys} KMS keys");
            return Err(Error::invalid("kms.set", detail).with_hint("1 to the number of KMS keys"));
        }
        self.quorum = copies;
        Ok(self)
    }

    /// The providers that new data keys are wrapped under.
    pub fn writers(&self) -> impl Iterator<Item = &Arc<dyn KmsProvider>> {
        self.write.iter()
    }

    /// All providers, in the order they are tried for reading.
    pub fn readers(&self) -> impl Iterator<Item = &Arc<dyn KmsProvider>> {
        self.write.iter().chain(&self.read)
    }

    /// A fresh data key, wrapped under every key of the write list that can be reached.
    ///
    /// # Errors
    /// What a KMS said, if fewer than the quorum could wrap it, or one refused for a reason that
    /// does not pass by itself: a write that a KMS denies is a mistake to mend, not an outage.
    pub async fn generate(
        &self,
        context: KmsContext<'_>,
        random: &dyn Random,
    ) -> Result<Generated> {
        let mut failures = Vec::new();
        let mut writers = self.write.iter();
        // One KMS makes the data key, the first that can; the others wrap it, all at once.
        let (key, first) = loop {
            let Some(provider) = writers.next() else { return Err(worst(failures)) };
            match provider.generate_data_key(context, random).await {
                Ok(generated) => break generated,
                Err(error) => failures.push(error),
            }
        };
        let others = join_all(writers.map(|provider| provider.wrap_key(&key, context))).await;
        let mut wrapped = vec![first];
        for other in others {
            match other {
                Ok(copy) => wrapped.push(copy),
                Err(error) => failures.push(error),
            }
        }
        let incomplete = !failures.is_empty();
        if wrapped.len() < self.quorum || failures.iter().any(|error| !error.is_retryable()) {
            return Err(worst(failures));
        }
        Ok(Generated { key, wrapped, incomplete })
    }

    /// The data key of an envelope, by the first copy that a configured provider opens. Copies of
    /// keys that nobody configured cause no call.
    ///
    /// # Errors
    /// `Kms(WrongKey)` if no provider accepts any copy. Otherwise what a KMS said: that it was out
    /// of reach, if one was, since it might have opened its copy.
    pub async fn unwrap(&self, copies: &[WrappedKey], context: KmsContext<'_>) -> Result<DataKey> {
        let mut failures = Vec::new();
        for provider in self.readers() {
            for copy in copies.iter().filter(|copy| provider.accepts(copy)) {
                match provider.unwrap_key(copy, context).await {
                    Ok(key) => return Ok(key),
                    Err(error) => failures.push(error),
                }
                if failures.len() >= Self::MAX_WRITE {
                    return Err(worst(failures));
                }
            }
        }
        if failures.is_empty() {
            return Err(self.nobody_accepts(copies));
        }
        Err(worst(failures))
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

/// The failure that tells most: an outage, since it may be the cause of the rest and may pass;
/// otherwise the first there was.
fn worst(failures: Vec<Error>) -> Error {
    let passing = failures.iter().find(|error| error.is_retryable()).cloned();
    passing.or_else(|| failures.into_iter().next()).unwrap_or_else(|| {
        Error::new(ErrorKind::Internal, "kms.set", "there is no KMS key to write under")
    })
}

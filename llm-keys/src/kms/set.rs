//! The KMS keys of one manager: which to write under, which to read with.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{KeyUri, KmsContext, KmsProvider, WrappedKey};
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
        if write.is_empty() || write.len() > Self::MAX_WRITE {
            return Err(Error::invalid(OP, "between 1 and 8 KMS keys can be written under"));
        }
        // Which keys those are that could not be opened yet is seen when one is written under.
        let uris = write.iter().map(|provider| provider.uri()).filter(|uri| !uri.is_unopened());
        if let Some(uri) = twice(uris) {
            return Err(named_twice(uri));
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
            return Err(Error::invalid(OP, detail).with_hint("1 to the number of KMS keys"));
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
    /// `InvalidInput` if two of the write list turn out to be one key.
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
        if let Some(uri) = twice(wrapped.iter().map(|copy| &copy.uri)) {
            return Err(named_twice(uri));
        }
        Ok(Generated { key, wrapped, incomplete })
    }

    /// The data key of an envelope, by the first copy that a configured provider opens. Copies of
    /// keys that nobody configured cause no call. A KMS that could not be opened yet is asked last.
    ///
    /// # Errors
    /// `Kms(WrongKey)` if no provider accepts any copy. Otherwise what a KMS said: that it was out
    /// of reach, if one was, since it might have opened its copy.
    pub async fn unwrap(&self, copies: &[WrappedKey], context: KmsContext<'_>) -> Result<DataKey> {
        let mut attempts = Attempts::new(copies, context);
        match attempts.with_set(self).await {
            Some(key) => Ok(key),
            None => Err(attempts.into_error(self)),
        }
    }

    /// Whether a provider of the set is known to be one to ask for `copy`: one that could not be
    /// opened yet is not.
    pub(crate) fn accepts(&self, copy: &WrappedKey) -> bool {
        self.readers().any(|provider| !provider.uri().is_unopened() && provider.accepts(copy))
    }

    /// The providers that could not be opened yet.
    pub(crate) fn unopened(&self) -> impl Iterator<Item = &Arc<dyn KmsProvider>> {
        self.readers().filter(|reader| reader.uri().is_unopened())
    }

    /// The keys of the write list that were found by an alias, with the alias.
    pub(crate) fn written_aliases(&self) -> impl Iterator<Item = (&str, &KeyUri)> {
        self.write.iter().filter_map(|provider| Some((provider.alias()?, provider.uri())))
    }

    fn nobody_accepts(&self, copies: &[WrappedKey]) -> Error {
        let list = |uris: Vec<&str>| uris.join(", ");
        let sealed = list(copies.iter().map(|copy| copy.uri.as_str()).collect());
        let configured = list(self.readers().map(|provider| provider.uri().as_str()).collect());
        let error = Error::new(
            ErrorKind::Kms(KmsFault::WrongKey),
            "kms.unwrap",
            format!("it is sealed under {sealed}, but the configured key is {configured}"),
        );
        let could = |copy: &&WrappedKey| {
            self.readers().any(|reader| matches!(reader.for_key(&copy.uri), Ok(Some(_))))
        };
        match copies.iter().find(could) {
            Some(WrappedKey { uri, .. }) => error
                .with_hint(format!("if that key is yours, allow it: `llm-keys kms allow {uri}`")),
            None => error
                .with_hint("configure the KMS key it was sealed under, or restore that master key"),
        }
    }
}

/// The attempts to open one of several copies: at most [`KmsSet::MAX_WRITE`], whoever makes them.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    copies: &'a [WrappedKey],
    context: KmsContext<'a>,
    failures: Vec<Error>,
}

impl<'a> Attempts<'a> {
    /// None yet.
    pub(crate) fn new(copies: &'a [WrappedKey], context: KmsContext<'a>) -> Self {
        Self { copies, context, failures: Vec::new() }
    }

    /// Tries all readers of `set`: last those that could not be opened yet.
    pub(crate) async fn with_set(&mut self, set: &KmsSet) -> Option<DataKey> {
        match self.with_opened(set).await {
            Some(key) => Some(key),
            None => self.with_unopened(set).await,
        }
    }

    /// Tries the readers of `set` that are open.
    pub(crate) async fn with_opened(&mut self, set: &KmsSet) -> Option<DataKey> {
        let opened = set.readers().filter(|reader| !reader.uri().is_unopened());
        self.with(opened.collect::<Vec<_>>()).await
    }

    /// Tries the readers of `set` that could not be opened yet: each may take its whole deadline.
    pub(crate) async fn with_unopened(&mut self, set: &KmsSet) -> Option<DataKey> {
        self.with(set.unopened().collect::<Vec<_>>()).await
    }

    /// Tries `providers` in their order.
    pub(crate) async fn with(
        &mut self,
        providers: impl IntoIterator<Item = &Arc<dyn KmsProvider>>,
    ) -> Option<DataKey> {
        for provider in providers {
            for copy in self.copies.iter().filter(|copy| provider.accepts(copy)) {
                if self.failures.len() >= KmsSet::MAX_WRITE {
                    return None;
                }
                let error = match provider.unwrap_key(copy, self.context).await {
                    Ok(key) => return Some(key),
                    Err(error) => error,
                };
                // It was opened by this attempt, and has nothing to do with the copy.
                if provider.accepts(copy) {
                    self.failures.push(error);
                }
                // It is still out, whatever the copy.
                if provider.uri().is_unopened() {
                    break;
                }
            }
        }
        None
    }

    /// Counts a failure that is not of a KMS.
    pub(crate) fn failed(&mut self, error: Error) {
        self.failures.push(error);
    }

    /// Why none succeeded.
    pub(crate) fn into_error(self, set: &KmsSet) -> Error {
        if self.failures.is_empty() {
            return set.nobody_accepts(self.copies);
        }
        worst(self.failures)
    }
}

/// The failure that tells most: an outage, since it may be the cause of the rest and may pass;
/// otherwise the first there was.
fn worst(failures: Vec<Error>) -> Error {
    let passing = failures.iter().find(|error| error.is_retryable()).cloned();
    passing.or_else(|| failures.into_iter().next()).unwrap_or_else(|| {
        Error::new(ErrorKind::Internal, OP, "there is no KMS key to write under")
    })
}

fn twice<'u>(uris: impl Iterator<Item = &'u KeyUri>) -> Option<&'u KeyUri> {
    let mut seen = Vec::new();
    for uri in uris {
        if seen.contains(&uri) {
            return Some(uri);
        }
        seen.push(uri);
    }
    None
}

fn named_twice(uri: &KeyUri) -> Error {
    Error::invalid(OP, format!("the KMS key {uri} is named twice"))
}

const OP: &str = "kms.set";

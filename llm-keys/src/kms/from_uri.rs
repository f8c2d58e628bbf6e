//! The KMS keys that a user names in settings, as providers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "kms-remote")]
use futures_util::future::try_join_all;

use super::local::{LocalKms, open_passphrase};
use super::{KmsProvider, KmsSet};
use crate::error::{Error, ErrorKind, Result};
use crate::home::Home;
use crate::secret::SecretBytes;

/// What [`from_uri`] needs from the program around it.
#[derive(Clone, Copy)]
pub struct FromUri<'a> {
    home: &'a Home,
    passphrase: &'a (dyn Fn(&Path) -> Result<SecretBytes> + Send + Sync),
    #[cfg(feature = "kms-remote")]
    guard: super::GuardOptions,
}

impl<'a> FromUri<'a> {
    /// `local` is the master key of `home`; there is no passphrase yet.
    pub fn new(home: &'a Home) -> Self {
        Self {
            home,
            passphrase: &nobody_to_ask,
            #[cfg(feature = "kms-remote")]
            guard: super::GuardOptions::default(),
        }
    }

    /// Calls every KMS behind a network as `guard` says.
    #[cfg(feature = "kms-remote")]
    #[must_use]
    pub fn guarded(mut self, guard: super::GuardOptions) -> Self {
        self.guard = guard;
        self
    }

    /// Asks `passphrase` for the passphrase of a parameter file, by its path. It may block.
    #[must_use]
    pub fn with_passphrase(
        mut self,
        passphrase: &'a (dyn Fn(&Path) -> Result<SecretBytes> + Send + Sync),
    ) -> Self {
        self.passphrase = passphrase;
        self
    }
}

impl fmt::Debug for FromUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromUri").field("home", self.home).finish_non_exhaustive()
    }
}

/// The KMS key that `text` names. This is not the URI in an envelope, which names a key wherever it
/// is, but says where this machine finds it:
///
/// | text | key |
/// |------|-----|
/// | `local` | the master key file of [`Home`] |
/// | `local:/absolute/path` | that master key file |
/// | `local-passphrase:/absolute/path` | the passphrase for that parameter file |
/// | `aws-kms:`, or `aws-kms://`, and a key ARN, an alias ARN, a key id or `alias/NAME` | that AWS key, and so are an ARN and `alias/NAME` alone (feature `kms-aws`) |
/// | `vault://host:port/mount/key?…` | that Transit key (feature `kms-vault`) |
/// | `gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K` | that key (feature `kms-gcp`) |
/// | `azure-kv://host/keys/NAME`, maybe `/VERSION` | that key (feature `kms-azure`) |
/// | `pkcs11:token=…;object=…?module-path=…&pin-source=…` | that key (feature `kms-pkcs11`) |
///
/// Those behind a network are [guarded](super::Guarded) as [`FromUri::guarded`] says.
///
/// Must run in a `tokio` runtime: files are read and passphrases computed on its blocking threads.
///
/// # Errors
/// `InvalidInput` if `text` names no key that this build knows; it is never repeated, because
/// settings of other backends may hold a secret. Else what the backend says.
pub async fn from_uri(text: &str, options: &FromUri<'_>) -> Result<Arc<dyn KmsProvider>> {
    #[cfg(feature = "kms-remote")]
    if let Some(scheme) = remote::scheme_of(text) {
        return remote::open(scheme, text, options.guard).await;
    }
    open_local(text, options).await
}

async fn open_local(text: &str, options: &FromUri<'_>) -> Result<Arc<dyn KmsProvider>> {
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) => (scheme, Some(rest)),
        None => (text, None),
    };
    match (scheme, rest) {
        ("local", None) => {
            let path = options.home.master_key();
            blocking(move || LocalKms::open(path)).await
        }
        ("local", Some(path)) => {
            let path = absolute(path, "local:/path/to/master.key")?;
            blocking(move || LocalKms::open(path)).await
        }
        ("local-passphrase", path) => {
            let path = absolute(path.unwrap_or_default(), "local-passphrase:/path/to/file")?;
            let passphrase = (options.passphrase)(&path)?;
            blocking(move || Ok(LocalKms::new(open_passphrase(path, &passphrase)?, Vec::new())))
                .await
        }
        (scheme, _) => Err(unknown(scheme)),
    }
}

impl KmsSet {
    /// Writes under all keys of `write`, and reads with those and then with `read`: each as
    /// [`from_uri`] takes it.
    ///
    /// A KMS behind a network that is out now, or gives no answer within the deadline, is no error:
    /// it is opened when it is used, as soon as it is back. Until then what needs it fails with
    /// what it says, and what needs only the others goes on.
    ///
    /// # Errors
    /// As [`from_uri`] and [`KmsSet::new`].
    pub async fn from_uris<T: AsRef<str>>(
        write: &[T],
        read: &[T],
        options: &FromUri<'_>,
    ) -> Result<Self> {
        let texts: Vec<&str> = write.iter().chain(read).map(AsRef::as_ref).collect();
        let mut opened: Vec<_> = texts.iter().map(|_| None).collect();
        // Those of this machine first, one after the other: they may ask for passphrases.
        for (text, place) in texts.iter().zip(&mut opened).filter(|(text, _)| !is_remote(text)) {
            *place = Some(open_local(text, options).await?);
        }
        // The others all at once: one that hangs must not hold up the rest.
        #[cfg(feature = "kms-remote")]
        {
            let remote = texts.iter().enumerate();
            let remote = remote.filter_map(|(at, text)| Some((at, remote::scheme_of(text)?, text)));
            let opening = remote.map(|(at, scheme, text)| async move {
                Ok((at, remote::open_or_stand_in(scheme, text, options.guard).await?))
            });
            for (at, provider) in try_join_all(opening).await? {
                opened[at] = Some(provider);
            }
        }
        let mut opened = opened.into_iter().flatten();
        let write = opened.by_ref().take(write.len()).collect();
        Self::new(write, opened.collect())
    }
}

/// Whether `text` names a KMS behind a network that this build has.
fn is_remote(text: &str) -> bool {
    #[cfg(feature = "kms-remote")]
    return remote::scheme_of(text).is_some();
    #[cfg(not(feature = "kms-remote"))]
    {
        let _ = text;
        false
    }
}

/// That there is no such KMS. Only a scheme that we know is repeated.
fn unknown(scheme: &str) -> Error {
    match LATER.iter().find(|later| **later == scheme) {
        Some(later) => Error::invalid(OP, format!("this build of llm-keys has no KMS `{later}`")),
        None => Error::invalid(OP, "the KMS URI names no KMS that llm-keys knows"),
    }
    .with_hint(format!("use one of {}", FORMS.join(", ")))
}

fn absolute(path: &str, example: &'static str) -> Result<PathBuf> {
    // Two slashes are a host in other URIs.
    if path.starts_with('/') && !path.starts_with("//") {
        return Ok(PathBuf::from(path));
    }
    Err(Error::invalid(OP, format!("the KMS URI needs an absolute path, such as `{example}`")))
}

async fn blocking(
    open: impl FnOnce() -> Result<LocalKms> + Send + 'static,
) -> Result<Arc<dyn KmsProvider>> {
    let opened = tokio::task::spawn_blocking(open).await;
    let kms = opened.map_err(|error| {
        Error::new(ErrorKind::Internal, OP, "the thread that opens the key is gone")
            .with_source(error)
    })??;
    Ok(Arc::new(kms))
}

fn nobody_to_ask(path: &Path) -> Result<SecretBytes> {
    let path = path.display();
    Err(Error::invalid(OP, format!("there is nobody to ask for the passphrase of {path}")))
}

const OP: &str = "kms.from_uri";
const LATER: &[&str] = &[
    #[cfg(not(feature = "kms-aws"))]
    "aws-kms",
    #[cfg(not(feature = "kms-vault"))]
    "vault",
    #[cfg(not(feature = "kms-gcp"))]
    "gcp-kms",
    #[cfg(not(feature = "kms-azure"))]
    "azure-kv",
    #[cfg(not(feature = "kms-pkcs11"))]
    "pkcs11",
];
/// How the KMS keys of this build are written.
const FORMS: &[&str] = &[
    "`local`",
    "`local:/path/to/master.key`",
    "`local-passphrase:/path/to/file`",
    #[cfg(feature = "kms-aws")]
    "`aws-kms:ARN`",
    #[cfg(feature = "kms-aws")]
    "`alias/NAME`",
    #[cfg(feature = "kms-vault")]
    "`vault://HOST:PORT/MOUNT/KEY`",
    #[cfg(feature = "kms-gcp")]
    "`gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K`",
    #[cfg(feature = "kms-azure")]
    "`azure-kv://HOST/keys/NAME`",
    #[cfg(feature = "kms-pkcs11")]
    "`pkcs11:token=LABEL;object=LABEL?module-path=/path&pin-source=/path`",
];

#[cfg(feature = "kms-remote")]
mod remote;
#[cfg(feature = "kms-remote")]
mod standin;

#[cfg(test)]
mod tests;

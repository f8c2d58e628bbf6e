//! Google Cloud KMS: a symmetric key there wraps data keys (`docs/guides/kms-gcp.md`).
//!
//! The whole context is additional authenticated data, and every field goes and comes with a
//! CRC32C. REST is called directly (`docs/adr/0005-gcp-by-rest.md`); Google's own library finds
//! the credentials.

use std::fmt;

use async_trait::async_trait;
use google_cloud_auth::credentials::Credentials;

use self::client::Client;
use self::fault::{Call, Failure};
use self::name::KeyName;
use self::wire::{Decrypted, Encrypted};
use super::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey, check};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::secret::DataKey;

mod client;
mod fault;
mod name;
mod wire;

/// Settings of [`GcpKms`] that are not part of the key's name.
#[derive(Clone, Default)]
pub struct GcpOptions {
    endpoint: Option<String>,
    credentials: Option<Credentials>,
}

impl GcpOptions {
    /// Calls `endpoint` instead of `https://cloudkms.googleapis.com`: a private or a regional
    /// endpoint, or on a loopback address a fake over plain HTTP.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Uses these credentials instead of the Application Default Credentials of this machine.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }
}

impl fmt::Debug for GcpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcpOptions").finish_non_exhaustive()
    }
}

/// A key of Google Cloud KMS.
///
/// A call is one attempt, except that damage a checksum shows is asked again once. Retries, a
/// deadline and a limit on calls at once are for [`Guarded`](super::Guarded).
#[derive(Debug)]
pub struct GcpKms {
    key: KeyName,
    uri: KeyUri,
    client: Client,
}

impl GcpKms {
    /// The key of `setting`: `gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K`, maybe with
    /// `?endpoint=https://host` (which wins over `options`). Makes no call; must run in a `tokio`
    /// runtime, where the credentials refresh themselves.
    ///
    /// # Errors
    /// `InvalidInput` if `setting` or the endpoint has another form, `Kms(Misconfigured)` if
    /// there are credentials on this machine that cannot be used.
    pub fn open(setting: &str, options: GcpOptions) -> Result<Self> {
        let (uri, query) = match setting.split_once('?') {
            Some((uri, query)) => (uri, Some(query)),
            None => (setting, None),
        };
        let named = match query.map(|query| query.strip_prefix("endpoint=")) {
            None => None,
            Some(Some(endpoint)) => Some(endpoint),
            Some(None) => {
                let detail = "the only setting of a key of Cloud KMS is `endpoint`";
                return Err(Error::invalid("kms.gcp", detail));
            }
        };
        let endpoint = named.or(options.endpoint.as_deref()).unwrap_or(ENDPOINT);
        let endpoint = name::endpoint(endpoint)?;
        let key = KeyName::parse(uri)?;
        let uri = key.uri()?;
        Ok(Self { key, uri, client: Client::new(endpoint, options.credentials)? })
    }

    async fn wrap(&self, key: &DataKey, aad: &[u8]) -> Result<WrappedKey, Failure> {
        let body = key.expose(|key| wire::encrypt(key, aad)).map_err(broken)?;
        let answer: Encrypted = self.client.call(Call::Encrypt, &self.key, body).await?;
        if !self.key.has_version(&answer.name) {
            let detail = "Cloud KMS answered with the name of another key";
            return Err(Call::Encrypt.error(KmsFault::BadAnswer, detail).with_hint(NAME).into());
        }
        let blob = answer.ciphertext()?;
        if blob.is_empty() || blob.len() > WrappedKey::MAX_BLOB {
            let detail = format!("Cloud KMS answered with a ciphertext of {} bytes", blob.len());
            return Err(Call::Encrypt.error(KmsFault::BadAnswer, detail).into());
        }
        Ok(WrappedKey { uri: self.uri.clone(), blob })
    }

    async fn unwrap(&self, blob: &[u8], aad: &[u8]) -> Result<DataKey, Failure> {
        let body = wire::decrypt(blob, aad).map_err(broken)?;
        let answer: Decrypted = self.client.call(Call::Decrypt, &self.key, body).await?;
        Ok(DataKey::from_answer(std::mem::take(&mut *answer.plaintext()?))?)
    }
}

#[async_trait]
impl KmsProvider for GcpKms {
    fn uri(&self) -> &KeyUri {
        &self.uri
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::FULL
    }

    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        let aad = fits(Call::Encrypt, context.associated_data())?;
        match self.wrap(key, aad).await {
            Err(Failure::Damaged(_)) => self.wrap(key, aad).await,
            answer => answer,
        }
        .map_err(|failure| error(Call::Encrypt, failure))
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        if !self.accepts(wrapped) {
            let (theirs, ours) = (&wrapped.uri, &self.uri);
            let detail = format!("it is wrapped under {theirs}, not {ours}");
            return Err(Call::Decrypt.error(KmsFault::WrongKey, detail));
        }
        let aad = fits(Call::Decrypt, context.associated_data())?;
        match self.unwrap(&wrapped.blob, aad).await {
            Err(Failure::Damaged(_)) => self.unwrap(&wrapped.blob, aad).await,
            answer => answer,
        }
        .map_err(|failure| error(Call::Decrypt, failure))
    }

    async fn check(&self) -> Result<KmsHealth> {
        check::round_trip(self).await
    }

    /// One `decrypt`.
    async fn check_reading(&self) -> Result<KmsHealth> {
        check::reading(self, NONSENSE).await
    }
}

/// Keys in an HSM take 8 KiB of plaintext and associated data together; ours is far below.
fn fits(call: Call, aad: &[u8]) -> Result<&[u8]> {
    if aad.len() + DataKey::LEN > MAX_INPUT {
        return Err(call.error(KmsFault::Unsupported, "the context is too long for Cloud KMS"));
    }
    Ok(aad)
}

fn error(call: Call, failure: Failure) -> Error {
    match failure {
        Failure::Damaged(damage) => call.error(KmsFault::BadAnswer, damage.0),
        Failure::Failed(error) => error,
    }
}

fn broken(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "kms.gcp", "the request cannot be written").with_source(error)
}

const ENDPOINT: &str = "https://cloudkms.googleapis.com";
/// No ciphertext of Cloud KMS.
const NONSENSE: &[u8] = &[0; 96];
const MAX_INPUT: usize = 8 * 1024;
const NAME: &str = "name the key exactly as `gcloud kms keys list` prints it, by the project's id \
    and not its number";

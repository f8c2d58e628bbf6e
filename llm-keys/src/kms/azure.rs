//! Azure Key Vault and Managed HSM: data keys wrapped by an RSA key that never leaves the service.
//!
//! A key is `azure-kv://VAULT.vault.azure.net/keys/NAME[/VERSION]` (or `managedhsm.azure.net`, and
//! the same services of the other clouds). Without a version [`AzureKms::open`] asks for the
//! current one and wraps under that; an envelope always names the version. Every version of the
//! configured key is read with, so that a rotation in Azure orphans nothing.
//!
//! Key Vault's `wrapKey` takes no associated data for RSA, so the service does not bind the
//! context: the envelope's context hash and header MAC do. `docs/guides/kms-azure.md` says what
//! follows from that, `docs/adr/0006-azure-client.md` why it is Microsoft's client that talks.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::Bytes;
use azure_core::credentials::TokenCredential;
use azure_core::http::Response;
use azure_security_keyvault_keys::models::{
    Key, KeyClientGetKeyOptions, KeyClientWrapKeyOptions, KeyOperationResult, KeyType,
};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde::Deserialize;
use zeroize::{Zeroize as _, Zeroizing};

use self::fault::Call;
use self::name::KeyName;
use self::transport::Reach;
use super::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey, check};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::secret::DataKey;

mod credential;
mod fault;
mod name;
mod transport;

/// What [`AzureKms::open_with`] may be told; by default everything comes from the environment.
#[derive(Clone, Default)]
pub struct AzureOptions {
    credential: Option<Arc<dyn TokenCredential>>,
    reach: Reach,
}

impl AzureOptions {
    /// Gets tokens from `credential` instead of what the environment says.
    #[must_use]
    pub fn credential(mut self, credential: Arc<dyn TokenCredential>) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Trusts the certificates in `pem` for Key Vault, and no others: for a private authority.
    #[must_use]
    pub fn trust_only(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.reach.trust_only = Some(pem.into());
        self
    }

    /// Connects to `address` instead of where the name system says that the vault is: for a
    /// private endpoint without a DNS zone of its own. The certificate is still that of the vault.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.reach.address = Some(address);
        self
    }
}

impl std::fmt::Debug for AzureOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A credential may show its secret.
        f.debug_struct("AzureOptions").field("address", &self.reach.address).finish_non_exhaustive()
    }
}

/// An RSA key in Azure Key Vault or Managed HSM. Each call is one attempt.
#[derive(Clone)]
pub struct AzureKms {
    client: Arc<KeyClient>,
    key: KeyName,
    version: String,
    uri: KeyUri,
}

impl AzureKms {
    /// The key that `uri` names, reached as the environment says: see `docs/guides/kms-azure.md`.
    /// One call to Key Vault looks the key up.
    ///
    /// # Errors
    /// `InvalidInput` if `uri` is not one of a key in Azure; it is not repeated. `KeyMissing`, or
    /// `Unsupported` if the key is no RSA key that may unwrap. Else what kept us from asking:
    /// `Misconfigured`, `Denied`, `Throttled`, `Unavailable`. A version that is disabled is none:
    /// others may still be read with, and Azure refuses to wrap under it until it is enabled.
    pub async fn open(uri: &str) -> Result<Self> {
        Self::open_with(uri, AzureOptions::default()).await
    }

    /// The same, reached as `options` say.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(uri: &str, options: AzureOptions) -> Result<Self> {
        let (asked, pinned) = KeyName::parse(uri)?;
        let credential = match options.credential {
            Some(credential) => credential,
            None => credential::from_environment()?,
        };
        let client_options = KeyClientOptions {
            client_options: options.reach.client_options(&asked.host)?,
            ..KeyClientOptions::default()
        };
        let endpoint = format!("https://{}", asked.host);
        let client = KeyClient::new(&endpoint, credential, Some(client_options))
            .map_err(|error| fault::of(Call::Get, &error))?;

        let options = KeyClientGetKeyOptions { key_version: pinned.clone(), ..Default::default() };
        let answer = client.get_key(&asked.name, Some(options)).await;
        let found = answer.and_then(Response::into_model);
        let found = found.map_err(|error| fault::of(Call::Get, &error))?;
        let (key, version) = usable(&found)?;
        if !key.is(&asked) || pinned.is_some_and(|pinned| pinned != version) {
            return Err(fault::bad_answer(Call::Get, "Key Vault answered with another key"));
        }
        let uri = key.uri(&version)?;
        Ok(Self { client: Arc::new(client), key, version, uri })
    }

    async fn call(&self, call: Call, version: &str, value: &[u8]) -> Result<Vec<u8>> {
        let (name, body) = (&self.key.name, operation(value));
        let answer = match call {
            Call::Unwrap => self.client.unwrap_key(name, version, body.into(), None).await,
            Call::Get | Call::Wrap => {
                let version = Some(version.to_owned());
                let options =
                    KeyClientWrapKeyOptions { key_version: version, ..Default::default() };
                self.client.wrap_key(name, body.into(), Some(options)).await
            }
        };
        let answer = answer.map_err(|error| fault::of(call, &error))?;
        let body = Bytes::from(Response::<KeyOperationResult>::into_body(answer));
        let result = result(call, &body, &self.key, version);
        wipe(body);
        result
    }
}

impl std::fmt::Debug for AzureKms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AzureKms({})", self.uri)
    }
}

#[async_trait]
impl KmsProvider for AzureKms {
    fn uri(&self) -> &KeyUri {
        &self.uri
    }

    /// Any version of the configured key: the older ones wrapped before the last rotation.
    fn accepts(&self, wrapped: &WrappedKey) -> bool {
        self.key.version_in(&wrapped.uri).is_some()
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::FULL.without_context()
    }

    async fn wrap_key(&self, key: &DataKey, _: KmsContext<'_>) -> Result<WrappedKey> {
        let plain = key.expose(|key| Zeroizing::new(*key));
        let blob = self.call(Call::Wrap, &self.version, plain.as_ref()).await?;
        if !RSA_SIZES.contains(&blob.len()) {
            let detail = "Key Vault answered with a wrapped data key of a wrong length";
            return Err(fault::bad_answer(Call::Wrap, detail));
        }
        Ok(WrappedKey { uri: self.uri.clone(), blob })
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, _: KmsContext<'_>) -> Result<DataKey> {
        let refused = |fault, detail: Cow<'static, str>| {
            Err(Error::new(ErrorKind::Kms(fault), Call::Unwrap.op(), detail))
        };
        let Some(version) = self.key.version_in(&wrapped.uri) else {
            let (theirs, ours) = (&wrapped.uri, &self.uri);
            let detail = format!("it is wrapped under {theirs}, not {ours} or an older version");
            return refused(KmsFault::WrongKey, detail.into());
        };
        if !RSA_SIZES.contains(&wrapped.blob.len()) {
            let detail = "the wrapped data key is damaged: no RSA key makes one of this length";
            return refused(KmsFault::ContextMismatch, detail.into());
        }
        DataKey::from_answer(self.call(Call::Unwrap, &version, &wrapped.blob).await?)
    }

    async fn check(&self) -> Result<KmsHealth> {
        check::round_trip(self).await
    }

    /// One `unwrapKey` under the version of [`uri`](KmsProvider::uri).
    async fn check_reading(&self) -> Result<KmsHealth> {
        check::reading(self, NONSENSE).await
    }
}

/// The name and version of a key that can unwrap, once it is enabled.
fn usable(found: &Key) -> Result<(KeyName, String)> {
    let unreadable = || fault::bad_answer(Call::Get, "Key Vault answered without a key identifier");
    let key = found.key.as_ref().ok_or_else(unreadable)?;
    let named = key.kid.as_deref().and_then(KeyName::from_kid).ok_or_else(unreadable)?;
    let is_rsa = matches!(key.kty, Some(KeyType::Rsa | KeyType::RsaHsm));
    let may = |verb: &str| key.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == verb));
    if !is_rsa || !may("unwrapKey") {
        let detail = "the key is no RSA key that may unwrap";
        return Err(Error::new(ErrorKind::Kms(KmsFault::Unsupported), Call::Get.op(), detail)
            .with_hint(
                "make one: `az keyvault key create --vault-name VAULT --name NAME --kty RSA-HSM \
                 --size 3072 --ops wrapKey unwrapKey`",
            ));
    }
    Ok(named)
}

/// The body of a wrap or unwrap, which is wiped after it was sent.
fn operation(value: &[u8]) -> Bytes {
    let value = Zeroizing::new(Base64UrlUnpadded::encode_string(value));
    // As one piece: what grows leaves copies behind.
    let parts = [r#"{"alg":"RSA-OAEP-256","value":""#, &value, r#""}"#];
    Bytes::from_owner(Zeroizing::new(parts.concat()))
}

/// The value in an answer that names `version` of `key`.
fn result(call: Call, body: &[u8], key: &KeyName, version: &str) -> Result<Vec<u8>> {
    let answer: Answer<'_> = serde_json::from_slice(body)
        .map_err(|_| fault::bad_answer(call, "Key Vault answered what nobody can read"))?;
    match KeyName::from_kid(&answer.kid) {
        Some((theirs, answered)) if theirs == *key && answered == version => {}
        _ => return Err(fault::bad_answer(call, "Key Vault used another key than the one asked")),
    }
    Base64UrlUnpadded::decode_vec(answer.value.trim_end_matches('='))
        .map_err(|_| fault::bad_answer(call, "Key Vault answered with a value that is no base64"))
}

/// Overwrites an answer, which nobody else holds: a version of the SDK that keeps answers is seen
/// by the tests.
fn wipe(body: Bytes) {
    debug_assert!(body.is_empty() || body.is_unique(), "the SDK keeps the plaintext");
    if let Ok(mut body) = body.try_into_mut() {
        body.as_mut().zeroize();
    }
}

/// Both parts are borrowed from the answer, so that no copy of the plaintext is made.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    kid: Cow<'a, str>,
    value: &'a str,
}

/// As long as the shortest blob, and none: RSA leaves it 0, which has no padding.
const NONSENSE: &[u8] = &[0; RSA_SIZES[0]];
/// What RSA-OAEP gives for keys of 2048, 3072 and 4096 bits: Key Vault has no others.
const RSA_SIZES: [usize; 3] = [256, 384, 512];

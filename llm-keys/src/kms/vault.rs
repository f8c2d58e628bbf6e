//! Vault and OpenBao: a key of the Transit secrets engine, over its HTTP API.
//!
//! New data keys come from `datakey/plaintext`, and go back through `decrypt`. Both name the
//! configured key and bind the whole context as `associated_data`. What the server wrapped, the
//! text `vault:vN:…`, is the blob. `docs/guides/kms-vault.md` has the server's side.
//!
//! A token is got at the first call, prolonged when two thirds of its life are over, and replaced
//! when the server denies a call and the token turns out to be dead.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

use self::address::Address;
use self::login::Login;
use self::session::{Denial, Session};
use self::wire::{Answer, Call, RequestBody, Wire};
use super::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey, check};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::random::Random;
use crate::secret::DataKey;

pub use self::options::VaultOptions;

mod address;
mod answer;
mod fault;
mod login;
mod options;
mod session;
mod wire;

/// One Transit key on one Vault or OpenBao server.
///
/// Each call is one attempt; [`Guarded`](super::Guarded) adds deadline and retries. What a call sends
/// and gets passes through buffers of the HTTP and TLS libraries, which do not wipe them; ours are
/// wiped.
pub struct VaultKms {
    uri: KeyUri,
    paths: Paths,
    wire: Arc<Wire>,
    session: Arc<Session>,
}

/// Where the key's operations are, below `/v1/`.
struct Paths {
    datakey: String,
    encrypt: String,
    decrypt: String,
}

impl VaultKms {
    /// The key that `text` names:
    /// `vault://host:port/mount/key?tls=…&ca=…&namespace=…&auth=…&auth_mount=…&role=…`.
    ///
    /// | part | means | if missing |
    /// |------|-------|------------|
    /// | `port` | | 8200 |
    /// | `mount`, `key` | the Transit mount (it may have slashes) and the name of the key | – |
    /// | `namespace` | the namespace of mount and login | none |
    /// | `tls` | `on`, or `off` for a server on the loopback address only | `on` |
    /// | `ca` | a PEM file: trust these authorities and no others | as `options` say, else the machine's |
    /// | `auth` | `token`, `approle` or `kubernetes` | `token` |
    /// | `auth_mount` | where that method is mounted | `approle` or `kubernetes` |
    /// | `role` | the Kubernetes role, or the AppRole role id | |
    ///
    /// Envelopes say only `vault://host:port/mount/key`, and `?namespace=…` if there is one.
    /// Nothing is sent before the first call. Must run in a `tokio` runtime.
    ///
    /// # Errors
    /// `InvalidInput` if `text` is not such a URI, which it never repeats; `Kms(Misconfigured)` if
    /// `options` lack what it asks for or the certificates are unusable.
    pub async fn open(text: &str, options: VaultOptions) -> Result<Self> {
        let address = Address::parse(text)?;
        let ca = address.ca.clone().or_else(|| options.ca.clone());
        let login = Login::new(&address, options)?;
        let (address, wire) = connect(address, ca).await?;
        let wire = Arc::new(wire);
        let Address { mount, key, uri, .. } = address;
        Ok(Self {
            uri,
            paths: Paths {
                datakey: format!("{mount}/datakey/plaintext/{key}"),
                encrypt: format!("{mount}/encrypt/{key}"),
                decrypt: format!("{mount}/decrypt/{key}"),
            },
            session: Session::new(Arc::clone(&wire), login),
            wire,
        })
    }

    /// Posts `body`, with another token once more if the first one turned out to be dead.
    async fn post(&self, op: &'static str, path: &str, body: RequestBody) -> Result<Answer> {
        let token = self.session.token().await?;
        let call = |body, secret| Call { op, path, body: Some(body), token: Some(secret) };
        let mut answer = self.wire.send(call(body.clone(), token.secret())).await?;
        if answer.status == 403 {
            match self.session.denied(&token).await? {
                Denial::Policy => {}
                Denial::DeadToken => {
                    let what = "the Vault server does not know the token: it expired or was revoked, \
                        or its policy does not even let it look itself up";
                    return Err(Error::new(ErrorKind::Kms(KmsFault::Denied), op, what)
                        .with_hint("give a new token, or use auth=approle or auth=kubernetes; a poor one needs the \
                            policy `default`, too"));
                }
                Denial::TryWith(token) => {
                    answer = self.wire.send(call(body, token.secret())).await?;
                }
            }
        }
        if answer.status == 200 {
            return Ok(answer);
        }
        Err(fault::explain(&self.wire, op, &answer).await)
    }

    /// Makes sure that the key exists: `encrypt` with a missing key would create it, unless policy
    /// or mount forbid. Asking `decrypt` to open nonsense needs no permission that we do not need
    /// anyway, and creates nothing. It is asked each time, because a key that was there a moment
    /// ago may be deleted now.
    async fn see_key(&self, op: &'static str) -> Result<()> {
        let probe = Zeroizing::new(br#"{"ciphertext":"vault:v1:AAAA"}"#.to_vec());
        match self.post(op, &self.paths.decrypt, RequestBody::new(probe)).await {
            // It says why it does not open this, so it is there.
            Err(error) if error.kind() == ErrorKind::Kms(KmsFault::ContextMismatch) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Kms(KmsFault::KeyDisabled) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(fault::bad_answer(op, "the server decrypted nonsense")),
        }
    }
}

impl fmt::Debug for VaultKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultKms").field("uri", &self.uri).finish_non_exhaustive()
    }
}

#[async_trait]
impl KmsProvider for VaultKms {
    fn uri(&self) -> &KeyUri {
        &self.uri
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::FULL
    }

    /// The server draws the key, so `random` is not asked.
    async fn generate_data_key(
        &self,
        context: KmsContext<'_>,
        _random: &dyn Random,
    ) -> Result<(DataKey, WrappedKey)> {
        const OP: &str = "kms.generate_data_key";
        let aad = Base64::encode_string(context.associated_data());
        let body = body(&[r#"{"bits":256,"associated_data":""#, &aad, r#""}"#]);
        let answer = self.post(OP, &self.paths.datakey, body).await?;
        let (key, blob) = answer::data_key(OP, &answer.body)?;
        Ok((key, WrappedKey { uri: self.uri.clone(), blob }))
    }

    /// Two calls: the key is looked for before it is asked to encrypt. Only the second and later KMS
    /// of a write is asked this, and each when a record is wrapped anew.
    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        const OP: &str = "kms.wrap_key";
        self.see_key(OP).await?;
        let aad = Base64::encode_string(context.associated_data());
        let mut text = Zeroizing::new([0; 2 * DataKey::LEN]);
        let plain = key.expose(|key| Base64::encode(key, text.as_mut()).ok().map(str::len));
        let plain = plain.and_then(|len| std::str::from_utf8(&text[..len]).ok());
        let plain = plain.ok_or_else(|| {
            Error::new(ErrorKind::Internal, OP, "a data key cannot be written as base64")
        })?;
        let body = body(&[r#"{"plaintext":""#, plain, r#"","associated_data":""#, &aad, r#""}"#]);
        let answer = self.post(OP, &self.paths.encrypt, body).await?;
        Ok(WrappedKey { uri: self.uri.clone(), blob: answer::wrapped(OP, &answer.body)? })
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        const OP: &str = "kms.unwrap_key";
        if wrapped.uri != self.uri {
            let (theirs, ours) = (&wrapped.uri, &self.uri);
            let what = format!("it is wrapped under {theirs}, not {ours}");
            return Err(Error::new(ErrorKind::Kms(KmsFault::WrongKey), OP, what));
        }
        // The server takes other spellings of a blob, too. It is also JSON text after this.
        if answer::version_of(&wrapped.blob).is_none() {
            return Err(fault::mismatch(OP));
        }
        let blob = std::str::from_utf8(&wrapped.blob).map_err(|_| fault::mismatch(OP))?;
        let aad = Base64::encode_string(context.associated_data());
        let body = body(&[r#"{"ciphertext":""#, blob, r#"","associated_data":""#, &aad, r#""}"#]);
        let answer = self.post(OP, &self.paths.decrypt, body).await?;
        answer::unwrapped(OP, &answer.body)
    }

    async fn check(&self) -> Result<KmsHealth> {
        check::round_trip(self).await
    }

    /// One `decrypt`.
    async fn check_reading(&self) -> Result<KmsHealth> {
        check::reading(self, NONSENSE).await
    }
}

/// On a blocking thread, because the certificates of a machine are many files.
async fn connect(address: Address, ca: Option<PathBuf>) -> Result<(Address, Wire)> {
    let connected = tokio::task::spawn_blocking(move || {
        let wire = Wire::new(&address, ca.as_deref())?;
        Ok((address, wire))
    });
    connected.await.map_err(|error| {
        Error::new(ErrorKind::Internal, "kms.vault", "the thread that reads certificates is gone")
            .with_source(error)
    })?
}

/// The parts in one buffer that never grows.
fn body(parts: &[&str]) -> RequestBody {
    let mut out = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    RequestBody::new(out)
}

/// Of a version that no key has: one that is retired, as the first may be, is refused for that.
const NONSENSE: &[u8] = b"vault:v999999999:AAAA";

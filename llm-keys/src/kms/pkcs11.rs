//! A key in a hardware security module or a soft token, through PKCS#11.
//!
//! The key never leaves the token: data keys go in and come out wrapped, by AES-256-GCM with the
//! canonical context as associated data. A blob is `1 | iv[12] | ciphertext[32] | tag[16]`. The IV
//! is random, so that one key is good for 2^32 wraps (NIST SP 800-38D, §8.3); each stored version
//! of an API key takes one. See `docs/guides/kms-pkcs11.md`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cryptoki::error::Error as Cryptoki;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use self::fault::{Remedy, fault, refused, remedy};
use self::module::{Module, lock};
use self::token::Link;
use self::uri::{Identity, Pkcs11Uri};
use super::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey, check};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::random::{Random as _, SystemRandom};
use crate::secret::DataKey;

mod fault;
mod module;
mod pin;
mod probe;
mod token;
mod uri;

/// One AES-256 key of a PKCS#11 token.
///
/// Calls run on `tokio`'s blocking threads, at most 8 at a time, and fewer if the token has fewer
/// sessions. A lost session or login is renewed once for each call. A PIN that the token refused
/// is not tried again until its file changes.
#[derive(Clone, Debug)]
pub struct Pkcs11Kms(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    uri: KeyUri,
    former: Vec<KeyUri>,
    wanted: Pkcs11Uri,
    module: Arc<Module>,
    link: Mutex<Option<Arc<Link>>>,
    sessions: Arc<Semaphore>,
}

impl Pkcs11Kms {
    /// The key that `uri` names (RFC 7512):
    /// `pkcs11:token=…;object=…?module-path=/path/lib.so&pin-source=file:/path`.
    ///
    /// | attribute | |
    /// |---|---|
    /// | `token`, `serial`, `model`, `manufacturer` | the token; one of the first two is needed |
    /// | `object`, `id` | label and id of the key; one of them is needed |
    /// | `type` | only `secret-key` |
    /// | `module-path` | the library, an absolute path |
    /// | `pin-source` | a file of mode 0600 with the user PIN |
    /// | `x-former-serial` | the serial number of a token that held the same key before; repeatable |
    ///
    /// In envelopes the key is called `pkcs11:serial=…;id=%..`; the label of token or key stands
    /// in for a serial number or an id that is not set. If the URI has both `serial` and `id`, that
    /// is known without the token, and a token that is away now is looked for at the first call.
    ///
    /// Must run in a `tokio` runtime with time. Takes 5 s at most.
    ///
    /// # Errors
    /// `InvalidInput` for the URI, which is never repeated. `Kms` of `Misconfigured` (module, PIN
    /// file, several tokens or keys fit, not AES-256), `Denied` (PIN), `KeyMissing`, or
    /// `Unavailable` if no such token is there or the module hangs.
    pub async fn open(uri: &str) -> Result<Self> {
        let wanted = Pkcs11Uri::parse(uri)?;
        let opening = blocking(move || Inner::open(wanted));
        // Its thread is left to itself: nobody can end a call of a module that hangs.
        let opened = tokio::time::timeout(OPEN_DEADLINE, opening).await.map_err(|_| {
            Error::new(
                ErrorKind::Kms(KmsFault::Unavailable),
                "kms.pkcs11.connect",
                "the PKCS#11 module does not answer",
            )
        })?;
        opened.map(|inner| Self(Arc::new(inner)))
    }

    /// Runs `work` with the key, on a blocking thread of its own.
    async fn with_key<T: Send + 'static>(
        &self,
        op: &'static str,
        work: impl Fn(&Session, ObjectHandle) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.0.sessions).acquire_owned().await.map_err(|_| gone(op))?;
        let inner = Arc::clone(&self.0);
        blocking(move || {
            // Held here: a caller who gives up does not end a call that the token is busy with.
            let _permit = permit;
            inner.run(op, work)
        })
        .await
    }
}

impl Inner {
    fn open(wanted: Pkcs11Uri) -> Result<Self> {
        let module = Module::load(&wanted.module)?;
        let known = wanted.identity().transpose()?;
        let (link, uri) = match (Link::connect(&module, &wanted), known) {
            (Ok(link), _) => {
                let uri = link.uri.clone();
                (Some(Arc::new(link)), uri)
            }
            (Err(error), Some(uri)) if error.is_retryable() => {
                tracing::warn!(%uri, %error, "the token is looked for again when it is needed");
                (None, uri)
            }
            (Err(error), _) => return Err(error),
        };
        let limit = link.as_ref().and_then(|link| link.session_limit);
        // One session keeps the login.
        let limit = limit.and_then(|limit| usize::try_from(limit.saturating_sub(1)).ok());
        let sessions = limit.map_or(MAX_SESSIONS, |limit| limit.clamp(1, MAX_SESSIONS));
        let sessions = Arc::new(Semaphore::new(sessions));
        let former = former(&uri, &wanted.former_serials)?;
        Ok(Self { uri, former, wanted, module, link: Mutex::new(link), sessions })
    }

    fn run<T>(
        &self,
        op: &'static str,
        work: impl Fn(&Session, ObjectHandle) -> Result<T, Failure>,
    ) -> Result<T> {
        let link = self.link(None)?;
        match self.attempt(&link, &work) {
            Err(Failure::Token(error)) if remedy(&error) == Remedy::Reconnect => {
                let link = self.link(Some(&link))?;
                self.attempt(&link, &work)
            }
            outcome => outcome,
        }
        .map_err(|failure| failure.into_error(op))
    }

    fn attempt<T>(
        &self,
        link: &Link,
        work: impl Fn(&Session, ObjectHandle) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let session = link.session(&self.module)?;
        let done = work(&session, link.key)?;
        link.put_back(session);
        Ok(done)
    }

    /// The connection, made anew if there is none or if it is `broken`. Of many callers who find it
    /// broken one connects, and the others wait for that.
    fn link(&self, broken: Option<&Arc<Link>>) -> Result<Arc<Link>> {
        let mut current = lock(&self.link);
        match current.as_ref() {
            Some(link) if broken.is_none_or(|broken| !Arc::ptr_eq(broken, link)) => {
                return Ok(Arc::clone(link));
            }
            _ => {}
        }
        *current = None;
        let link = Arc::new(Link::connect(&self.module, &self.wanted)?);
        if link.uri != self.uri {
            let (found, ours) = (&link.uri, &self.uri);
            return Err(Error::new(
                ErrorKind::Kms(KmsFault::WrongKey),
                "kms.pkcs11.connect",
                format!("the PKCS#11 URI now leads to {found}, not to {ours}"),
            ));
        }
        *current = Some(Arc::clone(&link));
        Ok(link)
    }
}

#[async_trait]
impl KmsProvider for Pkcs11Kms {
    fn uri(&self) -> &KeyUri {
        &self.0.uri
    }

    fn accepts(&self, wrapped: &WrappedKey) -> bool {
        wrapped.uri == self.0.uri || self.0.former.contains(&wrapped.uri)
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::FULL
    }

    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        let data = key.expose(|key| Zeroizing::new(*key));
        let aad = context.associated_data().to_vec();
        let blob = self.with_key(WRAP, move |session, key| seal(session, key, &data, &aad)).await?;
        Ok(WrappedKey { uri: self.0.uri.clone(), blob })
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        if !self.accepts(wrapped) {
            let (theirs, ours) = (&wrapped.uri, &self.0.uri);
            return Err(Error::new(
                ErrorKind::Kms(KmsFault::WrongKey),
                UNWRAP,
                format!("it is wrapped under {theirs}, not {ours}"),
            ));
        }
        if wrapped.blob.len() != BLOB_LEN || wrapped.blob[0] != BLOB_VERSION {
            return Err(refused(UNWRAP));
        }
        let (blob, aad) = (wrapped.blob.clone(), context.associated_data().to_vec());
        self.with_key(UNWRAP, move |session, key| {
            let (iv, sealed) = blob[1..].split_at(IV_LEN);
            match unseal(session, key, iv, sealed, &aad) {
                Err(Failure::Token(error)) if remedy(&error) == Remedy::Probe => {
                    // A token that still works has refused these bytes.
                    match probe::works(session, key) {
                        Ok(true) => Err(Failure::Ours(refused(UNWRAP))),
                        _ => Err(Failure::Token(error)),
                    }
                }
                outcome => outcome,
            }
        })
        .await
    }

    async fn check(&self) -> Result<KmsHealth> {
        check::round_trip(self).await
    }

    /// One decryption.
    async fn check_reading(&self) -> Result<KmsHealth> {
        check::reading(self, NONSENSE).await
    }
}

/// Why a call with the key failed.
enum Failure {
    Token(Cryptoki),
    Ours(Error),
}

impl Failure {
    fn into_error(self, op: &'static str) -> Error {
        match self {
            Self::Token(error) => fault(op, error),
            Self::Ours(error) => error,
        }
    }
}

impl From<Cryptoki> for Failure {
    fn from(error: Cryptoki) -> Self {
        Self::Token(error)
    }
}

fn seal(
    session: &Session,
    key: ObjectHandle,
    data: &[u8; DataKey::LEN],
    aad: &[u8],
) -> Result<Vec<u8>, Failure> {
    let mut iv = [0; IV_LEN];
    SystemRandom.fill(&mut iv).map_err(Failure::Ours)?;
    let params = GcmParams::new(&mut iv, aad, TAG_BITS.into())?;
    let sealed = session.encrypt(&Mechanism::AesGcm(params), key, data)?;
    // Some tokens insist on an IV of their own and write it over ours.
    let blob = [&[BLOB_VERSION][..], &iv, &sealed].concat();
    if blob.len() == BLOB_LEN { Ok(blob) } else { Err(Failure::Ours(bad_answer(WRAP))) }
}

fn unseal(
    session: &Session,
    key: ObjectHandle,
    iv: &[u8],
    sealed: &[u8],
    aad: &[u8],
) -> Result<DataKey, Failure> {
    let mut iv = iv.to_vec();
    let params = GcmParams::new(&mut iv, aad, TAG_BITS.into())?;
    let data = session.decrypt(&Mechanism::AesGcm(params), key, sealed)?;
    DataKey::from_answer(data).map_err(Failure::Ours)
}

/// What envelopes call the key of `uri` that were written when it was on other tokens.
fn former(uri: &KeyUri, serials: &[String]) -> Result<Vec<KeyUri>> {
    let Some((_, object)) = uri.as_str().split_once(';') else { return Ok(Vec::new()) };
    let rename = |serial: &String| {
        let token = Identity { serial, token: "", id: &[0], object: "" }.uri()?;
        let token = token.as_str().split(';').next().unwrap_or_default();
        KeyUri::new(format!("{token};{object}"))
    };
    serials.iter().map(rename).collect()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| gone("kms.pkcs11").with_source(error))?
}

fn gone(op: &'static str) -> Error {
    Error::new(ErrorKind::Internal, op, "the thread that talks to the PKCS#11 token is gone")
}

fn bad_answer(op: &'static str) -> Error {
    Error::new(
        ErrorKind::Kms(KmsFault::BadAnswer),
        op,
        "the PKCS#11 token answered with a ciphertext of another length",
    )
}

const WRAP: &str = "kms.wrap_key";
const UNWRAP: &str = "kms.unwrap_key";
const BLOB_VERSION: u8 = 1;
const IV_LEN: usize = 12;
const TAG_BITS: u64 = 128;
const BLOB_LEN: usize = 1 + IV_LEN + DataKey::LEN + 16;
/// A PKCS#11 token is slow, and hangs when it is away: this many threads at most may wait for it.
const MAX_SESSIONS: usize = 8;
const OPEN_DEADLINE: Duration = Duration::from_secs(5);
/// No blob of ours, but of their form.
const NONSENSE: &[u8] = &[BLOB_VERSION; BLOB_LEN];

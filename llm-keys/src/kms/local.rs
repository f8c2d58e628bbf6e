//! The local KMS: a master key on this machine, for the embedded default and for tests.
//!
//! A master key is 32 random bytes. Each data key is wrapped under a key derived for that one wrap
//! from the master key and a random 256-bit salt, so that a master key has no practical limit on
//! the number of wraps. A blob is `1 | salt[32] | nonce[12] | ciphertext[32] | tag[16]`; the
//! canonical context and the key URI are associated data (`docs/spec/local-master-key.md`).

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use super::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey, check};
use crate::context::hex;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::random::{Random, SystemRandom};
use crate::secret::DataKey;

pub use self::backup::{Restored, backup, restore};
pub use self::file::{Created, create, load};
pub use self::passphrase::{PassphraseCost, create_passphrase, open_passphrase};
pub use self::rotate::{Rotated, rotate};

mod backup;
mod file;
mod passphrase;
mod rotate;
mod siblings;

const BLOB_VERSION: u8 = 1;
const SALT_LEN: usize = 32;
const NONCE_LEN: usize = 12;
const BLOB_LEN: usize = 1 + SALT_LEN + NONCE_LEN + DataKey::LEN + 16;

/// A master key: what wraps data keys on this machine. Its URI, `local:` and 32 hexadecimal
/// digits, is derived from the key, so that a wrong master key is seen for what it is.
pub struct MasterKey {
    secret: DataKey,
    uri: KeyUri,
}

impl MasterKey {
    /// The master key of these 32 bytes; wiping them is the caller's part.
    pub fn from_bytes(bytes: &[u8; DataKey::LEN]) -> Result<Self> {
        let mut tag = [0; 16];
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA512, b"llm-keys/local/1");
        salt.extract(bytes)
            .expand(&[b"KEYID"], TagLen)
            .and_then(|okm| okm.fill(&mut tag))
            .map_err(|_| broken())?;
        let uri = KeyUri::new(format!("local:{}", hex(&tag)))?;
        Ok(Self { secret: DataKey::copy_from(bytes), uri })
    }

    /// A fresh random master key.
    pub fn generate(random: &dyn Random) -> Result<Self> {
        DataKey::generate(random)?.expose(Self::from_bytes)
    }

    /// What envelopes call this key.
    pub fn uri(&self) -> &KeyUri {
        &self.uri
    }

    /// The 32 digits of its URI.
    fn id(&self) -> &str {
        self.uri.as_str().trim_start_matches("local:")
    }

    /// Shows the bytes to `reader` and to nobody else.
    pub fn expose<T>(&self, reader: impl FnOnce(&[u8; DataKey::LEN]) -> T) -> T {
        self.secret.expose(reader)
    }

    fn wrapping_key(&self, salt: &[u8]) -> Result<LessSafeKey> {
        let mut key = Zeroizing::new([0; 32]);
        self.secret
            .expose(|secret| hkdf::Salt::new(hkdf::HKDF_SHA512, salt).extract(secret))
            .expand(&[b"llm-keys/local/1/WRAPKEY"], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(key.as_mut()))
            .map_err(|_| broken())?;
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| broken())?;
        Ok(LessSafeKey::new(key))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.uri)
    }
}

/// A KMS whose keys are master keys held by this process: one to write under, older ones to read.
#[derive(Debug)]
pub struct LocalKms {
    current: MasterKey,
    older: Vec<MasterKey>,
}

impl LocalKms {
    /// Writes under `current`, and reads what `older` ones wrapped, too.
    pub fn new(current: MasterKey, older: Vec<MasterKey>) -> Self {
        Self { current, older }
    }

    /// A KMS with a fresh master key that is gone with the process: for tests and trials.
    pub fn ephemeral() -> Result<Self> {
        Ok(Self::new(MasterKey::generate(&SystemRandom)?, Vec::new()))
    }

    fn master(&self, uri: &KeyUri) -> Option<&MasterKey> {
        std::iter::once(&self.current).chain(&self.older).find(|master| master.uri == *uri)
    }
}

#[async_trait]
impl KmsProvider for LocalKms {
    fn uri(&self) -> &KeyUri {
        &self.current.uri
    }

    fn accepts(&self, wrapped: &WrappedKey) -> bool {
        self.master(&wrapped.uri).is_some()
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::FULL
    }

    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        let mut blob = vec![0; 1 + SALT_LEN + NONCE_LEN];
        blob.reserve_exact(BLOB_LEN - blob.len());
        blob[0] = BLOB_VERSION;
        SystemRandom.fill(&mut blob[1..])?;
        let (salt, nonce) = blob[1..].split_at(SALT_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let wrapping = self.current.wrapping_key(salt)?;
        let mut buffer = key.expose(|key| Zeroizing::new(*key));
        let aad = associated_data(&self.current.uri, context);
        let tag = wrapping
            .seal_in_place_separate_tag(nonce, Aad::from(aad.as_slice()), buffer.as_mut())
            .map_err(|_| broken())?;
        blob.extend_from_slice(buffer.as_ref());
        blob.extend_from_slice(tag.as_ref());
        Ok(WrappedKey { uri: self.current.uri.clone(), blob })
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        let master = self.master(&wrapped.uri).ok_or_else(|| {
            let (theirs, ours) = (&wrapped.uri, &self.current.uri);
            unwrap_error(KmsFault::WrongKey, format!("it is wrapped under {theirs}, not {ours}"))
        })?;
        let blob: &[u8; BLOB_LEN] = wrapped.blob.as_slice().try_into().map_err(|_| refused())?;
        if blob[0] != BLOB_VERSION {
            return Err(refused());
        }
        let (salt, rest) = blob[1..].split_at(SALT_LEN);
        let (nonce, sealed) = rest.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let aad = associated_data(&master.uri, context);
        let key = master
            .wrapping_key(salt)?
            .open_in_place(nonce, Aad::from(aad.as_slice()), &mut buffer)
            .map_err(|_| refused())?;
        let key: &[u8; DataKey::LEN] = (&*key).try_into().map_err(|_| broken())?;
        Ok(DataKey::copy_from(key))
    }

    async fn check(&self) -> Result<KmsHealth> {
        check::round_trip(self).await
    }
}

fn associated_data(uri: &KeyUri, context: KmsContext<'_>) -> Vec<u8> {
    // The URI has one length per scheme, so that no other split of the two gives the same bytes.
    [uri.as_str().as_bytes(), context.associated_data()].concat()
}

/// The same answer for a damaged blob and another context: the AEAD cannot tell them apart.
fn refused() -> Error {
    unwrap_error(
        KmsFault::ContextMismatch,
        "the wrapped data key is damaged, or was wrapped for another context",
    )
}

fn unwrap_error(fault: KmsFault, detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Kms(fault), "kms.unwrap_key", detail)
}

fn broken() -> Error {
    Error::new(ErrorKind::Internal, "kms.local", "a cryptographic primitive failed")
}

/// The length of a key id, for HKDF.
struct TagLen;

impl hkdf::KeyType for TagLen {
    fn len(&self) -> usize {
        16
    }
}

#[cfg(test)]
mod tests;

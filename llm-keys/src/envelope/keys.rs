//! The three keys of an envelope, derived from its data key and its message id.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use super::header::COMMIT_LEN;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::DataKey;

const DERIVE: &[u8] = b"llm-keys/1/0001/DERIVEKEY";
const COMMIT: &[u8] = b"llm-keys/1/0001/COMMITKEY";
const HEADER: &[u8] = b"llm-keys/1/0001/HEADERKEY";

/// HKDF-SHA-512 (RFC 5869) with the message id as salt; each envelope has its own keys even where
/// two share a data key.
pub(super) struct Subkeys {
    prk: hkdf::Prk,
}

impl Subkeys {
    pub(super) fn new(key: &DataKey, msg_id: &[u8]) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA512, msg_id);
        Self { prk: key.expose(|key| salt.extract(key)) }
    }

    /// What ties the envelope to one data key (AES-GCM alone does not: a ciphertext can be made
    /// that opens under two keys).
    pub(super) fn commitment(&self) -> Result<[u8; COMMIT_LEN]> {
        Ok(*self.expand(COMMIT)?)
    }

    pub(super) fn aead(&self) -> Result<LessSafeKey> {
        let key = self.expand(DERIVE)?;
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| broken())?;
        Ok(LessSafeKey::new(key))
    }

    pub(super) fn header(&self) -> Result<hmac::Key> {
        let key = self.expand(HEADER)?;
        Ok(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
    }

    fn expand(&self, info: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
        let mut out = Zeroizing::new([0; 32]);
        // The second argument is only the output length: that of SHA-256, 32 bytes.
        self.prk
            .expand(&[info], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(out.as_mut()))
            .map_err(|_| broken())?;
        Ok(out)
    }
}

/// HMAC-SHA-256 over all bytes before the MAC, then the canonical context.
pub(super) fn header_tag(key: &hmac::Key, authenticated: &[u8], context: &[u8]) -> hmac::Tag {
    let mut mac = hmac::Context::with_key(key);
    mac.update(authenticated);
    mac.update(context);
    mac.sign()
}

/// The lengths are fixed, so the primitives cannot refuse them.
pub(super) fn broken() -> Error {
    Error::new(ErrorKind::Internal, "envelope.keys", "a cryptographic primitive failed")
}

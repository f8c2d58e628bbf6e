//! Secrets are types with nothing on them: no `Clone`, no `Serialize`, no `==`, no content in
//! `Debug`, wiped when dropped, and one way in: `expose`.

use std::fmt;

use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, ErrorKind, Result};
use crate::random::Random;

#[cfg(doctest)]
mod must_not_compile;

/// Any secret bytes: boxed once at their final size, so that growing never leaves a copy behind,
/// and wiped when dropped.
pub struct SecretBytes(SecretBox<[u8]>);

impl SecretBytes {
    /// Takes over `bytes` and wipes the vector.
    pub fn new(mut bytes: Vec<u8>) -> Self {
        let secret = Self::copy_from(&bytes);
        bytes.zeroize();
        secret
    }

    /// A copy of `bytes`; wiping those is the caller's part.
    pub fn copy_from(bytes: &[u8]) -> Self {
        Self(SecretBox::new(Box::from(bytes)))
    }

    /// `len` bytes that `writer` fills where they will stay, so that there is no other copy to
    /// wipe; if it fails, what it wrote is wiped.
    pub(crate) fn fill_with<E>(
        len: usize,
        writer: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut secret = Self(SecretBox::new(vec![0; len].into_boxed_slice()));
        writer(secret.0.expose_secret_mut())?;
        Ok(secret)
    }

    /// Shows the bytes to `reader` and to nobody else.
    pub fn expose<T>(&self, reader: impl FnOnce(&[u8]) -> T) -> T {
        reader(self.0.expose_secret())
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.expose_secret().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes([REDACTED])")
    }
}

/// An API key: 1 byte to 16 KiB, no NUL byte.
///
/// Nothing shows it but [`expose`](Self::expose) and [`expose_str`](Self::expose_str).
///
/// ```
/// use llm_keys::ApiKey;
///
/// let key = ApiKey::new("sk-ant-example")?;
/// assert_eq!(key.expose_str(|key| key.len())?, 14);
/// assert_eq!(format!("{key:?}"), "ApiKey([REDACTED])");
/// # Ok::<(), llm_keys::Error>(())
/// ```
pub struct ApiKey(SecretBytes);

impl ApiKey {
    /// The longest key we store, in bytes.
    pub const MAX_LEN: usize = 16 * 1024;

    /// Takes over `key` (text or bytes) and wipes what was passed in.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the key is empty, longer than [`Self::MAX_LEN`], or holds a
    /// NUL byte. The message never repeats the key.
    pub fn new(key: impl Into<Vec<u8>>) -> Result<Self> {
        Self::try_from(SecretBytes::new(key.into()))
    }

    /// Shows the bytes of the key to `reader`. Do not let them outlive it.
    pub fn expose<T>(&self, reader: impl FnOnce(&[u8]) -> T) -> T {
        self.0.expose(reader)
    }

    /// Shows the key as text to `reader`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the key is not UTF-8.
    pub fn expose_str<T>(&self, reader: impl FnOnce(&str) -> T) -> Result<T> {
        self.0.expose(|bytes| match std::str::from_utf8(bytes) {
            Ok(text) => Ok(reader(text)),
            Err(_) => Err(Error::invalid("secret.expose_str", "the key is not UTF-8 text")),
        })
    }

    /// The bytes, lent as a plain [`SecretBytes`].
    pub(crate) fn as_bytes(&self) -> &SecretBytes {
        &self.0
    }

    /// The bytes as a plain [`SecretBytes`].
    pub fn into_bytes(self) -> SecretBytes {
        self.0
    }
}

impl TryFrom<SecretBytes> for ApiKey {
    type Error = Error;

    fn try_from(bytes: SecretBytes) -> Result<Self> {
        const OP: &str = "secret.api_key";
        let (len, nul) = bytes.expose(|bytes| (bytes.len(), bytes.contains(&0)));
        if len == 0 {
            return Err(Error::invalid(OP, "the key is empty"));
        }
        if len > Self::MAX_LEN {
            let max = Self::MAX_LEN;
            return Err(Error::invalid(OP, format!("the key is longer than {max} bytes")));
        }
        if nul {
            return Err(Error::invalid(OP, "the key holds a NUL byte"));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([REDACTED])")
    }
}

/// A data key (DEK): the 32 random bytes that seal one version.
pub struct DataKey(SecretBox<[u8; DataKey::LEN]>);

impl DataKey {
    /// The length of a data key, in bytes.
    pub const LEN: usize = 32;

    /// A fresh random data key.
    pub fn generate(random: &dyn Random) -> Result<Self> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        random.fill(bytes.as_mut())?;
        Ok(Self::copy_from(&bytes))
    }

    /// A copy of `bytes`; wiping those is the caller's part.
    pub fn copy_from(bytes: &[u8; Self::LEN]) -> Self {
        Self(SecretBox::init_with_mut(|secret: &mut [u8; Self::LEN]| secret.copy_from_slice(bytes)))
    }

    /// A data key from what a KMS returned, which must be exactly 32 bytes; wipes the vector.
    ///
    /// # Errors
    /// [`KmsFault::BadAnswer`](crate::error::KmsFault::BadAnswer) on any other length.
    pub fn from_answer(mut bytes: Vec<u8>) -> Result<Self> {
        let key = <&[u8; Self::LEN]>::try_from(bytes.as_slice()).map(Self::copy_from);
        let len = bytes.len();
        bytes.zeroize();
        key.map_err(|_| {
            Error::new(
                ErrorKind::Kms(crate::error::KmsFault::BadAnswer),
                "kms.unwrap_key",
                format!("the KMS answered with a data key of {len} bytes, not {}", Self::LEN),
            )
        })
    }

    /// Shows the bytes to `reader` and to nobody else.
    pub fn expose<T>(&self, reader: impl FnOnce(&[u8; Self::LEN]) -> T) -> T {
        reader(self.0.expose_secret())
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn sizes_at_the_edges() {
        assert!(ApiKey::new("").is_err());
        assert!(ApiKey::new("x").is_ok());
        assert!(ApiKey::new(vec![b'x'; ApiKey::MAX_LEN]).is_ok());
        assert!(ApiKey::new(vec![b'x'; ApiKey::MAX_LEN + 1]).is_err());
    }

    #[test]
    fn nul_is_refused_and_the_error_does_not_repeat_the_key() {
        let error = ApiKey::new("sk-secret\0tail").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!format!("{error:?}").contains("sk-secret"));
    }

    #[test]
    fn bytes_that_are_not_text_are_kept_but_not_shown_as_text() {
        let key = ApiKey::new(vec![0xff, 0xfe]).unwrap();
        assert_eq!(key.expose(<[u8]>::len), 2);
        assert!(key.expose_str(str::len).is_err());
    }

    #[test]
    fn a_data_key_of_the_wrong_length_is_a_bad_answer() {
        for len in [0, 31, 33] {
            let error = DataKey::from_answer(vec![7; len]).unwrap_err();
            assert_eq!(error.kind().code(), "kms_bad_answer");
        }
        assert!(DataKey::from_answer(vec![7; 32]).is_ok());
    }

    #[test]
    fn a_writer_fills_the_bytes_in_place_or_there_is_no_secret() {
        let secret = SecretBytes::fill_with(3, |out| {
            assert_eq!(out, [0; 3]);
            out.copy_from_slice(b"abc");
            Ok::<_, ()>(())
        });
        assert!(secret.unwrap().expose(|bytes| bytes == b"abc"));
        assert_eq!(SecretBytes::fill_with(3, |_| Err("why")).unwrap_err(), "why");
    }

    #[test]
    fn debug_shows_nothing() {
        let key = DataKey::generate(&SystemRandom).unwrap();
        assert_eq!(format!("{key:?}"), "DataKey([REDACTED])");
        assert_eq!(format!("{:?}", SecretBytes::new(b"abc".to_vec())), "SecretBytes([REDACTED])");
    }
}

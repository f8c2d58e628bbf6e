//! The name of a KMS key inside an envelope.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The resolved name of a KMS key: `scheme:` and what that backend needs to find the key, 1 to 512
/// printable ASCII bytes without spaces. One key has one URI; it is compared byte for byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyUri(Arc<str>);

impl KeyUri {
    /// The longest URI, in bytes.
    pub const MAX_LEN: usize = 512;

    /// Checks `text` and makes the value: a scheme of `[a-z][a-z0-9+-]*`, a colon, and at least one
    /// more character.
    ///
    /// # Errors
    /// `InvalidInput` that says what is wrong.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        if text.len() > Self::MAX_LEN {
            let max = Self::MAX_LEN;
            return Err(Error::invalid(
                "kms.uri",
                format!("the key URI is longer than {max} bytes"),
            ));
        }
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-".contains(&b);
        let fine = text.split_once(':').is_some_and(|(scheme, rest)| {
            scheme.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
                && scheme.bytes().all(plain)
                && !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_graphic())
        });
        if !fine {
            return Err(Error::invalid(
                "kms.uri",
                "a key URI is `scheme:rest` in printable ASCII without spaces",
            ));
        }
        Ok(Self(Arc::from(text)))
    }

    /// What stands for the key of a KMS that could not be opened yet; no backend names a key so.
    #[cfg(feature = "kms-remote")]
    pub(crate) fn unopened(scheme: &str) -> Result<Self> {
        Self::new(format!("{scheme}:{UNOPENED}"))
    }

    /// Whether it only stands for the key of a KMS that was out when it was to be opened.
    pub fn is_unopened(&self) -> bool {
        self.0.split_once(':').is_some_and(|(_, rest)| rest == UNOPENED)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first colon.
    pub fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }
}

const UNOPENED: &str = "(not-open-yet)";

impl FromStr for KeyUri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        for good in ["local:0011", "aws-kms:arn:aws:kms:eu-west-1:1:key/2", "vault://h:1/t/k?tls=1"]
        {
            assert_eq!(KeyUri::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "local", "local:", ":x", "Local:x", "1a:x", "a b:x", "local:a b", "local:ä"]
        {
            assert!(KeyUri::new(bad).is_err(), "{bad:?}");
        }
        assert!(KeyUri::new(format!("x:{}", "a".repeat(510))).is_ok());
        assert!(KeyUri::new(format!("x:{}", "a".repeat(511))).is_err());
        assert_eq!(KeyUri::new("aws-kms:arn:x").unwrap().scheme(), "aws-kms");
    }
}

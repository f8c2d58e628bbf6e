//! What stands beside a key in clear: settings, labels, the hint. None of it may be secret.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::secret::ApiKey;

const OP: &str = "model.parse";

/// The non-secret fields of a credential, such as host, region or model, by field name.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(pub BTreeMap<String, String>);

/// A service's template and its edition, such as `proxmox@1`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TemplateRef(pub String);

/// Free marks for people and filters: at most 16 pairs.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// How many labels a key may have.
    pub const MAX: usize = 16;

    /// Adds or replaces a label. Keys: `[a-z0-9][a-z0-9._/-]{0,62}`; values: up to 255 characters,
    /// no control characters.
    ///
    /// # Errors
    /// `InvalidInput` that says what is wrong.
    pub fn insert(&mut self, key: &str, value: &str) -> Result<()> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let first = key.bytes().next().is_some_and(plain);
        let rest = key.bytes().all(|b| plain(b) || b"._/-".contains(&b));
        if !first || !rest || key.len() > 63 {
            return Err(Error::invalid(OP, "a label's key is 1 to 63 of a-z 0-9 . _ / -"));
        }
        if value.chars().count() > 255 || value.chars().any(char::is_control) {
            return Err(Error::invalid(
                OP,
                format!("the label `{key}` has a value over 255 characters or a control character"),
            ));
        }
        if self.0.len() >= Self::MAX && !self.0.contains_key(key) {
            return Err(Error::invalid(OP, format!("a key has at most {} labels", Self::MAX)));
        }
        self.0.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// The pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut labels = Self::default();
        for (key, value) in BTreeMap::<String, String>::deserialize(deserializer)? {
            labels.insert(&key, &value).map_err(serde::de::Error::custom)?;
        }
        Ok(labels)
    }
}

/// The last four characters of an API key, to tell keys apart in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hint(String);

impl Hint {
    /// The shortest key that gets a hint: of a shorter one, four characters would say too much.
    pub const MIN_KEY_CHARS: usize = 12;

    /// The hint of `key`; `None` if it is shorter than [`Self::MIN_KEY_CHARS`] characters, or if
    /// its end is not printable text.
    pub fn of(key: &ApiKey) -> Option<Self> {
        key.expose(|bytes| {
            let tail = bytes.get(bytes.len().checked_sub(4)?..)?;
            let long = bytes.len() >= Self::MIN_KEY_CHARS && tail.iter().all(u8::is_ascii_graphic);
            long.then(|| Self(tail.iter().map(|&b| char::from(b)).collect()))
        })
    }

    /// The hint of a stored row; `None` if no key has such a hint.
    pub fn from_column(text: &str) -> Option<Self> {
        let fine = text.len() == 4 && text.bytes().all(|b| b.is_ascii_graphic());
        fine.then(|| Self(text.to_owned()))
    }

    /// The four characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(key: &str) -> Option<String> {
        Hint::of(&ApiKey::new(key).unwrap()).map(|hint| hint.as_str().to_owned())
    }

    #[test]
    fn hints_only_of_long_keys() {
        assert_eq!(hint("sk-1234567890ab"), Some("90ab".to_owned()));
        assert_eq!(hint("123456789abc"), Some("9abc".to_owned()));
        assert_eq!(hint("123456789ab"), None);
        assert_eq!(hint("abc"), None);
        assert_eq!(hint("1234567890€"), None);
    }

    #[test]
    fn labels_have_limits() {
        let mut labels = Labels::default();
        for n in 0..Labels::MAX {
            labels.insert(&format!("k{n}"), "v").unwrap();
        }
        assert!(labels.insert("k0", "new").is_ok());
        assert!(labels.insert("one-more", "v").is_err());
        let mut labels = Labels::default();
        for (key, value) in
            [("", "v"), ("K", "v"), ("-k", "v"), ("k", "a\nb"), ("k", &"x".repeat(256))]
        {
            assert!(labels.insert(key, value).is_err(), "{key:?}");
        }
        assert!(serde_json::from_str::<Labels>(r#"{"BAD":"v"}"#).is_err());
    }
}

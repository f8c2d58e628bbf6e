//! Which keys an alias has meant, so that pointing it elsewhere orphans nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::KeyUri;
use crate::error::{Error, ErrorKind, IntegrityFault, Result};

/// The KMS keys that may be asked to unwrap, beside the ones in the settings: those that an alias
/// has meant, and those that somebody allowed by hand. It is kept in a system record, sealed like
/// any other secret, since whoever could add to it could make us trust a key of theirs.
///
/// An alias is written as its ARN, or however its backend names it in full. Each list is in the
/// order of adding: the last one is what the alias means now.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Pins {
    aliases: BTreeMap<String, Vec<KeyUri>>,
    allowed: Vec<KeyUri>,
}

impl Pins {
    /// The most keys one list holds; an alias that moves this often is a mistake.
    pub const MAX_KEYS: usize = 64;

    /// Remembers that `alias` means `key` now. Says whether anything changed, and with it whether
    /// the record must be written.
    ///
    /// # Errors
    /// `InvalidInput` if the alias has meant [`Self::MAX_KEYS`] other keys.
    pub fn add(&mut self, alias: &str, key: &KeyUri) -> Result<bool> {
        push_last(self.aliases.entry(alias.to_owned()).or_default(), key)
    }

    /// Allows `key` whatever the aliases are. Says whether anything changed.
    ///
    /// # Errors
    /// `InvalidInput` if [`Self::MAX_KEYS`] others are allowed.
    pub fn allow(&mut self, key: &KeyUri) -> Result<bool> {
        if self.allowed.contains(key) {
            return Ok(false);
        }
        push_last(&mut self.allowed, key)
    }

    /// The keys to read with for `alias`: all that it has meant, then those allowed by hand.
    pub fn of(&self, alias: &str) -> Vec<KeyUri> {
        let mut keys = self.aliases.get(alias).cloned().unwrap_or_default();
        keys.extend(
            self.allowed.iter().filter(|key| !keys.contains(key)).cloned().collect::<Vec<_>>(),
        );
        keys
    }

    /// The aliases, each with all keys that it has meant.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &[KeyUri])> {
        self.aliases.iter().map(|(alias, keys)| (alias.as_str(), keys.as_slice()))
    }

    /// Whether `alias` has meant `key`.
    pub fn has_meant(&self, alias: &str, key: &KeyUri) -> bool {
        self.aliases.get(alias).is_some_and(|keys| keys.contains(key))
    }

    /// All keys, of aliases and allowed by hand; one may come more than once.
    pub fn keys(&self) -> impl Iterator<Item = &KeyUri> {
        self.aliases.values().flatten().chain(&self.allowed)
    }

    /// The keys allowed by hand.
    pub fn allowed(&self) -> &[KeyUri] {
        &self.allowed
    }

    /// Reads what [`serialize`](Self::serialize) wrote.
    ///
    /// # Errors
    /// `Integrity(Row)` if it is anything else: the record is not one of ours, or is of a newer
    /// version of this program.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let file: File = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
        if file.version != VERSION {
            return Err(unreadable());
        }
        let keys = |texts: Vec<String>| -> Result<Vec<KeyUri>> {
            if texts.len() > Self::MAX_KEYS {
                return Err(unreadable());
            }
            texts.into_iter().map(|text| KeyUri::new(text).map_err(|_| unreadable())).collect()
        };
        let aliases = file.aliases.into_iter().map(|(alias, list)| Ok((alias, keys(list)?)));
        Ok(Self { aliases: aliases.collect::<Result<_>>()?, allowed: keys(file.allowed)? })
    }

    /// The bytes of the record: JSON, the same for the same content.
    ///
    /// # Errors
    /// `Internal` if it cannot be written, which nothing in it can cause.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        let texts = |keys: &[KeyUri]| keys.iter().map(ToString::to_string).collect();
        let file = File {
            version: VERSION,
            aliases: self
                .aliases
                .iter()
                .map(|(alias, keys)| (alias.clone(), texts(keys)))
                .collect(),
            allowed: texts(&self.allowed),
        };
        serde_json::to_vec(&file).map_err(|error| {
            Error::new(ErrorKind::Internal, "kms.pins", "the list of KMS keys cannot be written")
                .with_source(error)
        })
    }
}

/// Moves or adds `key` to the end of `keys`.
fn push_last(keys: &mut Vec<KeyUri>, key: &KeyUri) -> Result<bool> {
    if keys.last() == Some(key) {
        return Ok(false);
    }
    keys.retain(|other| other != key);
    if keys.len() >= Pins::MAX_KEYS {
        let max = Pins::MAX_KEYS;
        return Err(Error::invalid("kms.pins", format!("it has meant {max} KMS keys already")));
    }
    keys.push(key.clone());
    Ok(true)
}

fn unreadable() -> Error {
    Error::new(
        ErrorKind::Integrity(IntegrityFault::Row),
        "kms.pins",
        "the record of allowed KMS keys cannot be read",
    )
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    aliases: BTreeMap<String, Vec<String>>,
    allowed: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(name: &str) -> KeyUri {
        KeyUri::new(format!("aws-kms:{name}")).unwrap()
    }

    #[test]
    fn an_alias_keeps_what_it_has_meant() {
        let mut pins = Pins::default();
        assert!(pins.of("a").is_empty());
        assert!(pins.add("a", &uri("1")).unwrap());
        assert!(!pins.add("a", &uri("1")).unwrap(), "nothing new");
        assert!(pins.add("a", &uri("2")).unwrap());
        assert!(pins.add("b", &uri("3")).unwrap());
        assert_eq!(pins.of("a"), [uri("1"), uri("2")]);
        // Back to where it was: the order says what it means now, and nothing is twice.
        assert!(pins.add("a", &uri("1")).unwrap());
        assert_eq!(pins.of("a"), [uri("2"), uri("1")]);
        assert!(pins.allow(&uri("9")).unwrap());
        assert!(pins.allow(&uri("2")).unwrap());
        assert!(!pins.allow(&uri("9")).unwrap(), "nothing new");
        assert_eq!(pins.of("a"), [uri("2"), uri("1"), uri("9")]);
        assert_eq!(pins.of("unknown"), [uri("9"), uri("2")]);
        assert_eq!(pins.allowed(), [uri("9"), uri("2")]);
    }

    #[test]
    fn the_record_is_stable_and_read_back() {
        let mut pins = Pins::default();
        pins.add("z", &uri("1")).unwrap();
        pins.add("a", &uri("2")).unwrap();
        pins.allow(&uri("3")).unwrap();
        let bytes = pins.serialize().unwrap();
        let text = r#"{"version":1,"aliases":{"a":["aws-kms:2"],"z":["aws-kms:1"]},"allowed":["aws-kms:3"]}"#;
        assert_eq!(String::from_utf8_lossy(&bytes), text);
        assert_eq!(Pins::parse(&bytes).unwrap(), pins);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"version":2,"aliases":{},"allowed":[]}"#,
            r#"{"version":1,"aliases":{},"allowed":["no uri"]}"#,
            r#"{"version":1,"aliases":{},"allowed":[],"more":1}"#,
            r#"{"version":1,"aliases":{"a":"aws-kms:1"},"allowed":[]}"#,
        ] {
            let kind = Pins::parse(bad.as_bytes()).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::Integrity(IntegrityFault::Row), "{bad}");
        }
    }

    #[test]
    fn lists_end_somewhere() {
        let mut pins = Pins::default();
        for number in 0..Pins::MAX_KEYS {
            pins.add("a", &uri(&number.to_string())).unwrap();
        }
        assert_eq!(pins.add("a", &uri("x")).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(pins.add("a", &uri("0")).unwrap(), "one of them can still come last");
        assert_eq!(pins.of("a").len(), Pins::MAX_KEYS);
        let bytes = pins.serialize().unwrap();
        assert_eq!(Pins::parse(&bytes).unwrap(), pins);
    }
}

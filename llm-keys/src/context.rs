//! The encryption context: what an envelope belongs to, as sorted pairs with one encoding.
//!
//! All of it is associated data of the payload; its hash stands in the envelope; a part of it goes
//! to the KMS (`docs/spec/envelope.md`, "Context").

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64ct::{Base64, Encoding as _};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{KeyId, SystemName, Tenant, Version};

/// What an envelope belongs to. It always comes from the question and the key row, never from the
/// envelope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncryptionContext {
    pairs: BTreeMap<&'static str, String>,
    canonical: Vec<u8>,
    hash: [u8; 32],
}

impl EncryptionContext {
    /// The context of one version of a key.
    pub fn of_key(id: &KeyId, record: Uuid, version: Version) -> Self {
        Self::from_pairs(BTreeMap::from([
            ("fmt", "LKE1".to_owned()),
            ("kind", "key".to_owned()),
            ("name", id.name.to_string()),
            ("owner_id", id.owner.id().to_owned()),
            ("owner_kind", id.owner.kind().to_owned()),
            ("record", record.hyphenated().to_string()),
            ("service", id.service.to_string()),
            ("tenant", id.tenant.to_string()),
            ("version", version.to_string()),
        ]))
    }

    /// The context of one version of a system record.
    pub fn of_system(tenant: &Tenant, name: &SystemName, record: Uuid, version: Version) -> Self {
        Self::from_pairs(BTreeMap::from([
            ("fmt", "LKE1".to_owned()),
            ("kind", "system".to_owned()),
            ("name", name.to_string()),
            ("record", record.hyphenated().to_string()),
            ("tenant", tenant.to_string()),
            ("version", version.to_string()),
        ]))
    }

    fn from_pairs(pairs: BTreeMap<&'static str, String>) -> Self {
        let canonical = encode(&pairs);
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &canonical).as_ref());
        Self { pairs, canonical, hash }
    }

    /// The one encoding: the number of pairs as `u16`, then for each pair in the byte order of the
    /// keys `u16` length, key, `u16` length, value; big-endian, UTF-8.
    pub fn canonical_bytes(&self) -> &[u8] {
        &self.canonical
    }

    /// SHA-256 of [`canonical_bytes`](Self::canonical_bytes).
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// All pairs, sorted by key.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.pairs.iter().map(|(&key, value)| (key, value.as_str()))
    }

    /// The pairs that go to a KMS as its own encryption context, where a policy can name them:
    /// `lk`, `kind`, `tenant`, `record`, `owner_kind`, `service`, and `ctx`, the hash of all pairs
    /// in base64. `readable` adds `name` and `owner_id`; a KMS log then shows them in clear. A system
    /// record always has its `name`, which is nobody's: a policy must be able to tell the sentinel,
    /// which everybody opens, from the row MAC keys of a tenant.
    pub fn kms_pairs(&self, readable: bool) -> Vec<(&'static str, String)> {
        let mut named = vec!["kind", "tenant", "record", "owner_kind", "service"];
        if readable {
            named.extend(["name", "owner_id"]);
        } else if self.pairs.get("kind").is_some_and(|kind| kind == "system") {
            named.push("name");
        }
        let mut pairs = vec![("lk", "1".to_owned()), ("ctx", Base64::encode_string(&self.hash))];
        pairs.extend(named.into_iter().filter_map(|key| {
            let value = self.pairs.get(key).filter(|value| !value.is_empty())?;
            Some((key, value.clone()))
        }));
        pairs.sort_unstable();
        pairs
    }

    /// The pairs of canonical bytes, for tools that check the format.
    ///
    /// # Errors
    /// `InvalidInput` unless `bytes` are exactly what [`canonical_bytes`](Self::canonical_bytes)
    /// would give: sorted, without duplicates, nothing after the end.
    pub fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>> {
        let bad =
            || Error::new(ErrorKind::InvalidInput, "context.parse", "not a canonical context");
        let mut rest = bytes;
        let mut take = |len: usize| -> Result<&[u8]> {
            let (head, tail) = rest.split_at_checked(len).ok_or_else(bad)?;
            rest = tail;
            Ok(head)
        };
        let mut number = || -> Result<usize> {
            let two = take(2)?;
            Ok(usize::from(u16::from_be_bytes([two[0], two[1]])))
        };
        let count = number()?;
        let mut pairs: Vec<(String, String)> = Vec::new();
        for _ in 0..count {
            let mut text = || -> Result<String> {
                let two = take(2)?;
                let len = usize::from(u16::from_be_bytes([two[0], two[1]]));
                String::from_utf8(take(len)?.to_vec()).map_err(|_| bad())
            };
            let pair = (text()?, text()?);
            if pairs.last().is_some_and(|last| last.0 >= pair.0) {
                return Err(bad());
            }
            pairs.push(pair);
        }
        if rest.is_empty() { Ok(pairs) } else { Err(bad()) }
    }
}

fn encode(pairs: &BTreeMap<&'static str, String>) -> Vec<u8> {
    let mut out =
        Vec::with_capacity(2 + pairs.iter().map(|(k, v)| 4 + k.len() + v.len()).sum::<usize>());
    push_len(&mut out, pairs.len());
    for (key, value) in pairs {
        push_len(&mut out, key.len());
        out.extend_from_slice(key.as_bytes());
        push_len(&mut out, value.len());
        out.extend_from_slice(value.as_bytes());
    }
    out
}

/// Every part is at most 255 bytes by its parser, so the length always fits.
fn push_len(out: &mut Vec<u8>, len: usize) {
    debug_assert!(len <= usize::from(u16::MAX));
    let len = u16::try_from(len).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> EncryptionContext {
        let id = KeyId::user("alice", "anthropic").unwrap();
        EncryptionContext::of_key(&id, Uuid::from_u128(0xab), Version::FIRST)
    }

    fn system() -> EncryptionContext {
        let name = SystemName::new("sentinel").unwrap();
        EncryptionContext::of_system(&Tenant::default(), &name, Uuid::nil(), Version::FIRST)
    }

    #[test]
    fn canonical_bytes_are_sorted_and_length_prefixed() {
        let mut expected = vec![0, 6];
        for text in [
            "fmt",
            "LKE1",
            "kind",
            "system",
            "name",
            "sentinel",
            "record",
            "00000000-0000-0000-0000-000000000000",
            "tenant",
            "default",
            "version",
            "1",
        ] {
            expected.extend([0, u8::try_from(text.len()).unwrap()]);
            expected.extend(text.bytes());
        }
        assert_eq!(system().canonical_bytes(), expected);
    }

    #[test]
    fn canonical_bytes_parse_back_and_nothing_else_does() {
        for context in [alice(), system()] {
            let bytes = context.canonical_bytes();
            let pairs = context.pairs().map(|(key, value)| (key.to_owned(), value.to_owned()));
            assert_eq!(EncryptionContext::parse(bytes).unwrap(), pairs.collect::<Vec<_>>());
            for len in 0..bytes.len() {
                assert!(EncryptionContext::parse(&bytes[..len]).is_err(), "{len}");
            }
            assert!(EncryptionContext::parse(&[bytes, &[0]].concat()).is_err());
        }
        let of = |bytes: &[u8]| EncryptionContext::parse(bytes);
        assert!(of(b"\0\x02\0\x01a\0\x01x\0\x01b\0\x01y").is_ok());
        assert!(of(b"\0\x02\0\x01b\0\x01y\0\x01a\0\x01x").is_err(), "not sorted");
        assert!(of(b"\0\x02\0\x01a\0\x01x\0\x01a\0\x01y").is_err(), "the same key twice");
        assert!(of(b"\0\x01\0\x01a\0\x01\xff").is_err(), "not UTF-8");
    }

    #[test]
    fn a_kms_is_given_what_a_policy_needs_and_the_hash_of_all() {
        let keys = |context: &EncryptionContext, readable| {
            context.kms_pairs(readable).into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        let plain = ["ctx", "kind", "lk", "owner_kind", "record", "service", "tenant"];
        assert_eq!(keys(&alice(), false), plain);
        let readable =
            ["ctx", "kind", "lk", "name", "owner_id", "owner_kind", "record", "service", "tenant"];
        assert_eq!(keys(&alice(), true), readable);
        assert_eq!(keys(&system(), false), ["ctx", "kind", "lk", "name", "record", "tenant"]);
        assert_eq!(system().kms_pairs(false), system().kms_pairs(true));
        // A KMS may refuse an empty value, so a global owner's id is left out.
        let global = KeyId::global("anthropic").unwrap();
        let global = EncryptionContext::of_key(&global, Uuid::nil(), Version::FIRST);
        assert!(!keys(&global, true).contains(&"owner_id"));
        let ctx = &alice().kms_pairs(false)[0].1;
        assert_eq!(*ctx, Base64::encode_string(alice().hash()));
    }
}

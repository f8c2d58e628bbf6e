//! A second encoder of LKE1, written from the specification, that can also write what is wrong. It
//! shares nothing with the engine but the primitives.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};

use crate::seeded::Seeded;

pub(crate) type Pairs = BTreeMap<String, String>;

/// The data key of every vector that does not say otherwise.
pub(crate) const DATA_KEY: [u8; 32] =
    *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\
    \xff\xee\xdd\xcc\xbb\xaa\x99\x88\x77\x66\x55\x44\x33\x22\x11\x00";

/// The values that an envelope is made of. Nothing is checked.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) magic: [u8; 3],
    pub(crate) version: u8,
    pub(crate) suite: u16,
    pub(crate) flags: u16,
    pub(crate) msg_id: [u8; 32],
    pub(crate) context: Pairs,
    /// The hash that is written, where it is not that of the context.
    pub(crate) context_hash: Option<[u8; 32]>,
    pub(crate) content: u8,
    /// The count that is written, where it is not the number of copies.
    pub(crate) count: Option<u8>,
    pub(crate) wrapped: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) data_key: [u8; 32],
    pub(crate) nonce: [u8; 12],
    pub(crate) plaintext: Vec<u8>,
}

/// The fields of an envelope in their order, for changes after sealing.
#[derive(Clone)]
pub(crate) struct Parts {
    /// Magic to content byte.
    pub(crate) fixed: Vec<u8>,
    /// The count and the wrapped data keys.
    pub(crate) wrapped: Vec<u8>,
    pub(crate) commit: Vec<u8>,
    pub(crate) header_mac: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    pub(crate) length: [u8; 2],
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) tag: Vec<u8>,
}

impl Draft {
    /// A good envelope for [`key_pairs`], with salt, nonce and wrapped data key drawn from `seed`.
    pub(crate) fn new(seed: &str) -> Self {
        let random = Seeded::new(seed);
        Self {
            magic: *b"LKE",
            version: 1,
            suite: 1,
            flags: 0,
            msg_id: random.array(),
            context: key_pairs(),
            context_hash: None,
            content: 1,
            count: None,
            nonce: random.array(),
            wrapped: vec![(b"test:one".to_vec(), random.bytes(40))],
            data_key: DATA_KEY,
            plaintext: b"sk-test-0123456789".to_vec(),
        }
    }

    pub(crate) fn with_context(mut self, key: &str, value: &str) -> Self {
        self.context.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn with_wrapped(mut self, uri: &[u8], blob: &[u8]) -> Self {
        self.wrapped = vec![(uri.to_vec(), blob.to_vec())];
        self
    }

    /// `count` copies of different lengths under different keys.
    pub(crate) fn with_copies(mut self, count: usize) -> Self {
        let random = Seeded::new(format!("{count} copies"));
        let copy = |i| (format!("test:key/{i}").into_bytes(), random.bytes(20 + i));
        self.wrapped = (0..count).map(copy).collect();
        self
    }

    pub(crate) fn fixed(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.push(self.version);
        out.extend(self.suite.to_be_bytes());
        out.extend(self.flags.to_be_bytes());
        out.extend(self.msg_id);
        out.extend(self.context_hash.unwrap_or_else(|| sha256(&canonical(&self.context))));
        out.push(self.content);
        out
    }

    pub(crate) fn commit(&self) -> [u8; 32] {
        self.subkey("COMMITKEY")
    }

    pub(crate) fn associated_data(&self) -> Vec<u8> {
        [self.fixed(), self.commit().to_vec(), canonical(&self.context)].concat()
    }

    /// The key of the AEAD.
    pub(crate) fn payload_key(&self) -> [u8; 32] {
        self.subkey("DERIVEKEY")
    }

    pub(crate) fn header_mac(&self, before: &[u8]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.subkey("HEADERKEY"));
        hmac::sign(&key, &[before, &canonical(&self.context)].concat()).as_ref().to_vec()
    }

    pub(crate) fn seal(&self) -> Parts {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.payload_key()).unwrap());
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let mut ciphertext = self.plaintext.clone();
        let aad = Aad::from(self.associated_data());
        let tag = key.seal_in_place_separate_tag(nonce, aad, &mut ciphertext).unwrap();
        self.with_payload(ciphertext, tag.as_ref().to_vec())
    }

    /// As [`seal`](Self::seal), with a payload made elsewhere.
    pub(crate) fn with_payload(&self, ciphertext: Vec<u8>, tag: Vec<u8>) -> Parts {
        let fixed = self.fixed();
        let mut wrapped = vec![self.count.unwrap_or(self.wrapped.len().try_into().unwrap())];
        for (uri, blob) in &self.wrapped {
            for part in [uri, blob] {
                wrapped.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
                wrapped.extend(part);
            }
        }
        let commit = self.commit().to_vec();
        let header_mac = self.header_mac(&[&*fixed, &wrapped, &commit].concat());
        let length = u16::try_from(ciphertext.len()).unwrap().to_be_bytes();
        let nonce = self.nonce.to_vec();
        Parts { fixed, wrapped, commit, header_mac, nonce, length, ciphertext, tag }
    }

    /// Those of suite 1 whatever the header says, so that an unknown suite is the only fault.
    fn subkey(&self, name: &str) -> [u8; 32] {
        expand(&self.msg_id, &self.data_key, &format!("llm-keys/1/0001/{name}"))
    }
}

impl Parts {
    pub(crate) fn list(&self) -> [&[u8]; 8] {
        let Self { fixed, wrapped, commit, header_mac, nonce, length, ciphertext, tag } = self;
        [fixed, wrapped, commit, header_mac, nonce, length, ciphertext, tag]
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.list().concat()
    }
}

/// The context that stands in most vectors.
pub(crate) fn key_pairs() -> Pairs {
    pairs([
        ("fmt", "LKE1"),
        ("kind", "key"),
        ("name", "default"),
        ("owner_id", "alice"),
        ("owner_kind", "user"),
        ("record", "6f2c1a58-93b4-4d07-8e65-0a1b2c3d4e5f"),
        ("service", "anthropic"),
        ("tenant", "default"),
        ("version", "1"),
    ])
}

/// The context of a system record.
pub(crate) fn system_pairs() -> Pairs {
    pairs([
        ("fmt", "LKE1"),
        ("kind", "system"),
        ("name", "sentinel"),
        ("record", "0d9e8f70-1122-4334-8556-67788990aabb"),
        ("tenant", "default"),
        ("version", "1"),
    ])
}

pub(crate) fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Pairs {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

pub(crate) fn canonical(pairs: &Pairs) -> Vec<u8> {
    let mut out = u16::try_from(pairs.len()).unwrap().to_be_bytes().to_vec();
    for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
        out.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        out.extend(text.bytes());
    }
    out
}

/// A local master key's URI.
pub(crate) fn local_uri(master: &[u8; 32]) -> Vec<u8> {
    let id: [u8; 32] = expand(b"llm-keys/local/1", master, "KEYID");
    format!("local:{}", hex::encode(&id[..16])).into_bytes()
}

/// A data key wrapped by the local KMS.
pub(crate) fn local_blob(
    master: &[u8; 32],
    data_key: &[u8; 32],
    context: &Pairs,
    seed: &str,
) -> Vec<u8> {
    let random = Seeded::new(format!("{seed}/blob"));
    let (salt, nonce) = (random.array::<32>(), random.array::<12>());
    let key = expand(&salt, master, "llm-keys/local/1/WRAPKEY");
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
    let aad = Aad::from([local_uri(master), canonical(context)].concat());
    let mut sealed = data_key.to_vec();
    let nonce_value = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce_value, aad, &mut sealed).unwrap();
    [&[1][..], &salt, &nonce, &sealed].concat()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap()
}

/// HKDF-SHA-512, spelled out: 32 bytes are within its first block.
fn expand(salt: &[u8], secret: &[u8; 32], info: &str) -> [u8; 32] {
    let mac = |key: &[u8], data: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, key), data);
    let prk = mac(salt, secret);
    let block = mac(prk.as_ref(), &[info.as_bytes(), &[1]].concat());
    block.as_ref()[..32].try_into().unwrap()
}

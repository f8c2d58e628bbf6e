//! One data key and one context, which the fuzzer does not control: nothing opens but what we
//! sealed, and what we sealed opens to what went in.

#![no_main]

use std::collections::HashSet;
use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use llm_keys::envelope::{Content, Envelope, SealRequest, rewrap, seal};
use llm_keys::kms::{KeyUri, WrappedKey};
use llm_keys::{DataKey, EncryptionContext, KeyId, Random, Result, Version};
use uuid::{Uuid, uuid};

const RECORD: Uuid = uuid!("6f2c1a58-93b4-4d07-8e65-0a1b2c3d4e5f");
const DATA_KEY: [u8; 32] = [
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
    0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00,
];

/// The seeds: vectors that were sealed with this data key.
static SEALED: LazyLock<HashSet<Vec<u8>>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/envelope_open");
    let files = fs::read_dir(folder).expect("the seeds are there");
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let id = KeyId::user("alice", "anthropic").unwrap();
    let context = EncryptionContext::of_key(&id, RECORD, Version::FIRST);
    let key = DataKey::copy_from(&DATA_KEY);
    if bytes.starts_with(b"LKE") {
        open(bytes, &context, &key);
    } else {
        seal_and_edit(bytes, &context, &key);
    }
});

/// The fuzzer writes the envelope.
fn open(bytes: &[u8], context: &EncryptionContext, key: &DataKey) {
    let envelope = Envelope::from_bytes(bytes.to_vec());
    let Ok(parsed) = envelope.parse() else { return };
    let opened = parsed.open(context, key);
    if opened.is_ok() {
        assert!(SEALED.contains(bytes), "a forgery opened");
    }
    if let Ok(same) = rewrap(&parsed, context, key, parsed.wrapped()) {
        assert_eq!(same, envelope);
    }
}

/// The fuzzer writes plaintext and wrapped key, and changes one byte of what we sealed.
fn seal_and_edit(bytes: &[u8], context: &EncryptionContext, key: &DataKey) {
    let [high, low, change, blob_len, rest @ ..] = bytes else { return };
    let blob_len = usize::from(*blob_len).clamp(1, rest.len().max(1));
    let (Some(blob), Some(plaintext)) = (rest.get(..blob_len), rest.get(blob_len..)) else {
        return;
    };
    let wrapped = WrappedKey { uri: KeyUri::new("test:one").unwrap(), blob: blob.to_vec() };
    let request = SealRequest {
        content: Content::Raw,
        context,
        readable: change % 2 == 0,
        key,
        wrapped: &[wrapped],
    };
    let sealed = seal(plaintext, &request, &Constant);
    assert_eq!(sealed.is_ok(), (1..=Envelope::MAX_PLAINTEXT).contains(&plaintext.len()));
    let Ok(sealed) = sealed else { return };
    let mut edited = sealed.as_bytes().to_vec();
    let at = usize::from(u16::from_be_bytes([*high, *low])) % edited.len();
    edited[at] ^= change;
    let edited = Envelope::from_bytes(edited);
    match edited.parse().and_then(|parsed| parsed.open(context, key)) {
        Ok(opened) => {
            assert_eq!(edited, sealed);
            opened.expose(|opened| assert_eq!(opened, plaintext));
        }
        Err(_) => assert_ne!(*change, 0),
    }
}

/// Repeats, so that a finding does.
#[derive(Debug)]
struct Constant;

impl Random for Constant {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        out.fill(0x5e);
        Ok(())
    }
}

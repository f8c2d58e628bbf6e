//! Any bytes: the parsers never panic, and what an envelope's parser accepts has one encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_keys::EncryptionContext;
use llm_keys::envelope::{Content, Envelope};

fuzz_target!(|bytes: &[u8]| {
    let _ = EncryptionContext::parse(bytes);
    let envelope = Envelope::from_bytes(bytes.to_vec());
    let Ok(parsed) = envelope.parse() else { return };

    let content = match parsed.content() {
        Content::Raw => 1,
        Content::Fields => 2,
        _ => unreachable!("not in version 1"),
    };
    let mut copies = vec![parsed.wrapped().len() as u8];
    for copy in parsed.wrapped() {
        for part in [copy.uri.as_str().as_bytes(), &copy.blob] {
            copies.extend((part.len() as u16).to_be_bytes());
            copies.extend(part);
        }
    }
    assert_eq!(bytes[..6], *b"LKE\x01\0\x01");
    assert_eq!(bytes[6..8], [0, u8::from(parsed.readable())]);
    assert_eq!(bytes[72], content);
    assert_eq!(bytes[73..73 + copies.len()], copies);
    let payload = &bytes[73 + copies.len() + 64 + 12..];
    let length = usize::from(u16::from_be_bytes([payload[0], payload[1]]));
    assert!((1..=Envelope::MAX_PLAINTEXT).contains(&length));
    assert_eq!(payload.len(), 2 + length + 16);
});

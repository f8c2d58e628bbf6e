//! What only the inside can see: the parser against the writer, on bytes that nobody sealed.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::header::{FLAG_READABLE, MAGIC, SUITE, VERSION};
use super::seal::push_wrapped;
use super::{Envelope, Parsed};

/// Bytes with a sound structure and random content.
fn sound() -> impl Strategy<Value = Vec<u8>> {
    let copies = btree_map("[a-z][a-z0-9+-]{0,9}:[!-~]{1,60}", vec(any::<u8>(), 1..300), 1..=8);
    let fixed = (0..=1_u16, vec(any::<u8>(), 64), 1..=2_u8);
    let tail = (vec(any::<u8>(), 76), vec(any::<u8>(), 1..500), vec(any::<u8>(), 16));
    (fixed, copies, tail).prop_map(|((flags, ids, content), copies, (fields, sealed, tag))| {
        let mut out = [b"LKE\x01\0\x01", &flags.to_be_bytes()[..], &ids].concat();
        out.extend([content, u8::try_from(copies.len()).unwrap()]);
        let mut prefixed = |bytes: &[u8]| {
            out.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
            out.extend(bytes);
        };
        for (uri, blob) in &copies {
            prefixed(uri.as_bytes());
            prefixed(blob);
        }
        let length = u16::try_from(sealed.len()).unwrap().to_be_bytes();
        [&*out, &fields, &length, &sealed, &tag].concat()
    })
}

/// Every byte comes from a value that the parser gave out.
fn write(parsed: &Parsed<'_>) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.push(VERSION);
    out.extend(SUITE.to_be_bytes());
    out.extend((if parsed.readable() { FLAG_READABLE } else { 0 }).to_be_bytes());
    out.extend(parsed.msg_id());
    out.extend(parsed.context_hash());
    out.push(parsed.content().byte());
    push_wrapped(&mut out, parsed.wrapped()).unwrap();
    out.extend(parsed.commit());
    out.extend(parsed.header_mac());
    out.extend(parsed.nonce());
    let (ciphertext, tag) = parsed.ciphertext();
    out.extend(u16::try_from(ciphertext.len()).unwrap().to_be_bytes());
    [&*out, ciphertext, tag].concat()
}

proptest! {
    #[test]
    fn what_was_parsed_is_written_back_byte_for_byte(bytes in sound()) {
        let envelope = Envelope::from_bytes(bytes.clone());
        prop_assert_eq!(write(&envelope.parse().unwrap()), bytes);
    }

    #[test]
    fn what_an_edit_leaves_readable_is_written_back_as_well(
        bytes in sound(),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut bytes = bytes;
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(parsed) = Envelope::from_bytes(bytes.clone()).parse() {
            prop_assert_eq!(write(&parsed), bytes);
        }
    }
}

#[test]
fn debug_shows_the_length_and_the_hash_is_sha_256() {
    let envelope = Envelope::from_bytes(b"abc".to_vec());
    assert_eq!(format!("{envelope:?}"), "Envelope(3 bytes)");
    // FIPS 180-2, appendix B.1.
    assert_eq!(
        crate::context::hex(&envelope.hash()),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

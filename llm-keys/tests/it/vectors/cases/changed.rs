//! Envelopes that were changed after sealing, or made by somebody who knows the data key and
//! leaves out a binding: refused by commitment, header MAC or tag.

use super::{Cases, good};
use crate::vectors::draft::{Draft, Parts};

pub(super) fn add(cases: &mut Cases) {
    commitment(cases);
    header(cases);
    payload(cases);
    insider(cases);
}

fn commitment(cases: &mut Cases) {
    const CLASS: &str = "envelope_commitment";
    let draft = Draft::new("commitment");
    let bytes = draft.seal().bytes();
    let mut other = draft.clone();
    other.data_key[31] ^= 1;
    let about = "The data key differs in one bit from the one it was sealed with.";
    cases.bad(CLASS, "other-key", about, &other, bytes.clone());
    let (_, second, collision) = good::collision();
    let about =
        "The payload's tag verifies under this data key, too, but it is not the committed one.";
    cases.bad(CLASS, "two-keys", about, &second, collision);
    let mut edit = |name: &str, about: &str, edit: fn(&mut Parts)| {
        let mut parts = draft.seal();
        edit(&mut parts);
        cases.bad(CLASS, name, about, &draft, parts.bytes());
    };
    edit("first-bit", "First bit of the commitment flipped.", |p| p.commit[0] ^= 0x80);
    edit("last-bit", "Last bit of the commitment flipped.", |p| p.commit[31] ^= 1);
    edit("zero", "The commitment is all zero.", |p| p.commit.fill(0));
    edit("message-id", "The message id was changed: all subkeys differ.", |p| p.fixed[8] ^= 1);
}

fn header(cases: &mut Cases) {
    const CLASS: &str = "envelope_header_mac";
    let draft = Draft::new("header-mac").with_copies(2);
    let mut edit = |name: &str, about: &str, edit: &dyn Fn(&mut Parts)| {
        let mut parts = draft.seal();
        edit(&mut parts);
        cases.bad(CLASS, name, about, &draft, parts.bytes());
    };
    edit("first-bit", "First bit of the MAC flipped.", &|p| p.header_mac[0] ^= 0x80);
    edit("last-bit", "Last bit of the MAC flipped.", &|p| p.header_mac[31] ^= 1);
    edit("zero", "The MAC is all zero.", &|p| p.header_mac.fill(0));
    edit("blob", "A byte of a wrapped data key changed.", &|p| p.wrapped[17] ^= 1);
    edit("last-blob", "The last byte of the last wrapped data key changed.", &|p| {
        *p.wrapped.last_mut().unwrap() ^= 1;
    });
    edit("key-uri", "A character of a key URI changed.", &|p| p.wrapped[3] ^= 1);
    edit("readable-set", "The readable flag set.", &|p| p.fixed[7] ^= 1);
    edit("content", "The content type changed from 1 to 2.", &|p| p.fixed[72] = 2);
    let with = |wrapped: &[(Vec<u8>, Vec<u8>)]| {
        Draft { wrapped: wrapped.to_vec(), ..draft.clone() }.seal().wrapped
    };
    let (one, two) = (draft.wrapped[0].clone(), draft.wrapped[1].clone());
    let foreign = (b"evil:key".to_vec(), vec![0x66; 40]);
    let swapped = [(one.0.clone(), two.1.clone()), (two.0.clone(), one.1.clone())];
    for (name, about, copies) in [
        ("copies-swapped", "The two copies in the other order.", with(&[two.clone(), one.clone()])),
        ("blobs-swapped", "The blobs of the two copies swapped.", with(&swapped)),
        ("copy-removed", "One of two copies removed.", with(std::slice::from_ref(&one))),
        (
            "copy-added",
            "A copy under a foreign key added.",
            with(&[one.clone(), two, foreign.clone()]),
        ),
        ("copy-replaced", "A copy replaced by a foreign one.", with(&[one.clone(), foreign])),
        ("blob-cut", "A blob cut by a byte.", with(&[(one.0.clone(), one.1[1..].to_vec())])),
    ] {
        edit(name, about, &|p| p.wrapped.clone_from(&copies));
    }
    let readable = Draft { flags: 1, ..draft.clone() };
    let mut parts = readable.seal();
    parts.fixed[7] = 0;
    cases.bad(CLASS, "readable-cleared", "The readable flag cleared.", &readable, parts.bytes());
    let other = Draft { plaintext: b"x".to_vec(), ..Draft::new("header-mac/other") };
    let mut parts = draft.seal();
    parts.header_mac = other.seal().header_mac;
    let about = "The MAC of another envelope under the same data key.";
    cases.bad(CLASS, "of-another", about, &draft, parts.bytes());
}

fn payload(cases: &mut Cases) {
    const CLASS: &str = "envelope_tag";
    let draft = Draft { plaintext: vec![b'k'; 40], ..Draft::new("tag") };
    let other = Draft { plaintext: vec![b'k'; 40], ..Draft::new("tag/other") }.seal();
    let mut edit = |name: &str, about: &str, edit: &dyn Fn(&mut Parts)| {
        let mut parts = draft.seal();
        edit(&mut parts);
        cases.bad(CLASS, name, about, &draft, parts.bytes());
    };
    edit("ciphertext-first-bit", "First bit of the ciphertext.", &|p| p.ciphertext[0] ^= 0x80);
    edit("ciphertext-last-bit", "Last bit of the ciphertext.", &|p| p.ciphertext[39] ^= 1);
    edit("first-bit", "First bit of the tag.", &|p| p.tag[0] ^= 0x80);
    edit("last-bit", "Last bit of the tag.", &|p| p.tag[15] ^= 1);
    edit("zero", "The tag is all zero.", &|p| p.tag.fill(0));
    edit("nonce-first-bit", "First bit of the nonce.", &|p| p.nonce[0] ^= 0x80);
    edit("nonce-last-bit", "Last bit of the nonce.", &|p| p.nonce[11] ^= 1);
    edit("ciphertext-cut", "The ciphertext one byte shorter, its length as well.", &|p| {
        p.ciphertext.pop();
        p.length = [0, 39];
    });
    edit("ciphertext-extended", "The ciphertext one byte longer, its length as well.", &|p| {
        p.ciphertext.push(0);
        p.length = [0, 41];
    });
    edit("blocks-swapped", "The first two blocks of the ciphertext swapped.", &|p| {
        let (first, second) = p.ciphertext.split_at_mut(16);
        first.swap_with_slice(&mut second[..16]);
    });
    edit("of-another", "The payload of another envelope under the same data key.", &|p| {
        p.nonce.clone_from(&other.nonce);
        p.ciphertext.clone_from(&other.ciphertext);
        p.tag.clone_from(&other.tag);
    });
}

/// The maker knows the data key. Commitment and header MAC are right; the payload was sealed with
/// other associated data.
fn insider(cases: &mut Cases) {
    const CLASS: &str = "envelope_tag";
    let draft = Draft::new("insider");
    let payload_of = |other: &Draft| {
        let other = other.seal();
        draft.with_payload(other.ciphertext, other.tag).bytes()
    };
    let changed = Draft { content: 2, ..draft.clone() };
    let about = "The payload was sealed as content type 2.";
    cases.bad(CLASS, "other-content", about, &draft, payload_of(&changed));
    let changed = Draft { flags: 1, ..draft.clone() };
    let about = "The payload was sealed with the readable flag.";
    cases.bad(CLASS, "other-flags", about, &draft, payload_of(&changed));
    let changed = draft.clone().with_context("owner_id", "bob");
    let about = "The payload was sealed for another context.";
    cases.bad(CLASS, "other-context", about, &draft, payload_of(&changed));
}

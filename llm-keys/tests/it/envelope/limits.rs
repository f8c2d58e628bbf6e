//! What sealing refuses, and that it leaves nothing behind when it fails.

use llm_keys::envelope::{Content, Envelope, SealRequest, rewrap, seal};
use llm_keys::error::{ErrorKind, IntegrityFault, Result};
use llm_keys::kms::WrappedKey;
use llm_keys::{DataKey, Random, SystemRandom};

use super::{Sample, fault, wrapped};
use crate::seeded::Failing;

fn seal_with(plaintext: &[u8], wrapped: &[WrappedKey], random: &dyn Random) -> Result<Envelope> {
    let Sample { context, key, .. } = &Sample::new("limits");
    let request = SealRequest { content: Content::Raw, context, readable: false, key, wrapped };
    seal(plaintext, &request, random)
}

fn copies(count: usize) -> Vec<WrappedKey> {
    (0..count).map(|i| wrapped(&format!("test:{i}"), b"blob")).collect()
}

fn is_invalid<T: std::fmt::Debug>(result: Result<T>) -> bool {
    result.unwrap_err().kind() == ErrorKind::InvalidInput
}

#[test]
fn the_plaintext_has_1_to_16384_bytes() {
    let seal = |len| seal_with(&vec![b'k'; len], &copies(1), &SystemRandom);
    assert!(is_invalid(seal(0)));
    assert!(is_invalid(seal(16385)));
    for len in [1, 16384] {
        assert_eq!(seal(len).unwrap().as_bytes().len(), 74 + 4 + 6 + 4 + 64 + 14 + len + 16);
    }
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let sample = Sample::new("limits");
    let old = sample.envelope.parse().unwrap();
    let twice = vec![wrapped("test:1", b"a"), wrapped("test:2", b"b"), wrapped("test:1", b"c")];
    let bad = [
        copies(0),
        copies(9),
        twice,
        vec![wrapped("test:1", b"")],
        vec![wrapped("test:1", &[7; 4097])],
    ];
    for wrapped in &bad {
        assert!(is_invalid(seal_with(b"sk-test", wrapped, &SystemRandom)));
        assert!(is_invalid(rewrap(&old, &sample.context, &sample.key, wrapped)));
    }
    for wrapped in [copies(1), copies(8), vec![wrapped("test:1", &[7; 4096])]] {
        let new = rewrap(&old, &sample.context, &sample.key, &wrapped).unwrap();
        assert_eq!(new.parse().unwrap().wrapped(), wrapped);
        seal_with(b"sk-test", &wrapped, &SystemRandom).unwrap().parse().unwrap();
    }
}

#[test]
fn failing_randomness_seals_nothing() {
    let error = seal_with(b"sk-test", &copies(1), &Failing).unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Internal, "random.fill"));
    assert_eq!(DataKey::generate(&Failing).unwrap_err().kind(), ErrorKind::Internal);
}

/// CR6: that the buffer itself is wiped is asserted where it can be seen, with the Wycheproof
/// vectors; here, that nothing of it comes out.
#[test]
fn a_bad_tag_gives_an_error_that_tells_nothing() {
    let sample = Sample::new("tells nothing");
    let mut bytes = sample.envelope.as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let error = sample.open(&bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity(IntegrityFault::Tag));
    assert_eq!(
        format!("{error:?}"),
        "envelope_tag in envelope.open: the sealed bytes were changed"
    );
}

#[test]
fn message_ids_and_nonces_are_fresh_every_time() {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        let envelope = seal_with(b"sk-test", &copies(1), &SystemRandom).unwrap();
        let bytes = envelope.as_bytes();
        let nonce = bytes.len() - 16 - 7 - 2 - 12;
        assert!(seen.insert(bytes[8..40].to_vec()));
        assert!(seen.insert(bytes[nonce..nonce + 12].to_vec()));
        assert!(seen.insert(bytes[nonce - 64..nonce - 32].to_vec())); // The commitment.
    }
}

#[test]
fn a_rewrap_of_a_damaged_envelope_is_refused() {
    let sample = Sample::new("damaged");
    let rewrap = |bytes: &[u8]| {
        let old = Envelope::from_bytes(bytes.to_vec());
        rewrap(&old.parse().unwrap(), &sample.context, &sample.key, &copies(2))
    };
    let bytes = sample.envelope.as_bytes();
    rewrap(bytes).unwrap();
    let commit = bytes.len() - 16 - sample.plaintext.len() - 2 - 12 - 64;
    for (at, expected) in [
        (8, IntegrityFault::Commitment),
        (40, IntegrityFault::Context),
        (commit - 1, IntegrityFault::HeaderMac),
        (commit, IntegrityFault::Commitment),
        (commit + 32, IntegrityFault::HeaderMac),
    ] {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        assert_eq!(fault(rewrap(&changed)), expected, "{at}");
    }
}

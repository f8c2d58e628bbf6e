//! Properties that hold for all inputs.

use llm_keys::envelope::{Content, Envelope, SealRequest, rewrap, seal};
use llm_keys::error::IntegrityFault;
use llm_keys::kms::{KeyUri, WrappedKey};
use llm_keys::{DataKey, EncryptionContext, KeyId, SystemRandom, Version};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Sample, fault};

/// Copies under different keys.
fn copies() -> impl Strategy<Value = Vec<WrappedKey>> {
    btree_map("[a-z][a-z0-9+-]{0,9}:[!-~]{1,60}", vec(any::<u8>(), 1..300), 1..=8).prop_map(|all| {
        let copy = |(uri, blob)| WrappedKey { uri: KeyUri::new(uri).unwrap(), blob };
        all.into_iter().map(copy).collect()
    })
}

fn contexts() -> impl Strategy<Value = EncryptionContext> {
    let label = || "[a-z0-9][a-z0-9._-]{0,62}";
    let id = || "[!-~]([ -~]{0,40}[!-~])?";
    (id(), id(), label(), label(), any::<u128>(), 1..=u32::MAX, 0..3).prop_map(
        |(tenant, owner, service, name, record, version, kind)| {
            let id = match kind {
                0 => KeyId::global(&service),
                1 => KeyId::team(&owner, &service),
                _ => KeyId::user(&owner, &service),
            };
            let id = id.and_then(|id| id.with_tenant(&tenant)?.with_name(&name)).unwrap();
            let version = Version::new(version).unwrap();
            EncryptionContext::of_key(&id, Uuid::from_u128(record), version)
        },
    )
}

proptest! {
    #[test]
    fn parsing_any_bytes_never_panics(bytes in vec(any::<u8>(), 0..600)) {
        let _ = Envelope::from_bytes(bytes).parse();
    }

    #[test]
    fn any_edit_is_refused_and_never_panics(
        seed in "[a-z]{4}",
        edits in vec((any::<u16>(), any::<u8>()), 1..6),
        cut in any::<u16>(),
        tail in vec(any::<u8>(), 0..40),
    ) {
        let sample = Sample::new(&seed);
        let original = sample.envelope.as_bytes();
        let mut bytes = original.to_vec();
        for (at, byte) in edits {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        if cut % 2 == 0 {
            bytes.truncate(usize::from(cut) % (bytes.len() + 1));
        }
        bytes.extend(tail);
        prop_assert_eq!(sample.open(&bytes).is_ok(), bytes == original);
    }

    #[test]
    fn what_was_sealed_opens_to_the_same(
        context in contexts(),
        plaintext in vec(any::<u8>(), 1..2000),
        copies in copies(),
        readable: bool,
        fields: bool,
    ) {
        let key = DataKey::generate(&SystemRandom).unwrap();
        let content = if fields { Content::Fields } else { Content::Raw };
        let request =
            SealRequest { content, context: &context, readable, key: &key, wrapped: &copies };
        let envelope = seal(&plaintext, &request, &SystemRandom).unwrap();
        let parsed = envelope.parse().unwrap();
        prop_assert_eq!((parsed.content(), parsed.readable()), (content, readable));
        prop_assert_eq!(parsed.wrapped(), &copies);
        let opened = parsed.open(&context, &key).unwrap();
        prop_assert_eq!(opened.expose(<[u8]>::to_vec), plaintext);
        let other = DataKey::generate(&SystemRandom).unwrap();
        prop_assert_eq!(fault(parsed.open(&context, &other)), IntegrityFault::Commitment);
    }

    #[test]
    fn a_rewrap_changes_the_copies_and_the_mac_alone(seed in "[a-z]{4}", copies in copies()) {
        let sample = Sample::new(&seed);
        let old = sample.envelope.parse().unwrap();
        let new = rewrap(&old, &sample.context, &sample.key, &copies).unwrap();
        let parsed = new.parse().unwrap();
        prop_assert_eq!(parsed.wrapped(), &copies);
        let opened = sample.open(new.as_bytes()).unwrap();
        prop_assert_eq!(opened.expose(<[u8]>::to_vec), &*sample.plaintext);

        let (old_bytes, new_bytes) = (sample.envelope.as_bytes(), new.as_bytes());
        let payload = 12 + 2 + sample.plaintext.len() + 16;
        let tail = |bytes: &[u8], from: usize| bytes[bytes.len() - from..].to_vec();
        prop_assert_eq!(&old_bytes[..73], &new_bytes[..73]);
        prop_assert_eq!(tail(old_bytes, payload), tail(new_bytes, payload));
        let commit = |bytes: &[u8]| tail(bytes, payload + 64)[..32].to_vec();
        prop_assert_eq!(commit(old_bytes), commit(new_bytes));

        // One meaning has one encoding: the old copies give back the old bytes.
        let back = rewrap(&parsed, &sample.context, &sample.key, old.wrapped()).unwrap();
        prop_assert_eq!(back.as_bytes(), old_bytes);

        let other = DataKey::generate(&SystemRandom).unwrap();
        let refused = rewrap(&old, &sample.context, &other, &copies);
        prop_assert_eq!(fault(refused), IntegrityFault::Commitment);
    }
}

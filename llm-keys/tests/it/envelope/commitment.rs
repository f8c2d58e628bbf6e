//! CR4: AES-GCM does not commit to its key; the envelope does.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use llm_keys::DataKey;
use llm_keys::envelope::{Envelope, rewrap};
use llm_keys::error::IntegrityFault;

use super::{fault, wrapped};
use crate::vectors::cases::collision;
use crate::vectors::draft::Draft;
use crate::vectors::file::context;

#[test]
fn a_payload_that_two_data_keys_open_is_refused_under_the_second() {
    let (first, second, bytes) = collision();
    let sealed = &bytes[bytes.len() - 64..];
    let texts = [&first, &second].map(|draft| decrypt(draft, &first.associated_data(), sealed));
    assert_eq!(texts[0][..16], *b"the first secret");
    assert_eq!(texts[1][16..32], *b"another's secret");

    let envelope = Envelope::from_bytes(bytes);
    let context = context(&first.context);
    let open = |draft: &Draft| {
        envelope.parse().unwrap().open(&context, &DataKey::copy_from(&draft.data_key))
    };
    assert_eq!(open(&first).unwrap().expose(<[u8]>::to_vec), texts[0]);
    assert_eq!(fault(open(&second)), IntegrityFault::Commitment);

    let key = DataKey::copy_from(&second.data_key);
    let rewrapped =
        rewrap(&envelope.parse().unwrap(), &context, &key, &[wrapped("test:new", b"blob")]);
    assert_eq!(fault(rewrapped), IntegrityFault::Commitment);
}

/// AES-GCM and nothing else: what a decoder without a commitment would do.
fn decrypt(draft: &Draft, aad: &[u8], sealed: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &draft.payload_key()).unwrap());
    let nonce = Nonce::assume_unique_for_key(draft.nonce);
    key.open_in_place(nonce, Aad::from(aad), &mut sealed.to_vec()).unwrap().to_vec()
}

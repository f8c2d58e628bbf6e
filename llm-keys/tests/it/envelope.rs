//! LKE1 under attack, through the public interface.

use llm_keys::envelope::{Content, Envelope, SealRequest, seal};
use llm_keys::error::{ErrorKind, IntegrityFault, Result};
use llm_keys::kms::{KeyUri, WrappedKey};
use llm_keys::{DataKey, EncryptionContext, KeyId, SecretBytes, Version};
use uuid::Uuid;

use crate::seeded::Seeded;

mod commitment;
mod damage;
mod limits;
mod moves;
mod properties;

/// One sealed key with all that is needed to open it.
struct Sample {
    context: EncryptionContext,
    key: DataKey,
    plaintext: Vec<u8>,
    envelope: Envelope,
}

impl Sample {
    /// Sizes, copies, content and flag follow from the seed.
    fn new(seed: &str) -> Self {
        let random = Seeded::new(seed);
        let owner = format!("user-{seed}");
        let id = KeyId::user(&owner, "anthropic").unwrap();
        let record = Uuid::from_bytes(random.array());
        let context = EncryptionContext::of_key(&id, record, Version::FIRST);
        let key = DataKey::generate(&random).unwrap();
        let plaintext = random.bytes(1 + random.below(64));
        let wrapped: Vec<_> = (0..1 + random.below(3))
            .map(|i| WrappedKey {
                uri: KeyUri::new(format!("test:{i}")).unwrap(),
                blob: random.bytes(1 + random.below(48)),
            })
            .collect();
        let request = SealRequest {
            content: if random.below(2) == 0 { Content::Raw } else { Content::Fields },
            context: &context,
            readable: random.below(2) == 0,
            key: &key,
            wrapped: &wrapped,
        };
        let envelope = seal(&plaintext, &request, &random).unwrap();
        Self { context, key, plaintext, envelope }
    }

    fn open(&self, bytes: &[u8]) -> Result<SecretBytes> {
        open(bytes, &self.context, &self.key)
    }

    /// The fault that `bytes` are refused for.
    fn fault(&self, bytes: &[u8]) -> IntegrityFault {
        fault(self.open(bytes))
    }
}

fn open(bytes: &[u8], context: &EncryptionContext, key: &DataKey) -> Result<SecretBytes> {
    Envelope::from_bytes(bytes.to_vec()).parse()?.open(context, key)
}

fn fault<T: std::fmt::Debug>(result: Result<T>) -> IntegrityFault {
    match result.unwrap_err().kind() {
        ErrorKind::Integrity(fault) => fault,
        other => panic!("{other} is not a fault of the bytes"),
    }
}

fn wrapped(uri: &str, blob: &[u8]) -> WrappedKey {
    WrappedKey { uri: KeyUri::new(uri).unwrap(), blob: blob.to_vec() }
}

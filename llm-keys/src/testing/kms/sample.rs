//! Contexts and data keys.

use uuid::Uuid;

use crate::context::EncryptionContext;
use crate::error::ErrorKind;
use crate::kms::KmsContext;
use crate::model::{KeyId, SystemName, Tenant, Version};
use crate::secret::DataKey;

/// A data key that is easy to find: 32 characters.
pub(in crate::testing) const CANARY: &[u8; DataKey::LEN] = b"canary-data-key-8f2c6e1b9d4a7053";

pub(in crate::testing) fn canary() -> DataKey {
    DataKey::copy_from(CANARY)
}

/// A data key that is like no other of another number.
pub(in crate::testing) fn data_key(number: u8) -> DataKey {
    let mut bytes = [number; DataKey::LEN];
    bytes[0] = !number;
    DataKey::copy_from(&bytes)
}

pub(in crate::testing) fn same(a: &DataKey, b: &DataKey) -> bool {
    a.expose(|a| b.expose(|b| a == b))
}

pub(in crate::testing) fn readable(context: &EncryptionContext) -> KmsContext<'_> {
    KmsContext { context, readable: true }
}

pub(in crate::testing) fn hashed(context: &EncryptionContext) -> KmsContext<'_> {
    KmsContext { context, readable: false }
}

pub(in crate::testing) fn context(id: &KeyId) -> EncryptionContext {
    EncryptionContext::of_key(id, Uuid::from_u128(1), Version::FIRST)
}

pub(in crate::testing) fn alice() -> KeyId {
    KeyId::user("alice", "openai").expect("a valid id")
}

/// The context of alice's key, and those that differ from it in one part each, or in which parts
/// are missing.
pub(in crate::testing) fn contexts() -> Vec<(&'static str, EncryptionContext)> {
    let id = alice();
    let of = |id: crate::Result<KeyId>| context(&id.expect("a valid id"));
    let record = Uuid::from_u128(1);
    let system = SystemName::new("default").expect("a valid name");
    let second = Version::FIRST.next().expect("there is a second version");
    vec![
        ("alice's", context(&id)),
        ("another tenant's", of(id.clone().with_tenant("other"))),
        ("another user's", of(KeyId::user("Alice", "openai"))),
        ("a team's", of(KeyId::team("alice", "openai"))),
        ("everybody's", of(KeyId::global("openai"))),
        ("another service's", of(KeyId::user("alice", "anthropic"))),
        ("another name's", of(id.clone().with_name("prod"))),
        ("another record's", EncryptionContext::of_key(&id, Uuid::from_u128(2), Version::FIRST)),
        ("another version's", EncryptionContext::of_key(&id, record, second)),
        (
            "a system record's",
            EncryptionContext::of_system(&Tenant::default(), &system, record, Version::FIRST),
        ),
    ]
}

/// The answer must be a refusal by the KMS: no data key, and no mere outage.
pub(in crate::testing) fn assert_refused(
    answer: crate::Result<DataKey>,
    why: &str,
) -> crate::Error {
    let error = answer.map(drop).expect_err(why);
    assert!(
        matches!(error.kind(), ErrorKind::Kms(_)) && !error.is_retryable(),
        "{why}: {error:?} is no refusal by the KMS"
    );
    error
}

use super::*;
use crate::context::EncryptionContext;
use crate::model::{KeyId, KeyName, Owner, OwnerId, Service, Tenant, Version};

/// The golden values were computed apart from this code, with Python's `cryptography`.
const GOLDEN_URI: &str = "local:e5e5af4dc3030158ce5a84f14b87b0bd";
const GOLDEN_SEALED: &str = "ce058a2a6286cf080957f2d5e458f563b2551e9f16cb4a8527190df2ae9e5824\
                             f8db37ae6754b07f11e70af4a58407d1";

fn master(first: u8) -> MasterKey {
    MasterKey::from_bytes(&std::array::from_fn(|at| first + u8::try_from(at).unwrap())).unwrap()
}

fn context(owner: &str) -> EncryptionContext {
    let id = KeyId {
        tenant: Tenant::default(),
        owner: Owner::User(OwnerId::new(owner).unwrap()),
        service: Service::new("openai").unwrap(),
        name: KeyName::default(),
    };
    EncryptionContext::of_key(&id, uuid::Uuid::from_u128(7), Version::new(3).unwrap())
}

fn data_key() -> DataKey {
    DataKey::copy_from(&[0x42; 32])
}

async fn unwrap(kms: &LocalKms, wrapped: &WrappedKey, owner: &str) -> Result<DataKey> {
    let context = context(owner);
    kms.unwrap_key(wrapped, KmsContext { context: &context, readable: false }).await
}

async fn wrap(kms: &LocalKms, owner: &str) -> WrappedKey {
    let context = context(owner);
    let context = KmsContext { context: &context, readable: false };
    kms.wrap_key(&data_key(), context).await.unwrap()
}

fn kind(error: &Error) -> ErrorKind {
    error.kind()
}

#[test]
fn the_uri_of_a_master_key_never_changes() {
    assert_eq!(master(0).uri().as_str(), GOLDEN_URI);
    assert_ne!(master(1).uri().as_str(), GOLDEN_URI);
}

#[tokio::test]
async fn a_blob_from_another_implementation_opens() {
    let sealed: Vec<u8> = (0..GOLDEN_SEALED.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&GOLDEN_SEALED[at..at + 2], 16).unwrap())
        .collect();
    let blob = [&[1][..], &[0xA5; 32], &[0x5A; 12], &sealed].concat();
    let wrapped = WrappedKey { uri: KeyUri::new(GOLDEN_URI).unwrap(), blob };
    let kms = LocalKms::new(master(0), Vec::new());
    let key = unwrap(&kms, &wrapped, "alice").await.unwrap();
    key.expose(|key| assert_eq!(key, &[0x42; 32]));
}

#[tokio::test]
async fn what_is_wrapped_opens_in_its_context_alone() {
    let kms = LocalKms::ephemeral().unwrap();
    let wrapped = wrap(&kms, "alice").await;
    let key = unwrap(&kms, &wrapped, "alice").await.unwrap();
    key.expose(|key| assert_eq!(key, &[0x42; 32]));
    let error = unwrap(&kms, &wrapped, "bob").await.unwrap_err();
    assert_eq!(kind(&error), ErrorKind::Kms(KmsFault::ContextMismatch));
}

#[tokio::test]
async fn a_damaged_blob_is_refused_at_every_byte_and_length() {
    let kms = LocalKms::ephemeral().unwrap();
    let whole = wrap(&kms, "alice").await;
    assert_eq!(whole.blob.len(), BLOB_LEN);
    let with = |blob: Vec<u8>| WrappedKey { uri: whole.uri.clone(), blob };
    let mut damaged: Vec<_> = (0..BLOB_LEN).map(|len| with(whole.blob[..len].to_vec())).collect();
    damaged.push(with([whole.blob.as_slice(), &[0]].concat()));
    damaged.extend((0..BLOB_LEN * 8).map(|bit| {
        let mut blob = whole.blob.clone();
        blob[bit / 8] ^= 1 << (bit % 8);
        with(blob)
    }));
    for wrapped in damaged {
        let error = unwrap(&kms, &wrapped, "alice").await.unwrap_err();
        assert_eq!(kind(&error), ErrorKind::Kms(KmsFault::ContextMismatch), "{wrapped:?}");
    }
}

#[tokio::test]
async fn a_foreign_master_key_is_a_wrong_key() {
    let wrapped = wrap(&LocalKms::new(master(0), Vec::new()), "alice").await;
    let other = LocalKms::new(master(1), vec![master(2)]);
    assert!(!other.accepts(&wrapped));
    let error = unwrap(&other, &wrapped, "alice").await.unwrap_err();
    assert_eq!(kind(&error), ErrorKind::Kms(KmsFault::WrongKey));
    // With its URI changed to one we hold, it is refused all the same.
    let renamed = WrappedKey { uri: master(2).uri().clone(), blob: wrapped.blob };
    assert!(other.accepts(&renamed));
    assert!(unwrap(&other, &renamed, "alice").await.is_err());
}

#[tokio::test]
async fn an_older_key_reads_and_the_current_one_writes() {
    let wrapped = wrap(&LocalKms::new(master(0), Vec::new()), "alice").await;
    let kms = LocalKms::new(master(1), vec![master(0)]);
    assert!(unwrap(&kms, &wrapped, "alice").await.is_ok());
    assert_eq!(wrap(&kms, "alice").await.uri, *master(1).uri());
    assert_eq!(kms.check().await.unwrap().uri, *master(1).uri());
}

#[test]
fn debug_shows_names_and_no_bytes() {
    let kms = LocalKms::new(master(0), vec![master(1)]);
    let shown = format!("{kms:?}");
    assert_eq!(
        shown,
        "LocalKms { current: MasterKey(local:e5e5af4dc3030158ce5a84f14b87b0bd), \
         older: [MasterKey(local:db9b8723bd4c28d0157a4a80603f8174)] }"
    );
}

//! A session, a login, a key or a token that goes away while the backend runs.

use std::sync::Arc;

use llm_keys::error::KmsFault;
use llm_keys::kms::{KmsContext, KmsProvider as _};
use llm_keys::{DataKey, EncryptionContext, ErrorKind, KeyId, SystemRandom, Version};

use super::soft_hsm::soft_hsm;

fn context() -> EncryptionContext {
    let id = KeyId::user("alice", "openai").unwrap();
    EncryptionContext::of_key(
        &id,
        "00000000-0000-0000-0000-000000000001".parse().unwrap(),
        Version::FIRST,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_login_is_renewed() {
    let hsm = soft_hsm!("a_lost_login_is_renewed");
    hsm.add_token("llmkeys");
    hsm.add_key("llmkeys", "kek", &[1]);
    let kms = Arc::new(hsm.open("token=llmkeys;object=kek").await.unwrap());
    let context = context();
    let context = KmsContext { context: &context, readable: false };
    let (key, wrapped) = kms.generate_data_key(context, &SystemRandom).await.unwrap();
    for _ in 0..3 {
        // This logs all sessions of the process out.
        hsm.session("llmkeys").logout().unwrap();
        let reads = (0..50).map(|_| kms.unwrap_key(&wrapped, context));
        for read in futures(reads).await {
            assert!(same(&read.unwrap(), &key));
        }
    }
}

#[tokio::test]
async fn a_new_pin_is_read_when_it_is_needed() {
    let hsm = soft_hsm!("a_new_pin_is_read_when_it_is_needed");
    hsm.add_token("llmkeys");
    hsm.add_key("llmkeys", "kek", &[1]);
    let kms = hsm.open("token=llmkeys;object=kek").await.unwrap();
    kms.check().await.unwrap();
    hsm.session("llmkeys").logout().unwrap();
    hsm.pin_file("wrong-by-now");
    for _ in 0..3 {
        let error = kms.check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Denied));
    }
    hsm.pin_file(super::soft_hsm::PIN);
    kms.check().await.unwrap();
}

#[tokio::test]
async fn a_deleted_key_is_missing() {
    let hsm = soft_hsm!("a_deleted_key_is_missing");
    hsm.add_token("llmkeys");
    hsm.add_key("llmkeys", "kek", &[1]);
    let kms = hsm.open("token=llmkeys;object=kek").await.unwrap();
    kms.check().await.unwrap();
    hsm.delete_key("llmkeys", "kek");
    let error = kms.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyMissing));
    // Another key of that name is another key.
    hsm.add_key("llmkeys", "kek", &[2]);
    let error = kms.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey));
}

#[tokio::test]
async fn a_lost_token_is_an_outage() {
    let hsm = soft_hsm!("a_lost_token_is_an_outage");
    hsm.add_token("llmkeys");
    hsm.add_key("llmkeys", "kek", &[1]);
    let kms = hsm.open("token=llmkeys;object=kek").await.unwrap();
    kms.check().await.unwrap();
    // SoftHSM2 sees that its files are gone, but not when they come back.
    std::fs::remove_dir_all(hsm.tokens()).unwrap();
    let error = kms.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Unavailable));
    assert!(error.hint().unwrap().contains("no token at all"), "{error:?}");
}

fn same(a: &DataKey, b: &DataKey) -> bool {
    a.expose(|a| b.expose(|b| a == b))
}

async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::future::join_all(all).await
}

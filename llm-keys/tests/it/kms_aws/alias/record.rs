//! The record is damaged, forged, or gone.

use std::sync::Arc;

use llm_keys::envelope::{self, Content, Envelope, SealRequest};
use llm_keys::error::{IntegrityFault, KmsFault};
use llm_keys::kms::{KeyUri, KmsContext, KmsProvider as _, KmsSet, Pins};
use llm_keys::model::SystemName;
use llm_keys::store::{Change, Expect, KeyStore as _, MemoryStore, SystemRow};
use llm_keys::{EncryptionContext, ErrorKind, SystemRandom, Tenant, Version};

use super::super::server::fresh;
use super::{Bed, kind, put, read};

#[tokio::test]
async fn a_record_that_somebody_changed_is_told_and_not_used() {
    let (bed, _) = Bed::new().await;
    put(&bed.process().await, "openai").await.unwrap();
    bed.move_on().await;
    let good = bed.record().await.unwrap();
    let integrity = |error: ErrorKind| matches!(error, ErrorKind::Integrity(_));
    // The last byte, and one of the context's hash.
    for place in [good.envelope.as_bytes().len() - 1, 40] {
        let mut bytes = good.envelope.as_bytes().to_vec();
        bytes[place] ^= 1;
        let envelope = Envelope::from_bytes(bytes);
        bed.replace_record(SystemRow { envelope, ..good.clone() }).await;
        let process = bed.process().await;
        assert!(integrity(kind(read(&process, "openai").await)), "byte {place}");
        assert!(integrity(kind(put(&process, "anthropic").await)), "byte {place}");
    }
    // One of another version.
    let version = Version::new(7).unwrap();
    bed.replace_record(SystemRow { version, ..good.clone() }).await;
    let process = bed.process().await;
    let context = ErrorKind::Integrity(IntegrityFault::Context);
    assert_eq!(kind(read(&process, "openai").await), context);
    bed.replace_record(good).await;
    read(&bed.process().await, "openai").await.unwrap();
}

/// Somebody can write the database, and has a key in our account that we may use.
#[tokio::test]
async fn a_record_under_a_sibling_is_believed_only_if_it_lists_that_key() {
    let (bed, a) = Bed::new().await;
    put(&bed.process().await, "openai").await.unwrap();
    bed.move_on().await;
    let theirs = fresh().await;
    let row = bed.record().await.unwrap();
    let context = EncryptionContext::of_system(&row.tenant, &row.name, row.record, row.version);
    let seal = async |keys: &[&KeyUri]| {
        let mut pins = Pins::default();
        for key in keys {
            pins.allow(key).unwrap();
        }
        let set = KmsSet::single(theirs.clone());
        let kms_context = KmsContext { context: &context, readable: false };
        let generated = set.generate(kms_context, &SystemRandom).await.unwrap();
        let request = SealRequest {
            content: Content::Raw,
            context: &context,
            readable: false,
            key: &generated.key,
            wrapped: &generated.wrapped,
        };
        let envelope = envelope::seal(&pins.serialize().unwrap(), &request, &SystemRandom).unwrap();
        bed.replace_record(SystemRow { envelope, ..row.clone() }).await;
    };
    seal(&[&a]).await;
    let process = bed.process().await;
    let forged = ErrorKind::Integrity(IntegrityFault::Row);
    assert_eq!(kind(read(&process, "openai").await), forged);
    assert_eq!(kind(put(&process, "openai").await), forged);
    assert_eq!(process.allowed_kms_keys().await.unwrap_err().kind(), forged);
    // What SECURITY.md says of aliases.
    seal(&[&a, theirs.uri()]).await;
    read(&bed.process().await, "openai").await.unwrap();
}

#[tokio::test]
async fn without_a_record_the_old_key_is_a_wrong_one_that_can_be_allowed() {
    let (bed, a) = Bed::new().await;
    put(&bed.process().await, "openai").await.unwrap();
    let row = bed.record().await.unwrap();
    let b = bed.move_on().await;
    // A storage from before there was a record.
    let old = Bed { alias: bed.alias.clone(), store: Arc::new(MemoryStore::new()) };
    let (key, version) = bed.store.key_find(&super::id("openai")).await.unwrap().unwrap();
    let change = Change {
        expect: vec![Expect::Absent(key.id.clone())],
        keys: vec![key],
        versions: version.into_iter().collect(),
        ..Change::default()
    };
    old.store.commit(change).await.unwrap();
    let (tenant, name) = (Tenant::default(), SystemName::new("row-mac").unwrap());
    let macs = bed.store.system_find(&tenant, &name).await.unwrap().unwrap();
    let expect = vec![Expect::System { tenant, name, version: None }];
    let change = Change { expect, system: vec![macs], ..Change::default() };
    old.store.commit(change).await.unwrap();
    let process = old.process().await;
    let error = read(&process, "openai").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey));
    assert!(error.hint().unwrap().contains(&format!("llm-keys kms allow {a}")), "{error:?}");
    let pins = process.allow_kms_keys(std::slice::from_ref(&a)).await.unwrap();
    assert_eq!((pins.allowed(), pins.of(&bed.alias_arn(&a))), (&[a.clone()][..], vec![b, a]));
    // In this process and in others, at once.
    read(&process, "openai").await.unwrap();
    read(&old.process().await, "openai").await.unwrap();
    assert_ne!(old.record().await.unwrap().record, row.record);
}

//! KM6: an envelope that names a key nobody configured.

use std::sync::Arc;
use std::time::Duration;

use llm_keys::envelope::{self, Content, SealRequest};
use llm_keys::error::{IntegrityFault, KmsFault};
use llm_keys::kms::aws::AwsKms;
use llm_keys::kms::{
    GuardOptions, Guarded, KeyUri, KmsContext, KmsProvider as _, KmsSet, Pins, WrappedKey,
};
use llm_keys::model::SystemName;
use llm_keys::store::{Change, Expect, KeyStore as _, MemoryStore, SystemRow};
use llm_keys::testing::fakes::ManualClock;
use llm_keys::{
    EncryptionContext, EnvelopeKeyManager, ErrorKind, Micros, SystemRandom, Tenant, Version,
};

use super::bed::{Bed, put, read};
use super::server::Server;
use crate::fault_proxy::FaultProxy;
use crate::kms_aws::server::{admin, config, create_key, variable};

const WRONG_KEY: ErrorKind = ErrorKind::Kms(KmsFault::WrongKey);

every_backend!(nothing_is_sent);

async fn nothing_is_sent(server: Server) {
    let bed = Bed::new(server).await;
    let kms = bed.guarded(GuardOptions::default()).await;
    kms.unwrap().await.unwrap();
    let (requests, connections) = (bed.proxy().requests(), bed.proxy().connections());

    // A key of the same server, whose data keys this process could unwrap if it asked.
    let keys = bed.start_with(Arc::clone(&bed.server.other), GuardOptions::default()).await;
    for _ in 0..10 {
        let error = read(&keys, "openai").await.unwrap_err();
        assert_eq!(error.kind(), WRONG_KEY, "{error:?}");
    }
    // Keys of others.
    for uri in &bed.server.words.foreign {
        let uri = KeyUri::new(uri.clone()).unwrap();
        let foreign = WrappedKey { uri, ..kms.wrapped.clone() };
        let error = kms.unwrap_this(&foreign).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), WRONG_KEY, "{error:?}");
    }
    assert_eq!(bed.proxy().requests(), requests);
    assert_eq!(bed.proxy().connections(), connections);
}

/// The one exception: what an alias has meant before, only the record itself can tell. Somebody who
/// can write the database, and has a key in our account, gets one call for it and no more.
#[tokio::test]
async fn with_an_alias_the_record_itself_causes_one_call_to_a_key_of_the_same_account() {
    let alias = format!("alias/llm-keys-{}", uuid::Uuid::new_v4());
    let (ours, theirs) = (create_key(&admin()).await, create_key(&admin()).await);
    admin().create_alias().alias_name(&alias).target_key_id(&ours).send().await.unwrap();
    let direct = config(&variable("LLM_KEYS_TEST_LOCALSTACK"), "test", "test");
    let theirs = AwsKms::open_with(&theirs, &direct).await.unwrap();
    let store = Arc::new(MemoryStore::new());
    store.commit(forged(&theirs).await).await.unwrap();
    let builder = EnvelopeKeyManager::builder().store(Arc::clone(&store));
    let attacker = builder.kms(KmsSet::single(theirs)).build().await.unwrap();
    put(&attacker, "openai").await.unwrap();

    let proxy = FaultProxy::start(&variable("LLM_KEYS_TEST_LOCALSTACK")).await;
    let kms = AwsKms::open_with(&alias, &config(&proxy.url(), "test", "test")).await.unwrap();
    let clock = Arc::new(ManualClock::default());
    let keys = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(Guarded::new(kms, GuardOptions::default())))
        .store(store)
        .clock(Arc::clone(&clock))
        .build()
        .await
        .unwrap();
    let before = proxy.requests();
    for calls in 1..=2 {
        for _ in 0..10 {
            let error = read(&keys, "openai").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Integrity(IntegrityFault::Row), "{error:?}");
            assert_eq!(proxy.requests(), before + calls);
        }
        // It is remembered so long.
        clock.advance(Duration::from_secs(2));
    }
}

/// A record of allowed KMS keys under `theirs`, which it does not list.
async fn forged(theirs: &AwsKms) -> Change {
    let (tenant, name) = (Tenant::default(), SystemName::new("kms-pins").unwrap());
    let (record, version) = (uuid::Uuid::nil(), Version::FIRST);
    let context = EncryptionContext::of_system(&tenant, &name, record, version);
    let binding = KmsContext { context: &context, readable: false };
    let (key, wrapped) = theirs.generate_data_key(binding, &SystemRandom).await.unwrap();
    let request = SealRequest {
        content: Content::Raw,
        context: &context,
        readable: false,
        key: &key,
        wrapped: &[wrapped],
    };
    let content = Pins::default().serialize().unwrap();
    let envelope = envelope::seal(&content, &request, &SystemRandom).unwrap();
    let expect = Expect::System { tenant: tenant.clone(), name: name.clone(), version: None };
    let row = SystemRow {
        tenant,
        name,
        record,
        version,
        envelope,
        created_at: Micros(0),
        updated_at: Micros(0),
        mac: None,
    };
    Change { expect: vec![expect], system: vec![row], ..Change::default() }
}

//! The mocks of the feature `testing`, in the places they are made for.

use std::time::Duration;

use llm_keys::event::{Action, Outcome};
use llm_keys::kms::{KeyUri, KmsCapabilities, KmsSet};
use llm_keys::store::StoreCapabilities;
use llm_keys::testing::mocks::{
    MockClock, MockEventSink, MockKeyStore, MockKmsProvider, MockSecureKeyManager,
};
use llm_keys::{
    EnvelopeKeyManager, Error, ErrorKind, KeyFilter, KeyId, Micros, Page, PageSize,
    SecureKeyManager,
};

#[tokio::test]
async fn a_manager_stands_on_mocks() {
    let uri = KeyUri::new("mock:1").unwrap();
    // Nothing is wrapped or unwrapped for a key that is not there: any such call would panic.
    let mut kms = MockKmsProvider::new();
    kms.expect_uri().return_const(uri);
    kms.expect_capabilities().return_const(KmsCapabilities::FULL);
    let mut store = MockKeyStore::new();
    store.expect_key_find().times(1).returning(|_| Ok(None));
    store.expect_touch().returning(|_| Ok(()));
    store.expect_capabilities().return_const(StoreCapabilities::IN_PROCESS);
    let mut sink = MockEventSink::new();
    sink.expect_wants().return_const(true);
    sink.expect_emit()
        .withf(|event| {
            (event.action, event.outcome, event.at) == (Action::KeyGet, Outcome::Missing, Micros(7))
        })
        .times(1)
        .returning(|_| Ok(()));
    let mut clock = MockClock::new();
    clock.expect_now().return_const(Micros(7));
    clock.expect_monotonic().return_const(Duration::ZERO);

    let manager = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(kms))
        .store(store)
        .event_sink(sink)
        .clock(clock)
        .build()
        .await
        .unwrap();
    let id = KeyId::global("openai").unwrap();
    assert!(manager.get_api_key(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_mocked_manager_answers_as_told() {
    let mut keys = MockSecureKeyManager::new();
    keys.expect_list_api_keys()
        .withf(|filter, after, size| filter.service.is_none() && after.is_none() && size.get() == 5)
        .times(1)
        .returning(|_, _, _| Ok(Page { items: vec![], next: None }));
    keys.expect_refresh()
        .times(1)
        .returning(|_| Err(Error::new(ErrorKind::Conflict, "test.refresh", "as told")));
    let keys: &dyn SecureKeyManager = &keys;
    let five = PageSize::new(5).unwrap();
    let page = keys.list_api_keys(&KeyFilter::default(), None, five).await.unwrap();
    assert_eq!(page.next, None);
    let id = KeyId::global("openai").unwrap();
    assert_eq!(keys.refresh(&id).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
#[should_panic(expected = "MockSecureKeyManager::get_api_key")]
async fn a_call_that_nobody_expects_panics() {
    let keys = MockSecureKeyManager::new();
    let _ = keys.get_api_key(&KeyId::global("openai").unwrap()).await;
}

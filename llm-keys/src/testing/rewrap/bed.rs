//! Keys under one KMS, and managers that write under others.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::kms::local::LocalKms;
use crate::kms::{KeyUri, KmsProvider, KmsSet};
use crate::manager::{
    CacheOptions, ChangeOptions, EnvelopeKeyManager, OpenOptions, OpenedContent, RewrapOptions,
    SecureKeyManager as _, StoreOptions,
};
use crate::model::{KeyId, KeyRow, PageSize, Seq, Version, VersionRow};
use crate::secret::ApiKey;
use crate::store::KeyStore as _;
use crate::testing::fakes::FakeKms;
use crate::testing::store::SharedStore;

pub(super) type Kms = Arc<FakeKms<LocalKms>>;

/// A KMS with a key of its own.
pub(super) fn kms() -> Kms {
    Arc::new(FakeKms::new(LocalKms::ephemeral().expect("a master key")))
}

pub(super) fn uri(kms: &Kms) -> KeyUri {
    kms.uri().clone()
}

/// A manager without a cache that writes under `write` and also reads with `read`.
pub(super) async fn manager(
    store: &SharedStore,
    write: &[&Kms],
    read: &[&Kms],
) -> EnvelopeKeyManager {
    with_cache(store, write, read, CacheOptions::OFF).await
}

pub(super) async fn with_cache(
    store: &SharedStore,
    write: &[&Kms],
    read: &[&Kms],
    cache: CacheOptions,
) -> EnvelopeKeyManager {
    let any = |kms: &&Kms| Arc::clone(kms) as Arc<dyn KmsProvider>;
    let set = KmsSet::new(write.iter().map(any).collect(), read.iter().map(any).collect());
    let builder = EnvelopeKeyManager::builder().kms(set.unwrap()).store(Arc::clone(store));
    builder.cache(cache).build().await.unwrap()
}

/// Small pages, so that there are several, and no patience.
pub(super) fn quick() -> RewrapOptions {
    let page = PageSize::new(4).unwrap();
    RewrapOptions::default().page(page).at_once(3).patience(Duration::ZERO)
}

pub(super) fn id(number: usize) -> KeyId {
    let service = if number.is_multiple_of(2) { "openai" } else { "anthropic" };
    let id = KeyId::user(&format!("user-{number}"), service).unwrap();
    if number.is_multiple_of(5) { id.with_tenant("other").unwrap() } else { id }
}

pub(super) fn secret(number: usize, version: u32) -> String {
    format!("sk-test-{number:04}-{version:04}")
}

/// Stores `keys` keys: key `n` with `1 + n % 3` versions, every seventh one deactivated.
pub(super) async fn fill(manager: &EnvelopeKeyManager, keys: usize) {
    for number in 0..keys {
        for version in 1..=versions_of(number) {
            put(manager, &id(number), &secret(number, version)).await;
        }
        if number % 7 == 6 {
            let options = ChangeOptions::default();
            manager.deactivate_api_key(&id(number), &options).await.unwrap();
        }
    }
}

pub(super) fn versions_of(number: usize) -> u32 {
    1 + u32::try_from(number % 3).unwrap()
}

/// How many versions [`fill`] stores.
pub(super) fn versions(keys: usize) -> u64 {
    (0..keys).map(|number| u64::from(versions_of(number))).sum()
}

pub(super) async fn put(manager: &EnvelopeKeyManager, id: &KeyId, text: &str) -> Version {
    let key = ApiKey::new(text).unwrap();
    manager.store_api_key(id, key, &StoreOptions::default()).await.unwrap()
}

/// Every version that [`fill`] stored opens; those of deactivated keys after they are activated.
pub(super) async fn assert_all_open(manager: &EnvelopeKeyManager, keys: usize) {
    for number in 0..keys {
        manager.activate_api_key(&id(number), &ChangeOptions::default()).await.unwrap();
        for version in 1..=versions_of(number) {
            let options = OpenOptions::default().version(Version::new(version).unwrap());
            let opened = manager.open(&id(number), &options).await.unwrap().unwrap();
            let OpenedContent::Raw(key) = opened.content;
            assert_eq!(key.expose_str(str::to_owned).unwrap(), secret(number, version));
        }
    }
}

/// Every row there is, as the storage has it.
pub(super) async fn rows(store: &SharedStore) -> Vec<(KeyRow, VersionRow)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.version_scan(after, PageSize::new(100).unwrap()).await.unwrap();
        let Some((_, last)) = page.last() else { return all };
        after = Some((last.record, last.version));
        all.extend(page);
    }
}

/// Under which KMS keys a row is wrapped.
pub(super) fn under(row: &VersionRow) -> Vec<KeyUri> {
    let envelope = row.envelope.as_ref().unwrap();
    let parsed = envelope.parse().unwrap();
    parsed.wrapped().iter().map(|copy| copy.uri.clone()).collect()
}

pub(super) async fn assert_all_under(store: &SharedStore, uris: &[KeyUri]) {
    for (key, row) in rows(store).await {
        assert_eq!(under(&row), uris, "{} version {}", key.id, row.version);
        assert!(!row.rewrap);
    }
    for row in store.system_list().await.unwrap() {
        let parsed = row.envelope.parse().unwrap();
        let copies: Vec<_> = parsed.wrapped().iter().map(|copy| copy.uri.clone()).collect();
        assert_eq!(copies, uris, "{}", row.name);
    }
}

/// An envelope in its parts: what a rewrap must keep, the wrapped copies, the header MAC.
pub(super) fn parts(row: &VersionRow) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    const FIXED: usize = 3 + 1 + 2 + 2 + 32 + 32 + 1;
    let envelope = row.envelope.as_ref().unwrap();
    let parsed = envelope.parse().unwrap();
    let copies = parsed.wrapped().iter();
    let copies: usize = copies.map(|copy| 4 + copy.uri.as_str().len() + copy.blob.len()).sum();
    let bytes = envelope.as_bytes();
    let (fixed, rest) = bytes.split_at(FIXED);
    let (copies, rest) = rest.split_at(1 + copies);
    let (commitment, rest) = rest.split_at(32);
    let (mac, payload) = rest.split_at(32);
    ([fixed, commitment, payload].concat(), copies.to_vec(), mac.to_vec())
}

/// How many events of this action the storage holds for each record.
pub(super) async fn events(store: &SharedStore, action: &str) -> Vec<Uuid> {
    let (mut found, mut since) = (Vec::new(), Seq::default());
    loop {
        let page = store.events_since(since, PageSize::new(1000).unwrap()).await.unwrap();
        let Some((last, _)) = page.last() else { return found };
        since = *last;
        for (_, text) in page {
            let event: serde_json::Value = serde_json::from_str(&text).unwrap();
            if event["action"] == action {
                found.push(event["record"].as_str().unwrap().parse().unwrap());
            }
        }
    }
}

//! What is stored, looked at by another process than the one that wrote it. Every look also checks
//! what must hold at all times, whatever was done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use llm_keys::kms::local::LocalKms;
use llm_keys::kms::{KmsContext, KmsProvider, KmsSet};
use llm_keys::manager::CacheOptions;
use llm_keys::model::{KeyRow, Seq, VersionRow, VersionState};
use llm_keys::store::KeyStore;
use llm_keys::{
    EncryptionContext, EnvelopeKeyManager, Integrity, KeyFilter, KeyState, PageSize,
    SecureKeyManager as _, Tenant,
};
use llm_keys_diesel::DieselStore;

use super::model::{Key, Model, Version};
use super::place::Place;

/// The keys as they are stored, and that
/// - every envelope of every version and of every system record opens under a KMS key;
/// - a key has one live version, which is the current one, or none at all;
/// - no row is refused: all are as the manager wrote them, and none is of no key;
/// - each version has the event that wrote it, and each such event its version, unless the key is
///   gone;
/// - what `get` gives is what the current version holds.
pub(super) async fn look(place: &Place) -> Model {
    let store = DieselStore::connect(place.url()).await.unwrap();
    let kms = kms(place);
    for row in store.system_list().await.unwrap() {
        let context = EncryptionContext::of_system(&row.tenant, &row.name, row.record, row.version);
        assert!(open(&kms, &row.envelope, &context).await.is_some(), "{} does not open", row.name);
    }
    let filter = KeyFilter::of(Tenant::default()).with_deleted();
    let page = PageSize::new(PageSize::MAX).unwrap();
    let rows = store.key_list(&filter, None, page).await.unwrap();
    assert!(rows.next.is_none());
    let manager = manager(&store, place).await;
    let recorded = recorded(&store).await;
    let mut found = BTreeMap::new();
    let mut kept = 0;
    for row in rows.items {
        let versions = store.version_list(row.record).await.unwrap();
        let key = one_key(&kms, &row, &versions).await;
        let there: BTreeSet<_> = key.versions.keys().map(|number| u64::from(*number)).collect();
        assert_eq!(recorded.get(&row.record.to_string()), Some(&there), "events of {}", row.id);
        kept += key.versions.values().filter(|version| version.secret.is_some()).count();
        by_the_manager(&manager, &row, &key).await;
        assert_eq!(found.insert(row.id.service.to_string(), key), None);
    }
    let shown = manager.list_api_keys(&filter, None, page).await.unwrap().items;
    assert!(shown.iter().all(|key| key.integrity == Integrity::Verified), "{shown:?}");
    let scanned = store.version_scan(None, page).await.unwrap();
    assert_eq!(scanned.len(), kept, "there are versions of no key");
    found
}

/// Whether all is wrapped under the KMS key that is written under now, and under no other.
pub(super) async fn all_is_moved(place: &Place) {
    let store = DieselStore::connect(place.url()).await.unwrap();
    let [writing, _] = place.masters();
    let kms = LocalKms::open(writing).unwrap();
    let page = PageSize::new(PageSize::MAX).unwrap();
    let versions = store.version_scan(None, page).await.unwrap();
    let envelopes = versions.into_iter().filter_map(|(_, row)| row.envelope);
    let system = store.system_list().await.unwrap().into_iter().map(|row| row.envelope);
    for envelope in envelopes.chain(system) {
        let parsed = envelope.parse().unwrap();
        let under: Vec<_> = parsed.wrapped().iter().map(|copy| &copy.uri).collect();
        assert_eq!(under, [kms.uri()]);
    }
}

/// The versions of each record of which an event says that they were written.
async fn recorded(store: &DieselStore) -> BTreeMap<String, BTreeSet<u64>> {
    let page = PageSize::new(PageSize::MAX).unwrap();
    let events = store.events_since(Seq::default(), page).await.unwrap();
    assert!(events.len() < usize::from(PageSize::MAX));
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (_, body) in events {
        let event: serde_json::Value = serde_json::from_str(&body).unwrap();
        if WRITES.iter().any(|action| event["action"] == *action) {
            let record = event["record"].as_str().unwrap().to_owned();
            found.entry(record).or_default().insert(event["version"].as_u64().unwrap());
        }
    }
    found
}

/// What makes a version.
const WRITES: [&str; 3] = ["key_store", "key_rotate_begin", "key_rollback"];

async fn one_key(kms: &KmsSet, row: &KeyRow, versions: &[VersionRow]) -> Key {
    let id = &row.id;
    let live: Vec<_> = versions
        .iter()
        .filter(|version| version.state == VersionState::Live)
        .map(|version| version.version)
        .collect();
    assert_eq!(live, row.current.into_iter().collect::<Vec<_>>(), "live versions of {id}");
    let mut found = Key::new();
    found.state = row.state.word();
    found.current = row.current.map(llm_keys::Version::get);
    for version in versions {
        let number = version.version;
        let secret = match &version.envelope {
            Some(envelope) => {
                let context = EncryptionContext::of_key(id, row.record, number);
                let secret = open(kms, envelope, &context).await;
                Some(secret.unwrap_or_else(|| panic!("version {number} of {id} does not open")))
            }
            None => None,
        };
        found.versions.insert(number.get(), Version { state: version.state.word(), secret });
    }
    found
}

/// What the envelope holds; `None` if no KMS key opens it.
async fn open(
    kms: &KmsSet,
    envelope: &llm_keys::envelope::Envelope,
    context: &EncryptionContext,
) -> Option<String> {
    let parsed = envelope.parse().unwrap();
    let kms_context = KmsContext { context, readable: parsed.readable() };
    let key = kms.unwrap(parsed.wrapped(), kms_context).await.ok()?;
    let content = parsed.open(context, &key).ok()?;
    // Row MAC keys are no text.
    Some(content.expose(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// That the manager, which verifies rows, says the same.
async fn by_the_manager(manager: &EnvelopeKeyManager, row: &KeyRow, key: &Key) {
    let id = &row.id;
    let history = manager.key_history(id).await.unwrap().unwrap();
    assert_eq!(history.len(), key.versions.len(), "{id}");
    if row.state == KeyState::Active {
        let got = manager.get_api_key(id).await.unwrap().unwrap();
        assert_eq!(got.expose_str(str::to_owned).unwrap(), key.secret().unwrap(), "{id}");
    }
}

fn kms(place: &Place) -> KmsSet {
    let [write, read] =
        place.masters().map(|path| Arc::new(LocalKms::open(path).unwrap()) as Arc<dyn KmsProvider>);
    KmsSet::new(vec![write], vec![read]).unwrap()
}

async fn manager(store: &DieselStore, place: &Place) -> EnvelopeKeyManager {
    let builder = EnvelopeKeyManager::builder().kms(kms(place)).store(store.clone());
    builder.cache(CacheOptions::OFF).build().await.unwrap()
}

//! Copies between all pairs of databases.

use std::any::Any;
use std::sync::Arc;

use llm_keys::error::{ErrorKind, StoreFault};
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::{CacheOptions, VerifyOptions};
use llm_keys::model::{KeyRow, VersionRow};
use llm_keys::store::{Change, CopyOptions, Expect, KeyStore, MemoryStore, SystemRow, Use, copy};
use llm_keys::testing::fakes::FakeStore;
use llm_keys::{
    ApiKey, ChangeOptions, DeleteOptions, EnvelopeKeyManager, KeyId, Micros, PageSize,
    SecureKeyManager as _, StoreOptions, Version,
};
use llm_keys_diesel::DieselStore;
use uuid::Uuid;

use crate::database::{Database, Kind};
use crate::fixture::{Folder, key_row, new_key, version_row};

const KEYS: usize = 23;

/// A store, and what it stands on.
struct Held {
    store: Arc<dyn KeyStore>,
    _place: Box<dyn Any>,
}

async fn memory() -> Held {
    Held { store: Arc::new(MemoryStore::new()), _place: Box::new(()) }
}

async fn file() -> Held {
    let folder = Folder::new();
    Held { store: Arc::new(folder.store().await), _place: Box::new(folder) }
}

async fn server(kind: Kind) -> Held {
    let database = Database::new(kind).await;
    Held { store: Arc::new(database.store().await), _place: Box::new(database) }
}

async fn all() -> [Held; 4] {
    [memory().await, file().await, server(Kind::Postgres).await, server(Kind::Mysql).await]
}

async fn manager(kms: &Arc<LocalKms>, store: &Arc<dyn KeyStore>) -> EnvelopeKeyManager {
    EnvelopeKeyManager::builder()
        .kms(KmsSet::single(Arc::clone(kms)))
        .store(Arc::clone(store))
        .cache(CacheOptions::OFF)
        .build()
        .await
        .unwrap()
}

fn id(number: usize) -> KeyId {
    let id = KeyId::user(&format!("user-{number}"), "openai").unwrap();
    if number.is_multiple_of(5) { id.with_tenant("other").unwrap() } else { id }
}

async fn put(manager: &EnvelopeKeyManager, number: usize, version: usize) {
    let key = ApiKey::new(secret(number, version)).unwrap();
    manager.store_api_key(&id(number), key, &StoreOptions::default()).await.unwrap();
}

fn secret(number: usize, version: usize) -> String {
    format!("sk-test-{number:04}-{version:04}")
}

/// Keys of two tenants, with up to 13 versions, of which the oldest are shredded; inactive and deleted
/// ones; and uses.
async fn fill(manager: &EnvelopeKeyManager, store: &dyn KeyStore) {
    for number in 0..KEYS {
        for version in 1..=versions_of(number) {
            put(manager, number, version).await;
        }
        match number % 7 {
            5 => {
                manager.deactivate_api_key(&id(number), &ChangeOptions::default()).await.unwrap();
            }
            6 => {
                assert!(
                    manager.delete_api_key(&id(number), &DeleteOptions::default()).await.unwrap()
                );
            }
            _ => {}
        }
    }
    let (key, _) = store.key_find(&id(1)).await.unwrap().unwrap();
    let used = Use { record: key.record, version: Version::FIRST, at: Micros(77) };
    store.touch(&[used]).await.unwrap();
}

fn versions_of(number: usize) -> usize {
    if number == 3 { 13 } else { 1 + number % 3 }
}

type Everything = (Vec<KeyRow>, Vec<VersionRow>, Vec<SystemRow>);

/// Every row there is.
async fn everything(store: &dyn KeyStore) -> Everything {
    let (mut keys, mut versions) = (Vec::new(), Vec::new());
    let mut after: Option<String> = None;
    loop {
        let page = store.key_scan(after.as_deref(), PageSize::default()).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.place.clone());
        keys.extend(page.into_iter().map(|row| row.row.unwrap()));
    }
    for key in &keys {
        versions.extend(store.version_list(key.record).await.unwrap());
    }
    let mut system = store.system_list().await.unwrap();
    system.sort_by_key(|row| (row.tenant.clone(), row.name.clone()));
    (keys, versions, system)
}

/// The copy is the source, and a manager can work with it.
async fn assert_copied(kms: &Arc<LocalKms>, from: &Arc<dyn KeyStore>, to: &Arc<dyn KeyStore>) {
    let (source, target) = (everything(&**from).await, everything(&**to).await);
    assert!(!source.0.is_empty() && !source.2.is_empty());
    assert_eq!(source, target);
    let manager = manager(kms, to).await;
    let options = VerifyOptions::default().open(true);
    let report = manager.verify(&options).await.unwrap();
    assert!(report.stopped.is_none(), "{report:?}");
    assert!(report.findings.is_empty(), "{report:?}");
    assert!(report.opened > 0, "{report:?}");
}

fn small() -> CopyOptions {
    CopyOptions::default().page(PageSize::new(4).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_over_as_it_is() {
    for from in all().await {
        let kms = Arc::new(LocalKms::ephemeral().unwrap());
        fill(&manager(&kms, &from.store).await, &*from.store).await;
        for to in all().await {
            let report = copy(&*from.store, &*to.store, &small()).await.unwrap();
            let versions: usize = (0..KEYS).map(versions_of).sum();
            assert_eq!((report.keys, report.versions), (KEYS as u64, versions as u64));
            assert_eq!((report.again, report.purged, report.passes), (0, 0, 2));
            assert_eq!(report.keys_seen, KEYS as u64);
            assert!(report.system > 0);
            assert_copied(&kms, &from.store, &to.store).await;
            let again = copy(&*from.store, &*to.store, &CopyOptions::default()).await.unwrap();
            assert_eq!((again.keys, again.versions, again.system, again.passes), (0, 0, 0, 1));
            // The copy goes on with its own life.
            let manager = manager(&kms, &to.store).await;
            put(&manager, 1, 99).await;
            let key = manager.get_api_key(&id(1)).await.unwrap().unwrap();
            assert_eq!(key.expose_str(str::to_owned).unwrap(), secret(1, 99));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_broken_off_is_gone_on_with() {
    let from = file().await;
    let kms = Arc::new(LocalKms::ephemeral().unwrap());
    fill(&manager(&kms, &from.store).await, &*from.store).await;
    let down = ErrorKind::Store(StoreFault::Unavailable);
    for to in all().await {
        let fake = Arc::new(FakeStore::new(Arc::clone(&to.store)));
        for stop in [1, 6, 9, 20] {
            for answers_are_lost in [false, true] {
                let script = Arc::clone(&fake);
                let options = small().progress(move |report| {
                    if report.keys_seen == stop {
                        match answers_are_lost {
                            true => script.commits().lose_answers(1, down),
                            false => script.commits().fail_next(1, down),
                        }
                    }
                });
                let ended = copy(&*from.store, &*fake, &options).await;
                fake.commits().heal();
                assert_eq!(ended.unwrap_err().kind(), down);
            }
        }
        let keys = everything(&*to.store).await.0.len();
        assert!(0 < keys && keys < KEYS, "{keys}");
        // What is there is whole: a manager can work with it.
        let report = manager(&kms, &to.store).await.verify(&VerifyOptions::default()).await;
        assert_eq!(report.unwrap().findings.len(), 0);
        let report = copy(&*from.store, &*to.store, &small()).await.unwrap();
        assert_eq!(report.keys, (KEYS - keys) as u64);
        assert_copied(&kms, &from.store, &to.store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_meanwhile_is_copied_again() {
    for to in all().await {
        let from = file().await;
        let kms = Arc::new(LocalKms::ephemeral().unwrap());
        let writer = manager(&kms, &from.store).await;
        for number in 0..KEYS {
            put(&writer, number, 1).await;
        }
        // Which keys come first.
        let page = from.store.key_scan(None, PageSize::default()).await.unwrap();
        let ids: Vec<_> = page.into_iter().map(|row| row.row.unwrap().id).collect();
        let [rotated, purged, replaced, deleted] = &ids[..4] else { panic!("{ids:?}") };

        let fake = Arc::new(FakeStore::new(Arc::clone(&to.store)));
        // It has written some pages, and has others before it.
        let script = Arc::clone(&fake);
        let options = small().progress(move |report| {
            if report.keys_seen == 9 && report.passes == 1 {
                script.commits().hold();
            }
        });
        let (source, target) = (Arc::clone(&from.store), Arc::clone(&fake));
        let copying = tokio::spawn(async move { copy(&*source, &*target, &options).await });
        fake.commits().until_held(1).await;
        let now = DeleteOptions::default().now();
        for id in [purged, replaced] {
            assert!(writer.delete_api_key(id, &now).await.unwrap());
        }
        for id in [rotated, replaced] {
            let key = ApiKey::new("sk-test-meanwhile").unwrap();
            writer.store_api_key(id, key, &StoreOptions::default()).await.unwrap();
        }
        writer.delete_api_key(deleted, &DeleteOptions::default()).await.unwrap();
        fake.commits().release();
        let report = copying.await.unwrap().unwrap();
        assert_eq!(report.purged, 2, "{report:?}");
        assert!(report.again >= 1, "{report:?}");
        assert_copied(&kms, &from.store, &to.store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_never_rests_is_said() {
    let (from, to) = (memory().await, memory().await);
    let record = Uuid::from_u128(1);
    from.store.commit(new_key(&id(1), 1)).await.unwrap();
    // Each pass sees another state.
    let (source, runtime) = (Arc::clone(&from.store), tokio::runtime::Handle::current());
    let options = small().progress(move |_| {
        tokio::task::block_in_place(|| runtime.block_on(write_again(&*source, record)));
    });
    let error = copy(&*from.store, &*to.store, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.detail(), "the source does not stop to change");
}

async fn write_again(store: &dyn KeyStore, record: Uuid) {
    let (mut key, mut version) = match store.key_find(&id(1)).await.unwrap() {
        Some((key, Some(version))) => (key, version),
        other => panic!("{other:?}"),
    };
    let expect = vec![Expect::Generation { record, generation: key.generation }];
    key.generation += 1;
    version.generation += 1;
    let (keys, versions) = (vec![key], vec![version]);
    store.commit(Change { expect, keys, versions, ..Change::default() }).await.unwrap();
}

/// What the target holds, and how it is refused.
fn hostile() -> Vec<(&'static str, Change)> {
    let expect = vec![Expect::Absent(id(1))];
    let change = |key: KeyRow, versions: Vec<VersionRow>| Change {
        expect: expect.clone(),
        keys: vec![key],
        versions,
        ..Change::default()
    };
    let key = || key_row(&id(1), 1);
    let version = || version_row(1, vec![7; 400]);
    let newer = KeyRow { generation: 2, ..key() };
    let other = KeyRow { created_at: Micros(9), ..key() };
    let late = VersionRow { generation: 2, ..version() };
    let second = VersionRow { version: Version::new(2).unwrap(), ..version() };
    let mut elsewhere = change(key_row(&id(2), 1), vec![version()]);
    elsewhere.expect = vec![Expect::Absent(id(2))];
    vec![
        ("not in the source", new_key(&id(9), 9)),
        ("same id, another record", new_key(&id(1), 9)),
        ("same record, another id", elsewhere),
        ("newer", change(newer, vec![version()])),
        ("other columns", change(other, vec![version()])),
        ("another envelope", change(key(), vec![version_row(1, vec![8; 400])])),
        ("a newer version row", change(key(), vec![late])),
        ("one more version", change(key(), vec![version(), second])),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_of_others_is_refused() {
    let from = file().await;
    from.store.commit(new_key(&id(1), 1)).await.unwrap();
    for (what, change) in hostile() {
        for to in all().await {
            to.store.commit(change.clone()).await.unwrap();
            let before = everything(&*to.store).await;
            let error = copy(&*from.store, &*to.store, &small()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{what}: {error:?}");
            assert!(error.detail().contains("is not from the source"), "{what}: {error:?}");
            assert_eq!(everything(&*to.store).await, before, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_with_a_sentinel_of_its_own_is_refused() {
    let (from, to) = (file().await, server(Kind::Postgres).await);
    for held in [&from, &to] {
        let kms = Arc::new(LocalKms::ephemeral().unwrap());
        put(&manager(&kms, &held.store).await, 1, 1).await;
    }
    let error = copy(&*from.store, &*to.store, &small()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(error.detail().contains("system record"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_do_not_fit_or_cannot_be_read_are_not_copied() {
    let folder = Folder::new();
    let (store, to) = (folder.store().await, memory().await);
    store.commit(new_key(&id(1), 1)).await.unwrap();
    folder.tamper("UPDATE llm_keys_versions SET generation = 2");
    let error = copy(&store, &*to.store, &small()).await.unwrap_err();
    assert_eq!(
        error.detail(),
        format!("the rows of the key {} do not fit each other in the source", id(1))
    );
    folder.tamper(
        "UPDATE llm_keys_versions SET generation = 1; UPDATE llm_keys_keys SET state = 'x'",
    );
    let error = copy(&store, &*to.store, &small()).await.unwrap_err();
    assert!(error.detail().starts_with("a row of the source cannot be read"), "{error:?}");
    assert_eq!(everything(&*to.store).await.0, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_are_missing_or_newer_are_said() {
    let from = file().await;
    from.store.commit(new_key(&id(1), 1)).await.unwrap();
    for kind in [Kind::Postgres, Kind::Mysql] {
        let database = Database::new(kind).await;
        let bare = DieselStore::connect(&database.url()).await.unwrap();
        for (from, to) in [(&*from.store, &bare as &dyn KeyStore), (&bare, &*from.store)] {
            let error = copy(from, to, &small()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Store(StoreFault::SchemaTooOld), "{error:?}");
        }
        bare.migrate().await.unwrap();
        let newer = "INSERT INTO llm_keys_schema (version) VALUES ('99990101000000')";
        database.execute(newer).await.unwrap();
        let newer = DieselStore::connect(&database.url()).await.unwrap();
        let error = copy(&*from.store, &newer, &small()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store(StoreFault::SchemaTooNew), "{error:?}");
    }
}

//! Verifying everything, checkpoints, and accepting what is refused.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use llm_keys::error::{IntegrityFault, KmsFault};
use llm_keys::event::{Action, Outcome};
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::{
    AcceptOptions, CacheOptions, Item, Retention, VerifyOptions, VerifyReport,
};
use llm_keys::model::{KeyRow, SystemName, VersionRow};
use llm_keys::store::{Change, Expect, KeyStore, MemoryStore};
use llm_keys::testing::fakes::{FakeKms, ManualClock, RecordingSink};
use llm_keys::{
    ApiKey, ChangeOptions, DeleteOptions, EnvelopeKeyManager, ErrorKind, KeyId, KeyState, PageSize,
    SecureKeyManager as _, StoreOptions, Tenant, Version,
};
use tempfile::TempDir;

mod checkpoint;

const EDITED: ErrorKind = ErrorKind::Integrity(IntegrityFault::Row);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Bed {
    kms: Arc<FakeKms<LocalKms>>,
    store: Arc<MemoryStore>,
    sink: Arc<RecordingSink>,
    clock: Arc<ManualClock>,
    keys: EnvelopeKeyManager,
    folder: TempDir,
}

/// All rows of one key.
#[derive(Clone)]
struct Rows {
    key: KeyRow,
    versions: Vec<VersionRow>,
}

impl Bed {
    async fn new() -> Self {
        let kms = Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()));
        Self::over(kms, Arc::new(MemoryStore::new()), Arc::new(ManualClock::default())).await
    }

    async fn over(
        kms: Arc<FakeKms<LocalKms>>,
        store: Arc<MemoryStore>,
        clock: Arc<ManualClock>,
    ) -> Self {
        let sink = Arc::new(RecordingSink::default());
        let keys = EnvelopeKeyManager::builder()
            .kms(KmsSet::single(Arc::clone(&kms)))
            .store(Arc::clone(&store))
            .event_sink(Arc::clone(&sink))
            .clock(Arc::clone(&clock))
            .cache(CacheOptions::OFF)
            .retention(Retention::default())
            .build()
            .await
            .unwrap();
        Self { kms, store, sink, clock, keys, folder: tempfile::tempdir().unwrap() }
    }

    /// The same keys in another storage.
    async fn moved_to(&self, store: Arc<MemoryStore>) -> Self {
        Self::over(Arc::clone(&self.kms), store, Arc::clone(&self.clock)).await
    }

    async fn put(&self, id: &KeyId, key: &str) -> Version {
        let key = ApiKey::new(key).unwrap();
        self.keys.store_api_key(id, key, &StoreOptions::default()).await.unwrap()
    }

    async fn rows(&self, id: &KeyId) -> Rows {
        let (key, _) = self.store.key_find(id).await.unwrap().unwrap();
        let versions = self.store.version_list(key.record).await.unwrap();
        Rows { key, versions }
    }

    /// Writes these rows, whatever is there.
    async fn write(&self, rows: Rows) {
        let id = rows.key.id.clone();
        let expect = match self.store.key_find(&id).await.unwrap() {
            Some((now, _)) => Expect::Generation { record: now.record, generation: now.generation },
            None => Expect::Absent(id),
        };
        let (keys, versions) = (vec![rows.key], rows.versions);
        let change = Change { expect: vec![expect], keys, versions, ..Change::default() };
        self.store.commit(change).await.unwrap();
    }

    async fn edit(&self, id: &KeyId, edit: impl FnOnce(&mut KeyRow)) {
        let mut rows = self.rows(id).await;
        edit(&mut rows.key);
        self.write(Rows { versions: vec![], ..rows }).await;
    }

    async fn is_read(&self, id: &KeyId) -> bool {
        self.keys.get_api_key(id).await.is_ok_and(|key| key.is_some())
    }

    async fn verify(&self, options: &VerifyOptions) -> VerifyReport {
        self.keys.verify(options).await.unwrap()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("checkpoint")
    }

    fn checkpoint(&self) -> VerifyOptions {
        VerifyOptions::default().checkpoint(self.file())
    }

    /// Makes the first checkpoint.
    async fn begin(&self) -> Vec<u8> {
        let report = self.verify(&self.checkpoint()).await;
        assert!(report.is_sound(), "{:?}", report.findings);
        assert!(report.checkpoint.unwrap().written.is_some());
        std::fs::read(self.file()).unwrap()
    }

    /// Compares with the checkpoint, which must find these, and stay as it is.
    async fn finds(&self, expected: &[(Item, &str)]) {
        let before = std::fs::read(self.file()).unwrap();
        let report = self.verify(&self.checkpoint()).await;
        let found: Vec<_> = report.findings.iter().map(|found| found.item.clone()).collect();
        let items: Vec<_> = expected.iter().map(|(item, _)| item.clone()).collect();
        assert_eq!(found, items, "{:?}", report.findings);
        for (found, (_, words)) in report.findings.iter().zip(expected) {
            assert_eq!(found.error.kind(), EDITED);
            assert!(found.error.detail().contains(words), "{:?}", found.error);
        }
        assert!(!report.is_sound());
        assert_eq!(report.checkpoint.unwrap().written, None);
        assert_eq!(std::fs::read(self.file()).unwrap(), before, "the old one stays");
        let names = std::fs::read_dir(self.folder.path()).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
    }
}

fn id(service: &str) -> KeyId {
    KeyId::user("alice", service).unwrap()
}

fn found(report: &VerifyReport) -> Vec<(Item, ErrorKind)> {
    report.findings.iter().map(|found| (found.item.clone(), found.error.kind())).collect()
}

#[tokio::test]
async fn what_is_well_is_counted() {
    let bed = Bed::new().await;
    let report = bed.verify(&VerifyOptions::default()).await;
    assert!(report.is_sound());
    assert_eq!((report.progress.seen(), report.system), (0, 0));

    let elsewhere = id("b").with_tenant("elsewhere").unwrap();
    for id in [&id("a"), &id("a"), &elsewhere, &id("deleted")] {
        bed.put(id, "sk-a").await;
    }
    bed.keys.delete_api_key(&id("deleted"), &DeleteOptions::default()).await.unwrap();
    bed.keys.prune_api_key(&id("a"), 1, &ChangeOptions::default()).await.unwrap();
    let calls = bed.kms.unwraps().calls();
    let (tell, told) = std::sync::mpsc::channel();
    let options = VerifyOptions::default().page(PageSize::new(1).unwrap()).at_once(2);
    let options = options.progress(move |progress| tell.send(progress.seen()).unwrap());
    let report = bed.verify(&options).await;
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.progress.done, report.versions, report.opened), (3, 4, 0));
    // Sentinel, and the row MAC keys of two tenants, which are opened.
    assert_eq!(report.system, 3);
    assert_eq!(bed.kms.unwraps().calls(), calls + 2);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [1, 2, 3]);

    let report = bed.verify(&VerifyOptions::default().open(true)).await;
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(report.opened, 3, "the shredded one has nothing to open");
    assert!(bed.sink.events().iter().all(|event| event.action != Action::KeyGet));
}

#[tokio::test]
async fn every_bad_row_is_named_and_the_walk_goes_on() {
    let bed = Bed::new().await;
    let ids: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(id).into();
    for id in &ids {
        bed.put(id, "sk-1").await;
        bed.put(id, "sk-2").await;
    }
    bed.edit(&ids[0], |key| key.state = KeyState::Inactive).await;
    bed.edit(&ids[1], |key| drop(key.settings.0.insert("host".into(), "evil".into()))).await;
    // An old version, which is not the current one.
    let mut rows = bed.rows(&ids[2]).await;
    rows.versions[0].reason = Some(llm_keys::Reason::new("edited").unwrap());
    bed.write(rows).await;
    // The envelope of another key, with the MAC of its row.
    let mut rows = bed.rows(&ids[3]).await;
    rows.versions[0].envelope.clone_from(&bed.rows(&ids[4]).await.versions[0].envelope);
    bed.write(rows).await;
    // One row of a whole old state.
    let old = bed.rows(&ids[4]).await;
    bed.keys.deactivate_api_key(&ids[4], &ChangeOptions::default()).await.unwrap();
    bed.write(Rows { versions: vec![], ..old }).await;

    let report = bed.verify(&VerifyOptions::default()).await;
    let version = |id: &KeyId, number| Item::Version(id.clone(), Version::new(number).unwrap());
    let mut items: Vec<_> = found(&report);
    items.sort_by_key(|(item, _)| item.to_string());
    let expected = [
        (Item::Key(ids[0].clone()), EDITED),
        (Item::Key(ids[1].clone()), EDITED),
        (version(&ids[2], 1), EDITED),
        (version(&ids[3], 1), EDITED),
        (version(&ids[4], 2), EDITED),
    ];
    assert_eq!(items, expected);
    assert_eq!((report.progress.done, report.progress.failed), (1, 5));
    // The same of chosen keys.
    let chosen = VerifyOptions::default().keys(vec![ids[0].clone(), ids[5].clone(), id("none")]);
    let report = bed.verify(&chosen).await;
    assert_eq!(found(&report), [(Item::Key(ids[0].clone()), EDITED)]);
    assert_eq!((report.progress.done, report.progress.skipped, report.system), (1, 1, 0));
}

#[tokio::test]
async fn what_does_not_open_is_found_by_opening_it() {
    let bed = Bed::new().await;
    bed.put(&id("a"), "sk-1").await;
    assert!(bed.keys.open_row_macs(&Tenant::default()).await.unwrap());
    let denied = ErrorKind::Kms(KmsFault::Denied);
    bed.kms.unwraps().fail(denied);
    let report = bed.verify(&VerifyOptions::default().open(true).patience(Duration::ZERO)).await;
    let item = Item::Version(id("a"), Version::FIRST);
    assert!(found(&report).contains(&(item, denied)), "{report:?}");
    // An outage says nothing about keys.
    let down = ErrorKind::Kms(KmsFault::Unavailable);
    bed.kms.unwraps().fail(down);
    let report = bed.verify(&VerifyOptions::default().open(true).patience(Duration::ZERO)).await;
    assert_eq!(report.stopped.as_ref().unwrap().kind(), down);
    assert!(report.findings.is_empty() && !report.is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_change_meanwhile_are_not_called_bad() {
    let bed = Arc::new(Bed::new().await);
    let ids: Vec<_> = (0..8).map(|number| id(&format!("service-{number}"))).collect();
    for id in &ids {
        bed.put(id, "sk-0").await;
    }
    let writing = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let writer = tokio::spawn({
        let (bed, ids, writing) = (Arc::clone(&bed), ids.clone(), Arc::clone(&writing));
        async move {
            let mut written = 0_u32;
            while writing.load(std::sync::atomic::Ordering::Relaxed) {
                let id = &ids[written as usize % ids.len()];
                match written % 5 {
                    4 => drop(
                        bed.keys.delete_api_key(id, &DeleteOptions::default().now()).await.unwrap(),
                    ),
                    _ => drop(bed.put(id, "sk-n").await),
                }
                written += 1;
            }
            written
        }
    });
    for _ in 0..40 {
        let options = VerifyOptions::default().page(PageSize::new(2).unwrap());
        let report = bed.verify(&options).await;
        assert!(report.is_sound(), "{:?}", report.findings);
        tokio::task::yield_now().await;
    }
    writing.store(false, std::sync::atomic::Ordering::Relaxed);
    assert!(writer.await.unwrap() > 40, "nothing was written meanwhile");
}

#[tokio::test]
async fn accepting_signs_rows_as_they_are() {
    let bed = Bed::new().await;
    for service in ["a", "b"] {
        bed.put(&id(service), "sk-1").await;
        bed.put(&id(service), "sk-2").await;
    }
    bed.edit(&id("a"), |key| key.rotate_every = Some(llm_keys::model::Days(9))).await;
    assert!(!bed.is_read(&id("a")).await);
    let accept = AcceptOptions::keys(vec![id("a"), id("b"), id("none")]);
    let report = bed.keys.accept(&accept).await.unwrap();
    assert_eq!((report.accepted, report.skipped), (vec![id("a")], 2));
    assert!(report.failed.is_empty() && report.renewed.is_empty());
    assert!(bed.is_read(&id("a")).await);
    assert_eq!(bed.rows(&id("a")).await.key.rotate_every, Some(llm_keys::model::Days(9)));
    assert!(bed.verify(&VerifyOptions::default().open(true)).await.is_sound());
    assert_eq!(bed.keys.key_history(&id("a")).await.unwrap().unwrap().len(), 2);
    let accepted: Vec<_> =
        bed.sink.events().into_iter().filter(|event| event.action == Action::KeyAccept).collect();
    assert_eq!(accepted.len(), 1);
    assert_eq!((&*accepted[0].key, accepted[0].outcome), (&id("a"), Outcome::Ok));
}

#[tokio::test]
async fn what_does_not_open_is_not_accepted() {
    let bed = Bed::new().await;
    bed.put(&id("a"), "sk-a").await;
    bed.put(&id("b"), "sk-b").await;
    // The envelope of another key.
    let mut rows = bed.rows(&id("a")).await;
    rows.versions[0].envelope.clone_from(&bed.rows(&id("b")).await.versions[0].envelope);
    bed.write(rows).await;
    let before = bed.rows(&id("a")).await;
    let report = bed.keys.accept(&AcceptOptions::keys(vec![id("a")])).await.unwrap();
    assert!(report.accepted.is_empty());
    let error = &report.failed[0].error;
    assert_eq!(error.kind(), ErrorKind::Integrity(IntegrityFault::Context));
    let after = bed.rows(&id("a")).await;
    assert_eq!((after.key, after.versions), (before.key, before.versions));
    let last = bed.sink.events().pop().unwrap();
    assert_eq!((last.action, last.outcome), (Action::KeyAccept, Outcome::Failed(error.kind())));
}

#[tokio::test]
async fn lost_row_mac_keys_are_made_anew_by_accepting() {
    let bed = Bed::new().await;
    let ids = [id("a"), id("b"), id("c")];
    for id in &ids {
        bed.put(id, "sk-1").await;
        bed.put(id, "sk-2").await;
    }
    // Without the record, and without one version of `b` and the current one of `c`.
    let store = Arc::new(MemoryStore::new());
    for id in &ids {
        let Rows { key, mut versions } = bed.rows(id).await;
        let lost = match id.service.as_str() {
            "b" => Some(1),
            "c" => Some(2),
            _ => None,
        };
        versions.retain(|row| Some(row.version.get()) != lost);
        let expect = vec![Expect::Absent(id.clone())];
        let change = Change { expect, keys: vec![key], versions, ..Change::default() };
        store.commit(change).await.unwrap();
    }
    let bed = bed.moved_to(store).await;
    let report = bed.verify(&VerifyOptions::default()).await;
    let record = Item::System(Tenant::default(), SystemName::new("row-mac").unwrap());
    assert_eq!(found(&report), [(record, EDITED)], "one finding, and not one for each key");
    assert_eq!(report.progress.failed, 3);
    assert!(report.findings[0].error.hint().unwrap().contains("--accept-all"));

    let report = bed.keys.accept(&AcceptOptions::keys(ids[..1].to_vec())).await.unwrap();
    assert_eq!(report.renewed, [Tenant::default()]);
    assert!(bed.is_read(&ids[0]).await);
    assert!(!bed.is_read(&ids[1]).await, "each key is accepted for itself");
    let report = bed.keys.accept(&AcceptOptions::keys(ids.to_vec())).await.unwrap();
    assert_eq!((report.accepted, report.skipped), (vec![ids[1].clone()], 1));
    assert!(report.renewed.is_empty());
    assert!(report.failed[0].error.detail().contains("current version"), "{:?}", report.failed);
    assert!(bed.is_read(&ids[1]).await);
    let history = bed.keys.key_history(&ids[1]).await.unwrap().unwrap();
    assert_eq!(
        history.iter().map(|row| row.state.word()).collect::<Vec<_>>(),
        ["live", "shredded"]
    );
    assert!(bed.keys.delete_api_key(&ids[2], &DeleteOptions::default().now()).await.unwrap());
    assert!(bed.verify(&VerifyOptions::default().open(true)).await.is_sound());
}

/// All keys and system records of `from`, and none of its feed and events.
async fn copy(from: &MemoryStore, to: &MemoryStore) {
    for row in from.system_list().await.unwrap() {
        let (tenant, name) = (row.tenant.clone(), row.name.clone());
        let expect = vec![Expect::System { tenant, name, version: None }];
        let change = Change { expect, system: vec![row], ..Change::default() };
        to.commit(change).await.unwrap();
    }
    for scanned in from.key_scan(None, PageSize::default()).await.unwrap() {
        let key = scanned.row.unwrap();
        let versions = from.version_list(key.record).await.unwrap();
        let expect = vec![Expect::Absent(key.id.clone())];
        let change = Change { expect, keys: vec![key], versions, ..Change::default() };
        to.commit(change).await.unwrap();
    }
}

//! From one KMS to another.

use std::collections::BTreeSet;

use super::bed::{
    assert_all_open, assert_all_under, events, fill, id, kms, manager, parts, put, quick, rows,
    uri, versions,
};
use crate::kms::KmsSet;
use crate::manager::{EnvelopeKeyManager, RewrapOptions, Sentinel};
use crate::testing::store::SharedStore;
use std::sync::Arc;

const KEYS: usize = 23;

/// The copies are those of the write list, the rest of each envelope is as it was but for the header
/// MAC, the old KMS is not needed any more, and a second run does nothing.
pub async fn copies_are_exact_and_payloads_stay(store: &SharedStore) {
    let (old, new) = (kms(), kms());
    fill(&manager(store, &[&old], &[]).await, KEYS).await;
    let before = rows(store).await;

    let moving = manager(store, &[&new], &[&old]).await;
    let report = moving.rewrap(&quick()).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    let system = store.system_list().await.unwrap().len() as u64;
    assert_eq!(report.progress.done, versions(KEYS) + system);
    assert_eq!((report.keys, report.system), (KEYS as u64, system));
    assert_eq!((report.progress.skipped, report.progress.failed), (0, 0));

    let after = rows(store).await;
    assert_eq!(before.len(), after.len());
    for ((old_key, old_row), (key, row)) in before.iter().zip(&after) {
        let (kept, copies, mac) = parts(row);
        let (kept_before, copies_before, mac_before) = parts(old_row);
        assert_eq!(kept, kept_before, "{}", key.id);
        assert!(copies != copies_before && mac != mac_before);
        // One change for the whole key, of which users see nothing.
        assert_eq!(key.generation, old_key.generation + 1);
        assert_eq!(row.generation, key.generation);
        assert_eq!(key.kept.generation_of(row.version), Some(row.generation));
        assert_eq!(key.updated_at, old_key.updated_at);
        assert_eq!((key.state, key.current), (old_key.state, old_key.current));
        assert_eq!((row.state, row.created_at), (old_row.state, old_row.created_at));
        assert_eq!((&row.by, &row.reason), (&old_row.by, &old_row.reason));
    }
    assert_all_under(store, &[uri(&new)]).await;
    let events = events(store, "key_rewrap").await;
    let distinct: BTreeSet<_> = events.iter().collect();
    assert_eq!((events.len(), distinct.len()), (KEYS, KEYS), "one event for each key");

    let calls = (old.unwraps().calls(), new.unwraps().calls(), new.wraps().calls());
    let again = moving.rewrap(&quick()).await.unwrap();
    assert_eq!(again.progress.skipped, versions(KEYS) + system);
    assert_eq!(again.progress.done, 0);
    let more = (old.unwraps().calls(), new.unwraps().calls(), new.wraps().calls());
    assert_eq!(more, (calls.0, calls.1 + 1, calls.2 + 1), "only the first look at the KMS");

    let alone = manager(store, &[&new], &[]).await;
    assert_eq!(alone.check_sentinel().await.unwrap(), Sentinel::Opened);
    assert_all_open(&alone, KEYS).await;
    put(&alone, &id(0), "sk-test-next").await;
}

/// A copy that is missing is added and the others are kept; one that is too many is dropped without
/// asking a KMS to wrap; a mark that is no longer true goes.
pub async fn copies_of_several_kms_are_added_and_dropped(store: &SharedStore) {
    let (a, b) = (kms(), kms());
    fill(&manager(store, &[&a], &[]).await, KEYS).await;
    let before = rows(store).await;

    let report = manager(store, &[&a, &b], &[]).await.rewrap(&quick()).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_all_under(store, &[uri(&a), uri(&b)]).await;
    for ((_, old), (_, new)) in before.iter().zip(&rows(store).await) {
        let copy = |row: &crate::model::VersionRow| {
            row.envelope.as_ref().unwrap().parse().unwrap().wrapped()[0].clone()
        };
        assert_eq!(copy(old), copy(new), "the copy that was there is kept");
    }

    let (wraps, unwraps) = (b.wraps().calls(), a.unwraps().calls());
    let report = manager(store, &[&b], &[&a]).await.rewrap(&quick()).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_all_under(store, &[uri(&b)]).await;
    let records = store.system_list().await.unwrap().len() as u64;
    assert_eq!(b.wraps().calls(), wraps + 1 + records, "the first look, and the system records");
    assert_eq!(a.unwraps().calls(), unwraps, "what stays must open");

    // Stored while a KMS of the write list was out.
    let c = kms();
    c.wraps().fail(crate::ErrorKind::Kms(crate::error::KmsFault::Unavailable));
    let both = KmsSet::new(vec![b.clone(), c.clone()], Vec::new()).unwrap().quorum(1).unwrap();
    let half = EnvelopeKeyManager::builder().kms(both).store(Arc::clone(store));
    let half = half.build().await.unwrap();
    put(&half, &id(1), "sk-test-half").await;
    assert_eq!(rows(store).await.iter().filter(|(_, row)| row.rewrap).count(), 1);
    assert!(half.rewrap(&quick()).await.is_err(), "all must be there");
    c.wraps().heal();
    let plan = half.rewrap_plan(&quick()).await.unwrap();
    assert_eq!(plan.versions.lacking, plan.versions.total);
    assert!(half.rewrap(&quick()).await.unwrap().is_complete());
    assert_all_under(store, &[uri(&b), uri(&c)]).await;

    // And one that is marked, while the KMS that was out is no longer wanted.
    c.wraps().fail(crate::ErrorKind::Kms(crate::error::KmsFault::Unavailable));
    put(&half, &id(1), "sk-test-marked").await;
    let alone = manager(store, &[&b], &[&c]).await;
    let plan = alone.rewrap_plan(&quick()).await.unwrap();
    assert_eq!((plan.versions.marked, plan.versions.lacking), (1, 0));
    assert!(alone.rewrap(&quick()).await.unwrap().is_complete());
    assert_all_under(store, &[uri(&b)]).await;
}

/// `everything` wraps what is wrapped already, and `verify` opens each new copy.
pub async fn everything_is_wrapped_on_request(store: &SharedStore) {
    let kms = kms();
    let manager = manager(store, &[&kms], &[]).await;
    fill(&manager, KEYS).await;
    let before = rows(store).await;
    let (wraps, unwraps) = (kms.wraps().calls(), kms.unwraps().calls());
    let report = manager.rewrap(&quick().everything(true).verify(true)).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    let (total, records) = (versions(KEYS), store.system_list().await.unwrap().len() as u64);
    assert_eq!(report.progress.done, total + records);
    assert_eq!(kms.wraps().calls() - wraps, 1 + total + records);
    assert_eq!(kms.unwraps().calls() - unwraps, 1 + 2 * total + records);
    for ((_, old), (_, new)) in before.iter().zip(&rows(store).await) {
        assert_eq!(parts(old).0, parts(new).0);
        assert_ne!(parts(old).1, parts(new).1);
    }
    assert_all_open(&manager, KEYS).await;
}

/// The plan counts what the rewrap then does, and writes nothing.
pub async fn the_plan_says_what_the_rewrap_does(store: &SharedStore) {
    let (old, new, gone) = (kms(), kms(), kms());
    fill(&manager(store, &[&old], &[]).await, KEYS).await;
    // Two keys under a KMS that nobody has any more.
    let lost = manager(store, &[&gone], &[&old]).await;
    for number in [KEYS, KEYS + 1] {
        put(&lost, &id(number), "sk-test-lost").await;
    }
    let before = rows(store).await;
    let moving = manager(store, &[&new], &[&old]).await;
    let plan = moving.rewrap_plan(&quick()).await.unwrap();
    assert_eq!(rows(store).await, before);
    assert_eq!(plan.to, [uri(&new)]);
    assert_eq!(plan.versions.total, versions(KEYS) + 2);
    assert_eq!(plan.versions.todo, plan.versions.lacking);
    assert_eq!(plan.versions.keys[&uri(&old)], versions(KEYS));
    assert_eq!(plan.versions.keys[&uri(&gone)], 2);
    assert_eq!(plan.unopened.len(), 2, "{plan:?}");
    let report = moving.rewrap(&RewrapOptions::default()).await.unwrap();
    assert!(report.stopped.is_none());
    assert_eq!(report.progress.done + 2, plan.todo());
    let names = |failed: &[crate::manager::Failed]| {
        failed.iter().map(|one| one.item.clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&report.failed), names(&plan.unopened));
    let plan = moving.rewrap_plan(&quick()).await.unwrap();
    assert_eq!(plan.todo(), 2);
}

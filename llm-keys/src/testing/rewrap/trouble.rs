//! When something fails in the midst of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bed::{
    assert_all_open, assert_all_under, fill, id, kms, manager, parts, quick, rows, under, uri,
    versions,
};
use crate::envelope::Envelope;
use crate::error::{ErrorKind, IntegrityFault, KmsFault};
use crate::event::EventSink;
use crate::kms::KmsSet;
use crate::manager::{EnvelopeKeyManager, Item};
use crate::model::{KeyRow, VersionRow};
use crate::store::{Change, Expect};
use crate::testing::fakes::FailingSink;
use crate::testing::store::SharedStore;

const KEYS: usize = 60;

/// A KMS of the write list that does not wrap, or unwraps something else, ends it at once.
pub async fn nothing_begins_under_a_kms_that_does_not_work(store: &SharedStore) {
    let (old, new) = (kms(), kms());
    fill(&manager(store, &[&old], &[]).await, 5).await;
    let before = rows(store).await;
    let moving = manager(store, &[&new], &[&old]).await;
    let denied = ErrorKind::Kms(KmsFault::Denied);
    new.wraps().fail(denied);
    assert_eq!(moving.rewrap(&quick()).await.unwrap_err().kind(), denied);
    new.wraps().heal();
    new.unwraps().fail(denied);
    assert_eq!(moving.rewrap(&quick()).await.unwrap_err().kind(), denied);
    new.unwraps().heal();
    new.answer_wrong_key(true);
    let error = moving.rewrap(&quick()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::BadAnswer));
    assert_eq!(rows(store).await, before);
}

/// An outage that lasts ends the walk; what was done stays, and is not done again.
pub async fn an_outage_ends_it_and_the_next_run_goes_on(store: &SharedStore) {
    ends_and_goes_on(store, ErrorKind::Kms(KmsFault::Unavailable)).await;
}

/// So do credentials that run out: each call is refused.
pub async fn a_refusing_kms_ends_it_and_the_next_run_goes_on(store: &SharedStore) {
    ends_and_goes_on(store, ErrorKind::Kms(KmsFault::Denied)).await;
}

async fn ends_and_goes_on(store: &SharedStore, kind: ErrorKind) {
    let (old, new) = (kms(), kms());
    fill(&manager(store, &[&old], &[]).await, KEYS).await;
    let before = rows(store).await;
    let moving = manager(store, &[&new], &[&old]).await;
    let breaking = Arc::clone(&new);
    let options = quick().progress(move |progress| {
        if progress.done >= 10 {
            breaking.wraps().fail(kind);
        }
    });
    let report = moving.rewrap(&options).await.unwrap();
    assert_eq!(report.stopped.as_ref().map(crate::Error::kind), Some(kind), "{report:?}");
    assert!((10..versions(KEYS)).contains(&report.progress.done), "{report:?}");
    // Each is either as it was, or done: both open.
    let half = rows(store).await;
    let mut done = 0;
    for ((_, old_row), (_, row)) in before.iter().zip(&half) {
        match under(row) {
            copies if copies == [uri(&old)] => assert_eq!(old_row.envelope, row.envelope),
            copies => {
                assert_eq!(copies, [uri(&new)]);
                assert_eq!(parts(old_row).0, parts(row).0);
                done += 1;
            }
        }
    }
    assert_eq!(done, report.progress.done);
    assert_all_open(&moving, KEYS).await;

    new.wraps().heal();
    let half = rows(store).await;
    let wraps = new.wraps().calls();
    let report = moving.rewrap(&quick()).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    let records = store.system_list().await.unwrap().len() as u64;
    assert_eq!(report.progress.done, versions(KEYS) - done + records);
    assert_eq!(new.wraps().calls() - wraps, 1 + report.progress.done, "none is wrapped twice");
    for ((_, before), (_, after)) in half.iter().zip(&rows(store).await) {
        if under(before) == [uri(&new)] {
            assert_eq!(before.envelope, after.envelope);
        }
    }
    assert_all_under(store, &[uri(&new)]).await;
    assert_all_open(&manager(store, &[&new], &[]).await, KEYS).await;
}

/// Damaged bytes stay as they are, for whoever can still mend them; the report names them.
pub async fn damage_is_left_alone_and_told(store: &SharedStore) {
    let (old, new) = (kms(), kms());
    fill(&manager(store, &[&old], &[]).await, 9).await;
    let all = rows(store).await;
    // The last byte belongs to the tag of the payload, which no rewrap changes; and a moved one.
    let is_current = |(key, row): &&(KeyRow, VersionRow)| key.current == Some(row.version);
    let (_, old_version) = all.iter().find(|row| !is_current(row)).unwrap();
    let (_, current) =
        all.iter().find(|row| is_current(row) && row.1.record != old_version.record).unwrap();
    let mut bytes = old_version.envelope.as_ref().unwrap().as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let broken = VersionRow { envelope: Some(Envelope::from_bytes(bytes)), ..old_version.clone() };
    let moved = VersionRow { envelope: old_version.envelope.clone(), ..current.clone() };
    for row in [&broken, &moved] {
        let record = row.record;
        let generation = all.iter().find(|(key, _)| key.record == record).unwrap().0.generation;
        let expect = vec![Expect::Generation { record, generation }];
        let versions = vec![row.clone()];
        store.commit(Change { expect, versions, ..Change::default() }).await.unwrap();
    }
    let before = rows(store).await;
    let moving = manager(store, &[&new], &[&old]).await;
    let plan = moving.rewrap_plan(&quick()).await.unwrap();
    let report = moving.rewrap(&quick()).await.unwrap();
    assert!(report.stopped.is_none());
    // An older version by itself; with the current one the whole key, which no change may sign.
    let left = |row: &VersionRow| {
        (row.record, row.version) == (broken.record, broken.version) || row.record == moved.record
    };
    let expected: BTreeSet<_> = all
        .iter()
        .filter(|(_, row)| left(row))
        .map(|(key, row)| Item::Version(key.id.clone(), row.version))
        .collect();
    for told in [&report.failed, &plan.unopened] {
        let items: BTreeSet<_> = told.iter().map(|failed| failed.item.clone()).collect();
        assert_eq!(items, expected);
        for failed in told {
            let row = ErrorKind::Integrity(IntegrityFault::Row);
            assert_eq!(failed.error.kind(), row, "{failed:?}");
        }
    }
    for ((_, before), (_, row)) in before.iter().zip(&rows(store).await) {
        match left(row) {
            true => assert_eq!(before.envelope, row.envelope),
            false => assert_eq!(under(row), [uri(&new)]),
        }
    }
}

/// A KMS that begins to lie while it goes on: with `verify` each new copy is opened before it is
/// stored.
pub async fn a_copy_that_does_not_open_is_never_stored(store: &SharedStore) {
    let (old, new) = (kms(), kms());
    // Many more than are under way at once, so that some are left when it begins to lie.
    fill(&manager(store, &[&old], &[]).await, 24).await;
    let lying = Arc::clone(&new);
    let options = quick().verify(true).progress(move |progress| {
        lying.answer_wrong_key(progress.done >= 5);
    });
    let moving = manager(store, &[&new], &[&old]).await;
    let report = moving.rewrap(&options).await.unwrap();
    assert!(!report.is_complete());
    for failed in &report.failed {
        assert_eq!(failed.error.kind(), ErrorKind::Kms(KmsFault::BadAnswer), "{failed:?}");
    }
    new.answer_wrong_key(false);
    assert_all_open(&moving, 24).await;
    assert!(moving.rewrap(&quick().verify(true)).await.unwrap().is_complete());
    assert_all_under(store, &[uri(&new)]).await;
}

/// A sink that fails stops it, and nothing is changed.
pub async fn what_cannot_be_recorded_is_not_done(store: &SharedStore) {
    let (old, new) = (kms(), kms());
    fill(&manager(store, &[&old], &[]).await, 5).await;
    let before = rows(store).await;
    let sink = Arc::new(FailingSink::default());
    let set = KmsSet::new(vec![new.clone()], vec![old.clone()]).unwrap();
    let moving = EnvelopeKeyManager::builder()
        .kms(set)
        .store(Arc::clone(store))
        .event_sink(Arc::clone(&sink) as Arc<dyn EventSink>)
        .build()
        .await
        .unwrap();
    let report = moving.rewrap(&quick()).await.unwrap();
    assert_eq!(report.stopped.map(|error| error.kind()), Some(ErrorKind::EventSink));
    assert_eq!(rows(store).await, before);
    assert!(sink.refused() > 0);
    sink.set_broken(false);
    assert!(moving.rewrap(&quick()).await.unwrap().is_complete());
    assert!(before.iter().all(|(key, _)| key.id != id(99)));
    assert_all_under(store, &[uri(&new)]).await;
}

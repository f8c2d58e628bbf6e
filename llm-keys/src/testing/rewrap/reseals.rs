//! New data keys for the same secrets.

use super::bed::{
    assert_all_open, events, fill, id, kms, manager, parts, quick, rows, versions, versions_of,
};
use crate::manager::{KeptVersions, ResealOptions};
use crate::model::KeyFilter;
use crate::testing::store::SharedStore;

const KEYS: usize = 11;

/// New message id, new data key, new ciphertext; the same versions and secrets.
pub async fn a_reseal_changes_all_but_the_secret(store: &SharedStore) {
    let kms = kms();
    let manager = manager(store, &[&kms], &[]).await;
    fill(&manager, KEYS).await;
    let before = rows(store).await;
    let report = manager.reseal(&ResealOptions::all().how(quick())).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((report.progress.done, report.keys), (versions(KEYS), KEYS as u64));
    let after = rows(store).await;
    for ((old_key, old), (key, new)) in before.iter().zip(&after) {
        let (old_bytes, new_bytes) =
            (old.envelope.as_ref().unwrap(), new.envelope.as_ref().unwrap());
        let msg_id = 8..40;
        assert_ne!(old_bytes.as_bytes()[msg_id.clone()], new_bytes.as_bytes()[msg_id]);
        assert_ne!(parts(old).0, parts(new).0);
        assert_eq!((old.version, old.state), (new.version, new.state));
        assert_eq!((old_key.current, old_key.updated_at), (key.current, key.updated_at));
    }
    assert_eq!(events(store, "key_reseal").await.len(), KEYS);

    // Of one key only its current version.
    let some = ResealOptions::keys(vec![id(2), id(KEYS)]).versions(KeptVersions::Current);
    let report = manager.reseal(&some.how(quick())).await.unwrap();
    assert_eq!((report.progress.done, report.keys), (1, 1));
    assert_eq!(report.progress.skipped, u64::from(versions_of(2)) - 1);
    let changed =
        after.iter().zip(&rows(store).await).filter(|(a, b)| a.1.envelope != b.1.envelope).count();
    assert_eq!(changed, 1);

    // Of one service.
    let filter = KeyFilter { service: Some(id(0).service), ..KeyFilter::default() };
    let some = ResealOptions::all().filter(filter).how(quick());
    let report = manager.reseal(&some).await.unwrap();
    let of_it = after.iter().filter(|(key, _)| {
        key.id.service == id(0).service && key.id.tenant == crate::Tenant::default()
    });
    assert_eq!(report.progress.done, of_it.count() as u64);
    assert_all_open(&manager, KEYS).await;
}

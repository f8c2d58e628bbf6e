//! What a checkpoint finds that no row tells by itself.

use super::*;

#[tokio::test]
async fn a_checkpoint_says_what_changed_since() {
    let bed = Bed::new().await;
    let error = bed.keys.verify(&bed.checkpoint()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "of nothing there is no checkpoint");
    for service in ["a", "b", "c"] {
        bed.put(&id(service), "sk-1").await;
    }
    let first = bed.begin().await;
    // As the page of the format says: header with one tenant, entries, root, one tag.
    assert_eq!(first.len(), (5 + 8 + 8 + 8 + 2 + 2 + "default".len()) + 3 * 56 + 32 + 33);
    bed.clock.advance(DAY);
    bed.put(&id("a"), "sk-2").await;
    bed.put(&id("d"), "sk-1").await;
    bed.keys.delete_api_key(&id("b"), &DeleteOptions::default().now()).await.unwrap();
    let report = bed.verify(&bed.checkpoint()).await;
    assert!(report.is_sound(), "{:?}", report.findings);
    let checkpoint = report.checkpoint.unwrap();
    let compared = checkpoint.compared.unwrap();
    assert_eq!((compared.same, compared.changed, compared.new, compared.gone), (1, 1, 1, 1));
    assert_eq!(checkpoint.written, Some(3));
    // A key that was softly deleted and stored again is another record.
    bed.keys.delete_api_key(&id("c"), &DeleteOptions::default()).await.unwrap();
    bed.put(&id("c"), "sk-9").await;
    let report = bed.verify(&bed.checkpoint()).await;
    let compared = report.checkpoint.unwrap().compared.unwrap();
    assert_eq!((compared.new, compared.gone), (1, 1), "{:?}", report.findings);
}

#[tokio::test]
async fn one_key_put_back_whole_is_found_and_named() {
    let bed = Bed::new().await;
    for service in ["a", "b"] {
        bed.put(&id(service), "sk-1").await;
    }
    let old = bed.rows(&id("a")).await;
    bed.keys.deactivate_api_key(&id("a"), &ChangeOptions::default()).await.unwrap();
    bed.begin().await;
    bed.write(old).await;
    assert!(bed.is_read(&id("a")).await, "reading cannot tell it from the past");
    assert!(bed.verify(&VerifyOptions::default()).await.is_sound());
    bed.finds(&[(Item::Key(id("a")), "generation 1, and it was 2")]).await;
    // Taken for good.
    let report = bed.verify(&bed.checkpoint().anew(true)).await;
    assert_eq!(report.checkpoint.unwrap().written, Some(2));
    assert!(bed.verify(&bed.checkpoint()).await.is_sound());
}

#[tokio::test]
async fn a_key_of_the_same_generation_with_another_past_is_found() {
    let bed = Bed::new().await;
    bed.put(&id("a"), "sk-1").await;
    let common = bed.rows(&id("a")).await;
    bed.keys.deactivate_api_key(&id("a"), &ChangeOptions::default()).await.unwrap();
    bed.begin().await;
    // Back, and another way from there.
    bed.write(common).await;
    bed.keys.delete_api_key(&id("a"), &DeleteOptions::default()).await.unwrap();
    bed.finds(&[(Item::Key(id("a")), "another than in the checkpoint")]).await;
}

#[tokio::test]
async fn a_purged_key_that_is_put_back_is_found() {
    let bed = Bed::new().await;
    for service in ["a", "b"] {
        bed.put(&id(service), "sk-1").await;
    }
    let rows = bed.rows(&id("a")).await;
    bed.begin().await;
    bed.keys.delete_api_key(&id("a"), &DeleteOptions::default().now()).await.unwrap();
    bed.clock.advance(DAY);
    assert!(bed.verify(&bed.checkpoint()).await.is_sound());
    bed.write(rows).await;
    assert!(bed.is_read(&id("a")).await);
    bed.finds(&[(Item::Key(id("a")), "older than the checkpoint, and not in it")]).await;
}

#[tokio::test]
async fn yesterdays_storage_is_found() {
    let bed = Bed::new().await;
    bed.put(&id("a"), "sk-1").await;
    bed.put(&id("b"), "sk-1").await;
    // Yesterday's.
    let backup = Arc::new(MemoryStore::new());
    copy(&bed.store, &backup).await;
    bed.put(&id("c"), "sk-1").await;
    bed.keys.deactivate_api_key(&id("b"), &ChangeOptions::default()).await.unwrap();
    bed.begin().await;
    let record = bed.rows(&id("c")).await.key.record;

    let restored = bed.moved_to(backup).await;
    assert!(restored.is_read(&id("b")).await);
    std::fs::copy(bed.file(), restored.file()).unwrap();
    let report = restored.verify(&restored.checkpoint()).await;
    let items: Vec<_> = report.findings.iter().map(|found| found.item.clone()).collect();
    assert_eq!(
        items,
        [Item::Storage, Item::Key(id("b")), Item::Row(record.to_string())],
        "{:?}",
        report.findings
    );
    // The same by somebody who moves the feed on.
    for _ in 0..9 {
        restored.put(&id("d"), "sk-1").await;
    }
    restored
        .finds(&[
            (Item::Key(id("b")), "generation 1, and it was 2"),
            (Item::Row(record.to_string()), "no event says it was deleted"),
        ])
        .await;
}

#[tokio::test]
async fn a_checkpoint_that_was_touched_or_is_of_another_storage_is_not_believed() {
    let bed = Bed::new().await;
    bed.put(&id("a"), "sk-1").await;
    bed.put(&id("b").with_tenant("elsewhere").unwrap(), "sk-1").await;
    let good = bed.begin().await;
    let place = Item::Checkpoint(bed.file());
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(bed.file(), bad).unwrap();
        bed.finds(&[(place.clone(), "")]).await;
    }
    for len in [0, 4, 30, good.len() - 33, good.len() - 1] {
        std::fs::write(bed.file(), &good[..len]).unwrap();
        bed.finds(&[(place.clone(), "")]).await;
    }
    std::fs::write(bed.file(), [&good[..], b"x"].concat()).unwrap();
    bed.finds(&[(place.clone(), "")]).await;
    let other = Bed::new().await;
    other.put(&id("a"), "sk-1").await;
    let theirs = other.begin().await;
    std::fs::write(bed.file(), theirs).unwrap();
    bed.finds(&[(place, "not made of this storage")]).await;
    std::fs::write(bed.file(), good).unwrap();
    assert!(bed.verify(&bed.checkpoint()).await.is_sound());
}

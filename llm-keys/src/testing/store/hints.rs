//! Hints that the feed moved, and managers that follow it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::SharedStore;
use super::sample::{id, insert, key, record};
use crate::kms::KmsSet;
use crate::kms::local::LocalKms;
use crate::manager::{EnvelopeKeyManager, FollowOptions, Follows};
use crate::model::{KeyId, Seq};
use crate::testing::fakes::ManualClock;
use crate::testing::manager::followed;

/// How long to wait for what must come, before it counts as never.
const PATIENCE: Duration = Duration::from_secs(10);

/// Rule 22.
pub async fn hints_are_given(store: &SharedStore) {
    const KEYS: u32 = 20;
    let said = store.capabilities().hints;
    assert_eq!(store.hints().is_some(), said, "a subscription is there if the store says so");
    let mut listeners = JoinSet::new();
    for _ in 0..3 {
        let Some(mut hints) = store.hints() else { return };
        let store = store.clone();
        listeners.spawn(async move {
            let (mut heard, mut stand) = (BTreeSet::<KeyId>::new(), Seq(0));
            // It looks at a hint and never else: one that came too early would be the last.
            while heard.len() < KEYS as usize {
                hints.next().await;
                let changes = store.changes_since(stand).await.unwrap();
                heard.extend(changes.keys);
                stand = changes.head;
            }
        });
    }
    for n in 1..=KEYS {
        store.commit(insert(&[key(id(&format!("k{n}")), record(n))])).await.unwrap();
        tokio::task::yield_now().await;
    }
    while let Some(listener) = timeout(PATIENCE, listeners.join_next())
        .await
        .expect("each commit is hinted at, once it can be seen, to each subscriber")
    {
        listener.unwrap();
    }
}

/// Rule 23.
pub async fn managers_follow_each_other(store: &SharedStore) {
    let kms = KmsSet::single(LocalKms::ephemeral().unwrap());
    let clock = Arc::new(ManualClock::default());
    let follow =
        FollowOptions::default().follows(Follows::Always).interval(Duration::from_millis(10));
    let build = async || {
        let builder = EnvelopeKeyManager::builder().kms(kms.clone()).store(store.clone());
        builder.clock(clock.clone()).follow_changes(follow).build().await.unwrap()
    };
    let (one, other) = (build().await, build().await);
    followed::changes_reach(&one, &other, &id("a")).await;
    followed::changes_reach(&other, &one, &id("b")).await;
}

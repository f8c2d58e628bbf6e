//! Many calls, dropped calls, and the check.

use std::future::poll_fn;
use std::task::Poll;

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::TwoKeys;
use super::sample::{alice, canary, context, data_key, hashed, same};
use crate::random::SystemRandom;

/// Rule 8.
pub async fn many_at_once(keys: &TwoKeys) {
    let mut calls = JoinSet::new();
    for number in 0..100 {
        let kms = keys.kms.clone();
        calls.spawn(async move {
            let context = context(&alice().with_name(&format!("key-{number}")).unwrap());
            let key = data_key(number);
            let wrapped = kms.wrap_key(&key, hashed(&context)).await.unwrap();
            let unwrapped = kms.unwrap_key(&wrapped, hashed(&context)).await.unwrap();
            assert!(same(&key, &unwrapped), "data keys got mixed up");
        });
    }
    calls.join_all().await;

    // A hundred readers of one data key, on one task.
    let context = context(&alice());
    let wrapped = keys.kms.wrap_key(&canary(), hashed(&context)).await.unwrap();
    let reads = (0..100).map(|_| keys.kms.unwrap_key(&wrapped, hashed(&context)));
    for unwrapped in join_all(reads).await {
        assert!(same(&unwrapped.unwrap(), &canary()));
    }
}

/// Rule 9.
pub async fn a_dropped_call_hurts_nobody(keys: &TwoKeys) {
    let context = context(&alice());
    let context = hashed(&context);
    let wrapped = keys.kms.wrap_key(&canary(), context).await.unwrap();
    let key = canary();
    // Each call is given up after some more polls, which stops it at each of its first awaits.
    for polls in 0..12 {
        give_up(keys.kms.unwrap_key(&wrapped, context), polls).await;
        give_up(keys.kms.wrap_key(&key, context), polls).await;
        give_up(keys.kms.generate_data_key(context, &SystemRandom), polls).await;
        give_up(keys.kms.check(), polls).await;
        let unwrapped = keys.kms.unwrap_key(&wrapped, context).await.unwrap();
        assert!(same(&unwrapped, &key), "after a call dropped at poll {polls}");
        let wrapped = keys.kms.wrap_key(&key, context).await.unwrap();
        assert!(same(&keys.kms.unwrap_key(&wrapped, context).await.unwrap(), &key));
    }
    // More at once than any pool of connections has.
    let many = (0..64).map(|_| give_up(keys.kms.unwrap_key(&wrapped, context), 1));
    join_all(many).await;
    assert!(same(&keys.kms.unwrap_key(&wrapped, context).await.unwrap(), &key));
}

/// Rule 10.
pub async fn check_succeeds(keys: &TwoKeys) {
    for kms in [&keys.kms, &keys.other] {
        let health = kms.check().await.unwrap();
        assert_eq!(health.uri, *kms.uri());
    }
}

/// Polls `call` so many times, and drops it.
async fn give_up(call: impl Future, polls: u32) {
    let mut call = std::pin::pin!(call);
    for _ in 0..polls {
        let ready = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
        if ready {
            break;
        }
        tokio::task::yield_now().await;
    }
}

//! Wrapping and unwrapping.

use std::collections::HashSet;

use uuid::Uuid;

use super::TwoKeys;
use super::sample::{alice, canary, context, contexts, data_key, hashed, readable, same};
use crate::context::EncryptionContext;
use crate::kms::{KeyUri, KmsContext, WrappedKey};
use crate::model::{KeyId, Version};
use crate::random::SystemRandom;
use crate::secret::DataKey;

/// Rule 1.
pub async fn round_trip(keys: &TwoKeys) {
    let edges = [[0; DataKey::LEN], [0xff; DataKey::LEN]].map(|bytes| DataKey::copy_from(&bytes));
    for (whose, context) in contexts() {
        for context in [hashed(&context), readable(&context)] {
            for key in [&canary(), &data_key(7), &edges[0], &edges[1]] {
                let wrapped = keys.kms.wrap_key(key, context).await.unwrap();
                let unwrapped = keys.kms.unwrap_key(&wrapped, context).await.unwrap();
                assert!(same(key, &unwrapped), "{whose} data key came back as another");
            }
            let (key, wrapped) = keys.kms.generate_data_key(context, &SystemRandom).await.unwrap();
            let unwrapped = keys.kms.unwrap_key(&wrapped, context).await.unwrap();
            assert!(same(&key, &unwrapped), "{whose} generated data key came back as another");
        }
    }
}

/// Rule 2.
pub async fn wrapped_names_the_key(keys: &TwoKeys) {
    let context = context(&alice());
    let uri = keys.kms.uri().clone();
    assert_ne!(uri, *keys.other.uri(), "the suite needs two keys");
    let wrapped = keys.kms.wrap_key(&canary(), hashed(&context)).await.unwrap();
    let (_, generated) = keys.kms.generate_data_key(hashed(&context), &SystemRandom).await.unwrap();
    for wrapped in [wrapped, generated] {
        assert_eq!(wrapped.uri, uri);
        assert!(keys.kms.accepts(&wrapped));
    }
    assert_eq!(*keys.kms.uri(), uri, "a provider keeps its URI");
}

/// Rule 6.
pub async fn wraps_differ(keys: &TwoKeys) {
    let context = context(&alice());
    let context = hashed(&context);
    let (mut blobs, mut generated) = (HashSet::new(), HashSet::new());
    for _ in 0..8 {
        for _ in ["at once", "again"] {
            let wrapped = keys.kms.wrap_key(&canary(), context).await.unwrap();
            assert!(blobs.insert(wrapped.blob), "two wraps of one data key are the same bytes");
        }
        let (key, wrapped) = keys.kms.generate_data_key(context, &SystemRandom).await.unwrap();
        assert!(blobs.insert(wrapped.blob), "two wraps are the same bytes");
        assert!(generated.insert(key.expose(|key| *key)), "two data keys are the same");
    }
}

/// Rule 7.
pub async fn sizes_fit_the_envelope(keys: &TwoKeys) {
    let (id, label) = ("i".repeat(255), "l".repeat(63));
    let longest = KeyId::team(&id, &label)
        .and_then(|key| key.with_name(&label))
        .and_then(|key| key.with_tenant(&id))
        .unwrap();
    let version = Version::new(u32::MAX).unwrap();
    let longest = EncryptionContext::of_key(&longest, Uuid::max(), version);
    let shortest = context(&KeyId::global("a").unwrap());
    for context in [&longest, &shortest] {
        for context in [hashed(context), readable(context)] {
            let wrapped = keys.kms.wrap_key(&canary(), context).await.unwrap();
            assert_fits(keys, &wrapped, context).await;
            let generated = keys.kms.generate_data_key(context, &SystemRandom).await.unwrap();
            assert_fits(keys, &generated.1, context).await;
        }
    }
}

async fn assert_fits(keys: &TwoKeys, wrapped: &WrappedKey, context: KmsContext<'_>) {
    let (uri, blob) = (wrapped.uri.as_str().len(), wrapped.blob.len());
    assert!((1..=KeyUri::MAX_LEN).contains(&uri), "a URI of {uri} bytes");
    assert!((1..=WrappedKey::MAX_BLOB).contains(&blob), "a blob of {blob} bytes");
    keys.kms.unwrap_key(wrapped, context).await.unwrap();
}

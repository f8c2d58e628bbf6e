//! What must not unwrap.

use super::TwoKeys;
use super::sample::{
    CANARY, alice, assert_refused, canary, context, contexts, hashed, readable, same,
};
use crate::context::hex;
use crate::error::{Error, ErrorKind, KmsFault};
use crate::kms::{KmsContext, WrappedKey};

/// The canary in the two other ways in which people print bytes: base64 and a list of numbers.
const CANARY_BASE64: &str = "Y2FuYXJ5LWRhdGEta2V5LThmMmM2ZTFiOWQ0YTcwNTM";
const CANARY_LIST: &str = "99, 97, 110, 97, 114, 121, 45, 100, 97, 116, 97";

/// Rule 3.
pub async fn other_context_is_refused(keys: &TwoKeys) {
    if !keys.kms.capabilities().binds_context {
        return;
    }
    let contexts = contexts();
    for (theirs, sealed) in &contexts {
        let wrapped = keys.kms.wrap_key(&canary(), hashed(sealed)).await.unwrap();
        let open = keys.kms.wrap_key(&canary(), readable(sealed)).await.unwrap();
        for (ours, asked) in contexts.iter().filter(|(ours, _)| ours != theirs) {
            let why = format!("{theirs} data key under {ours} context");
            assert_refused(keys.kms.unwrap_key(&wrapped, hashed(asked)).await, &why);
            assert_refused(keys.kms.unwrap_key(&open, readable(asked)).await, &why);
        }
        let unwrapped = keys.kms.unwrap_key(&wrapped, hashed(sealed)).await.unwrap();
        assert!(same(&unwrapped, &canary()), "refusals do not spoil the data key");
    }
}

/// Rule 4.
pub async fn damaged_blob_is_refused(keys: &TwoKeys) {
    let context = context(&alice());
    let context = hashed(&context);
    let wrapped = keys.kms.wrap_key(&canary(), context).await.unwrap();
    for (why, blob) in damages(&wrapped.blob) {
        let damaged = WrappedKey { blob, ..wrapped.clone() };
        assert_refused(keys.kms.unwrap_key(&damaged, context).await, &why);
    }
    let unwrapped = keys.kms.unwrap_key(&wrapped, context).await.unwrap();
    assert!(same(&unwrapped, &canary()));
}

/// Rule 5.
pub async fn foreign_key_is_wrong_key(keys: &TwoKeys) {
    let context = context(&alice());
    let context = hashed(&context);
    let foreign = keys.other.wrap_key(&canary(), context).await.unwrap();
    assert!(!keys.kms.accepts(&foreign), "a key URI that is not ours is not accepted");
    let error = assert_refused(keys.kms.unwrap_key(&foreign, context).await, "a foreign blob");
    if keys.kms.capabilities().detects_wrong_key {
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey), "{error:?}");
    }
    // Under our name it is still not ours.
    let relabelled = WrappedKey { uri: keys.kms.uri().clone(), ..foreign };
    assert_refused(keys.kms.unwrap_key(&relabelled, context).await, "a foreign blob, relabelled");
}

/// Rule 11.
pub async fn errors_hold_no_key(keys: &TwoKeys) {
    let contexts = contexts();
    let ours = hashed(&contexts[0].1);
    let wrapped = keys.kms.wrap_key(&canary(), ours).await.unwrap();
    let foreign = keys.other.wrap_key(&canary(), ours).await.unwrap();
    let mut tries: Vec<(String, WrappedKey, KmsContext<'_>)> = Vec::new();
    for (why, blob) in damages(&wrapped.blob) {
        tries.push((why, WrappedKey { blob, ..wrapped.clone() }, ours));
    }
    let relabelled = WrappedKey { uri: keys.kms.uri().clone(), ..foreign.clone() };
    tries.push(("a foreign blob".to_owned(), foreign, ours));
    tries.push(("a foreign blob, relabelled".to_owned(), relabelled, ours));
    for (whose, context) in &contexts[1..] {
        tries.push((format!("{whose} context"), wrapped.clone(), hashed(context)));
    }
    let mut errors = 0;
    for (why, wrapped, context) in tries {
        if let Err(error) = keys.kms.unwrap_key(&wrapped, context).await {
            assert_no_key(&error, &why);
            errors += 1;
        }
    }
    assert!(errors > 0, "no error to look at");
}

fn assert_no_key(error: &Error, why: &str) {
    let mut said = format!("{error} {error:?} {} {:?}", error.detail(), error.hint());
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        said += &format!(" {source} {source:?}");
        cause = source.source();
    }
    let plain = String::from_utf8_lossy(CANARY);
    let hex = hex(CANARY);
    for shape in [&*plain, &hex, &hex.to_uppercase(), CANARY_BASE64, CANARY_LIST] {
        // Not in the message: that would print it once more.
        assert!(!said.contains(shape), "{why}: the error holds the plaintext data key");
    }
}

/// Changed, cut and extended copies of `blob`; for a long one a sample of the changes.
fn damages(blob: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let stride = blob.len().div_ceil(128);
    for at in (0..blob.len()).step_by(stride).chain([blob.len() - 1]) {
        let mut copy = blob.to_vec();
        copy[at] ^= 1 << (at % 8);
        all.push((format!("a bit of byte {at} changed"), copy));
    }
    for len in [0, 1, blob.len() / 2, blob.len() - 1] {
        all.push((format!("cut to {len} bytes"), blob[..len].to_vec()));
    }
    all.push(("extended by a byte".to_owned(), [blob, &[0]].concat()));
    all.push(("twice".to_owned(), [blob, blob].concat()));
    all.push(("reversed".to_owned(), blob.iter().rev().copied().collect()));
    all
}

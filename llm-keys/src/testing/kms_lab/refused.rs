//! Asking in every way, and getting nothing.

use std::sync::Arc;

use super::KmsLab;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::kms::{KmsProvider, WrappedKey};
use crate::random::SystemRandom;
use crate::testing::kms::sample::{alice, canary, context, hashed, same};

/// Opened by the lab, which it must be able to.
pub(super) async fn open(lab: &dyn KmsLab) -> Arc<dyn KmsProvider> {
    lab.open().await.unwrap()
}

/// The canary, wrapped for alice.
pub(super) async fn wrap(kms: &dyn KmsProvider) -> WrappedKey {
    kms.wrap_key(&canary(), hashed(&context(&alice()))).await.unwrap()
}

/// It opens `wrapped`, and what it wraps itself.
pub(super) async fn assert_works(kms: &dyn KmsProvider, wrapped: &WrappedKey, why: &str) {
    let context = context(&alice());
    let context = hashed(&context);
    let unwrapped = kms.unwrap_key(wrapped, context).await;
    assert!(same(&unwrapped.expect(why), &canary()), "{why}: another data key");
    let fresh = kms.wrap_key(&canary(), context).await.expect(why);
    assert!(same(&kms.unwrap_key(&fresh, context).await.expect(why), &canary()), "{why}");
    kms.check().await.expect(why);
    kms.check_reading().await.expect(why);
}

/// All calls of `kms` are refused as `fault`, which no later try helps.
pub(super) async fn assert_refuses(
    kms: &dyn KmsProvider,
    wrapped: &WrappedKey,
    fault: KmsFault,
    why: &str,
) {
    let context = context(&alice());
    let context = hashed(&context);
    for attempt in ["at first", "again"] {
        let mut answers = vec![
            ("wrap_key", kms.wrap_key(&canary(), context).await.err()),
            ("generate_data_key", kms.generate_data_key(context, &SystemRandom).await.err()),
            ("unwrap_key", kms.unwrap_key(wrapped, context).await.err()),
            ("check", kms.check().await.err()),
        ];
        // Nonsense names no version, and where versions are disabled one by one, others may be read.
        if fault != KmsFault::KeyDisabled {
            answers.push(("check_reading", kms.check_reading().await.err()));
        }
        for (call, error) in answers {
            let why = format!("{why}: {call} {attempt}");
            assert_fault(&error.unwrap_or_else(|| panic!("{why} succeeded")), fault, &why);
        }
    }
}

/// The same where opening may be what is refused.
pub(super) async fn assert_refused_or_refuses(
    opened: Result<Arc<dyn KmsProvider>>,
    wrapped: &WrappedKey,
    fault: KmsFault,
    why: &str,
) {
    match opened {
        Ok(kms) => {
            let wrapped = WrappedKey { uri: kms.uri().clone(), ..wrapped.clone() };
            assert_refuses(&*kms, &wrapped, fault, why).await;
        }
        Err(error) => assert_fault(&error, fault, why),
    }
}

pub(super) fn assert_fault(error: &Error, fault: KmsFault, why: &str) {
    assert_eq!(error.kind(), ErrorKind::Kms(fault), "{why}: {error:?}");
    assert!(!error.is_retryable(), "{why}: {error:?}");
    assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{why}: no hint in {error:?}");
}

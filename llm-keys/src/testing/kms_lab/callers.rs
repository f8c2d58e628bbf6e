//! Keys that were never there, and callers who may not use one that is.

use super::refused::{assert_fault, assert_refused_or_refuses, open, wrap};
use super::{Able, KmsLab};
use crate::error::KmsFault;
use crate::kms::KmsProvider;
use crate::kms::WrappedKey;
use crate::testing::kms::sample::{alice, context, hashed};

/// Rule 5.
pub async fn missing_key_is_missing(lab: &dyn KmsLab) -> Able {
    let wrapped = wrap(&*open(lab).await).await;
    let missing = lab.open_missing().await?;
    assert_refused_or_refuses(missing, &wrapped, KmsFault::KeyMissing, "a missing key").await;
    Ok(())
}

/// Rule 6.
pub async fn missing_key_is_never_made(lab: &dyn KmsLab) -> Able {
    let wrapped = wrap(&*open(lab).await).await;
    assert!(!lab.missing_is_there().await?, "the rule needs a key that is not there");
    if let Ok(missing) = lab.open_missing().await? {
        // What it says is the matter of another rule.
        let context = context(&alice());
        let context = hashed(&context);
        let wrapped = WrappedKey { uri: missing.uri().clone(), ..wrapped };
        drop(missing.generate_data_key(context, &crate::random::SystemRandom).await);
        drop(missing.wrap_key(&crate::testing::kms::sample::canary(), context).await);
        drop(missing.unwrap_key(&wrapped, context).await);
        drop(missing.check().await);
    }
    assert!(!lab.missing_is_there().await?, "a key came into being by being asked for");
    Ok(())
}

/// Rule 7.
pub async fn denied_caller_is_denied(lab: &dyn KmsLab) -> Able {
    let wrapped = wrap(&*open(lab).await).await;
    let denied = lab.open_denied().await?;
    assert_refused_or_refuses(denied, &wrapped, KmsFault::Denied, "a caller without rights").await;
    Ok(())
}

/// Rule 8.
pub async fn denial_is_not_retried(lab: &dyn KmsLab) -> Able {
    lab.requests()?;
    let kms = open(lab).await;
    let wrapped = wrap(&*kms).await;
    let opens = requests(lab, async || drop(open(lab).await)).await?;
    // Whatever a first call needs, such as a token, was got by the first call.
    kms.unwrap_key(&wrapped, hashed(&context(&alice()))).await.unwrap();
    let unwraps = requests(lab, async || {
        kms.unwrap_key(&wrapped, hashed(&context(&alice()))).await.unwrap();
    })
    .await?;
    assert!(unwraps > 0, "the lab does not count requests");
    match lab.open_denied().await? {
        Ok(denied) => {
            assert_denied(&*denied, &wrapped).await;
            let tried = requests(lab, async || assert_denied(&*denied, &wrapped).await).await?;
            assert!(tried <= unwraps, "{tried} requests for a denial, {unwraps} when permitted");
        }
        Err(_) => {
            let tried = requests(lab, async || drop(lab.open_denied().await)).await?;
            assert!(tried <= opens, "{tried} requests for a denial, {opens} when permitted");
        }
    }
    Ok(())
}

async fn assert_denied(kms: &dyn KmsProvider, wrapped: &WrappedKey) {
    let error = kms.unwrap_key(wrapped, hashed(&context(&alice()))).await.unwrap_err();
    assert_fault(&error, KmsFault::Denied, "a caller without rights");
}

/// How many requests `call` makes.
async fn requests(lab: &dyn KmsLab, call: impl AsyncFnOnce()) -> Able<usize> {
    let before = lab.requests()?;
    call().await;
    Ok(lab.requests()? - before)
}

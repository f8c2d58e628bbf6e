//! What becomes of the key.

use super::refused::{assert_refused_or_refuses, assert_refuses, assert_works, open, wrap};
use super::{Able, KmsLab};
use crate::error::KmsFault;

/// Rule 1.
pub async fn disabled_key_is_refused(lab: &dyn KmsLab) -> Able {
    let kms = open(lab).await;
    let wrapped = wrap(&*kms).await;
    lab.disable().await?;
    assert_refuses(&*kms, &wrapped, KmsFault::KeyDisabled, "a disabled key").await;
    let why = "a disabled key, opened then";
    assert_refused_or_refuses(lab.open().await, &wrapped, KmsFault::KeyDisabled, why).await;
    Ok(())
}

/// Rule 2.
pub async fn enabled_key_works_again(lab: &dyn KmsLab) -> Able {
    let kms = open(lab).await;
    let wrapped = wrap(&*kms).await;
    lab.disable().await?;
    // Whoever asks in between must not remember the answer for good.
    assert_refuses(&*kms, &wrapped, KmsFault::KeyDisabled, "a disabled key").await;
    lab.enable().await?;
    assert_works(&*kms, &wrapped, "a provider from before").await;
    assert_works(&*open(lab).await, &wrapped, "a provider from after").await;
    Ok(())
}

/// Rule 3.
pub async fn deleted_key_is_refused(lab: &dyn KmsLab) -> Able {
    let kms = open(lab).await;
    let wrapped = wrap(&*kms).await;
    let fault = lab.delete().await?;
    let documented = [KmsFault::KeyDisabled, KmsFault::KeyMissing].contains(&fault);
    assert!(documented, "{fault:?} is not what a deleted key may be");
    assert_refuses(&*kms, &wrapped, fault, "a deleted key").await;
    let why = "a deleted key, opened then";
    assert_refused_or_refuses(lab.open().await, &wrapped, fault, why).await;
    Ok(())
}

/// Rule 4.
pub async fn rotated_key_opens_old_and_new(lab: &dyn KmsLab) -> Able {
    let before = open(lab).await;
    let first = wrap(&*before).await;
    lab.rotate().await?;
    let between = open(lab).await;
    let second = wrap(&*between).await;
    lab.rotate().await?;
    let after = open(lab).await;
    for wrapped in [&first, &second] {
        assert!(after.accepts(wrapped), "an older version's blob is not accepted");
        assert_works(&*after, wrapped, "after two rotations").await;
    }
    assert_works(&*between, &first, "after one rotation, and one while it ran").await;
    // Who runs through all this goes on.
    assert_works(&*before, &first, "with rotations while it ran").await;
    Ok(())
}

//! Sizes, bytes and names at the edge of what is allowed, and beyond.

use super::refused::{assert_works, open, wrap};
use super::{Able, KmsLab};
use crate::error::ErrorKind;
use crate::kms::{KmsProvider, WrappedKey};
use crate::model::KeyId;
use crate::testing::kms::sample::{alice, assert_refused, canary, context, hashed, readable, same};

/// Rule 9.
pub async fn odd_sized_blob_is_refused(lab: &dyn KmsLab) -> Able {
    let kms = open(lab).await;
    let wrapped = wrap(&*kms).await;
    let context = context(&alice());
    for len in [0, WrappedKey::MAX_BLOB + 1, 1 << 16, 1 << 20] {
        // Noise of that length, and a good blob that was cut or filled up to it.
        let mut filled = wrapped.blob.clone();
        filled.resize(len, b'A');
        for blob in [vec![0; len], vec![0xff; len], vec![b'A'; len], filled] {
            let odd = WrappedKey { blob, ..wrapped.clone() };
            let why = format!("a blob of {len} bytes");
            assert_refused(kms.unwrap_key(&odd, hashed(&context)).await, &why);
        }
    }
    assert_works(&*kms, &wrapped, "after blobs of odd sizes").await;
    Ok(())
}

/// Rule 10.
pub async fn every_byte_of_an_id_is_bound(lab: &dyn KmsLab) -> Able {
    let kms = open(lab).await;
    let allowed: Vec<char> = (0..=u8::MAX)
        .map(char::from)
        .filter(|&byte| KeyId::user(&format!("a{byte}z"), "openai").is_ok())
        .collect();
    assert!(allowed.contains(&' ') && allowed.contains(&'~'), "{allowed:?}");
    let mut ids: Vec<KeyId> =
        allowed.iter().map(|byte| KeyId::user(&format!("a{byte}z"), "openai").unwrap()).collect();
    // The longest, of all bytes in turn, in both places that take them.
    let longest: String = allowed.iter().filter(|c| **c != ' ').cycle().take(255).collect();
    let reversed: String = longest.chars().rev().collect();
    let service = "s".repeat(63);
    for (owner, tenant) in [(&longest, &reversed), (&reversed, &longest)] {
        let id = KeyId::team(owner, &service).and_then(|id| id.with_tenant(tenant)).unwrap();
        ids.push(id.with_name(&service).unwrap());
    }
    let contexts: Vec<_> = ids.iter().map(context).collect();
    for (at, ours) in contexts.iter().enumerate() {
        let theirs = &contexts[(at + 1) % contexts.len()];
        let why = format!("{:?}", ids[at]);
        for (ours, theirs) in [(hashed(ours), hashed(theirs)), (readable(ours), readable(theirs))] {
            let wrapped = kms.wrap_key(&canary(), ours).await.expect(&why);
            assert!(same(&kms.unwrap_key(&wrapped, ours).await.expect(&why), &canary()), "{why}");
            if kms.capabilities().binds_context {
                assert_refused(kms.unwrap_key(&wrapped, theirs).await, &why);
            }
        }
    }
    Ok(())
}

/// Rule 11.
pub async fn non_ascii_name_works_or_is_invalid(lab: &dyn KmsLab) -> Able {
    for name in ["cl\u{e9}", "ключ", "鍵", "🔑", "ｋｅｙ", "a\u{202e}b", "\u{65}\u{301}"]
    {
        match lab.open_named(name).await? {
            Ok(kms) => {
                let wrapped = wrap(&*kms).await;
                assert_works(&*kms, &wrapped, name).await;
                let again: std::sync::Arc<dyn KmsProvider> =
                    lab.open_named(name).await?.expect(name);
                assert_eq!(kms.uri(), again.uri(), "{name}: one key has one URI");
                assert!(kms.uri().as_str().is_ascii(), "{}", kms.uri());
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}: {error:?}"),
        }
    }
    Ok(())
}

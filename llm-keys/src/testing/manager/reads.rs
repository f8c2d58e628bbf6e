//! Stored, read back, missing.

use std::sync::Arc;

use super::Parts;
use super::bed::{Bed, caller, found, id, number};
use crate::manager::{
    ChangeOptions, DeleteOptions, OpenOptions, SecureKeyManager, Served, StoreOptions,
};
use crate::model::{KeyFilter, KeyId, KeyState, Labels, PageSize, Settings};
use crate::secret::ApiKey;
use crate::store::KeyStore;

/// Rule 1.
pub async fn stored_is_read_back<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    let keys: Vec<Vec<u8>> = vec![
        b"x".to_vec(),
        b"sk-ant-0123456789abcdef".to_vec(),
        "schlüssel-鍵-🔑".into(),
        (1..=255).collect(),
        vec![b'k'; ApiKey::MAX_LEN],
    ];
    for (n, bytes) in keys.iter().enumerate() {
        let id = id(&format!("key-{n}"));
        let key = ApiKey::new(bytes.clone()).unwrap();
        let options = StoreOptions::default();
        assert_eq!(bed.manager.store_api_key(&id, key, &options).await.unwrap(), number(1));
        for read in ["cold", "cached"] {
            let key = bed.manager.get_api_key(&id).await.unwrap().expect("it was stored");
            assert!(key.expose(|key| key == bytes), "key {n}, {read}");
        }
        let rows = bed.rows(&id).await.unwrap();
        let envelope = rows.1.unwrap().envelope.unwrap();
        let sealed = envelope.as_bytes().windows(bytes.len()).all(|window| window != bytes);
        assert!(sealed || bytes.len() < 4, "key {n} is stored in clear");
    }

    // Neighbours keep their own, and so do two managers of one storage.
    let ids =
        [KeyId::global("openai"), KeyId::user("global", "openai"), KeyId::team("a", "openai")];
    let ids = ids.map(Result::unwrap);
    for id in &ids {
        bed.put(id, &format!("of {id}")).await;
    }
    let second = build(bed.parts.clone()).await;
    for id in &ids {
        assert_eq!(bed.get(id).await.unwrap(), found(&format!("of {id}")));
        let key = second.get_api_key(id).await.unwrap().expect("it was stored");
        assert_eq!(key.expose_str(str::to_owned).unwrap(), format!("of {id}"));
    }

    what_is_known_is_true(&bed).await;
}

async fn what_is_known_is_true<M: SecureKeyManager + 'static>(bed: &Bed<M>) {
    let id = id("documented");
    let mut labels = Labels::default();
    labels.insert("env", "prod").unwrap();
    let settings = Settings([("region".to_owned(), "eu".to_owned())].into());
    let options = StoreOptions::default()
        .caller(caller("storer"))
        .labels(labels.clone())
        .settings(settings.clone());
    let key = ApiKey::new("sk-0123456789wxyz").unwrap();
    bed.manager.store_api_key(&id, key, &options).await.unwrap();

    let known = bed.manager.key_metadata(&id).await.unwrap().expect("it was stored");
    assert_eq!((&known.id, known.state, known.version), (&id, KeyState::Active, Some(number(1))));
    assert_eq!((&known.labels, &known.settings), (&labels, &settings));
    assert_eq!(known.hint.as_ref().map(|hint| hint.as_str()), Some("wxyz"));
    let filter = KeyFilter::default().name(id.name.clone());
    let page = bed.manager.list_api_keys(&filter, None, PageSize::default()).await.unwrap();
    assert_eq!(page.items, std::slice::from_ref(&known));
    let row = bed.rows(&id).await.unwrap().1.unwrap();
    assert_eq!(row.by, caller("storer").actor);

    let options = OpenOptions::default();
    for served in [Served::Store, Served::Cache] {
        let opened = bed.manager.open(&id, &options).await.unwrap().expect("it was stored");
        assert_eq!((opened.version, opened.record), (number(1), known.record));
        assert_eq!((opened.served, opened.expires_at), (served, None));
    }
}

/// Rule 2.
pub async fn missing_is_none<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    let other = id("other");
    bed.put(&other, "sk-other").await;
    let absent = id("absent");
    let options = ChangeOptions::default();
    let nothing_there = async || {
        assert_eq!(bed.get(&absent).await.unwrap(), None);
        let opened = bed.manager.open(&absent, &OpenOptions::default()).await.unwrap();
        assert!(opened.is_none());
        assert_eq!(bed.version(&absent, number(1)).await.unwrap(), None);
        assert_eq!(bed.manager.key_metadata(&absent).await.unwrap(), None);
        assert_eq!(bed.manager.deactivate_api_key(&absent, &options).await.unwrap(), None);
        assert_eq!(bed.manager.activate_api_key(&absent, &options).await.unwrap(), None);
        assert!(!bed.manager.delete_api_key(&absent, &DeleteOptions::default()).await.unwrap());
        assert_eq!(bed.manager.refresh(&absent).await.unwrap(), None);
        let warmed = bed.manager.prewarm(&[absent.clone(), other.clone()]).await;
        let warmed: Vec<_> = warmed.into_iter().map(|(id, there)| (id, there.unwrap())).collect();
        assert_eq!(warmed, [(absent.clone(), false), (other.clone(), true)]);
    };
    nothing_there().await;
    assert_eq!(bed.version(&other, number(2)).await.unwrap(), None, "a missing version");

    // A miss is not remembered, and a deleted key is as missing as any.
    bed.put(&absent, "sk-now").await;
    assert_eq!(bed.get(&absent).await.unwrap(), found("sk-now"));
    assert!(bed.manager.delete_api_key(&absent, &DeleteOptions::default()).await.unwrap());
    nothing_there().await;
    assert_eq!(bed.get(&other).await.unwrap(), found("sk-other"));
}

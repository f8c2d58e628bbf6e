//! DB9: no plaintext in any file of the database.

use std::fs;

use llm_keys::envelope::{Content, SealRequest, seal};
use llm_keys::kms::{KeyUri, WrappedKey};
use llm_keys::store::{Change, Expect, KeyStore as _};
use llm_keys::{DataKey, EncryptionContext, KeyId, SystemRandom, Version};
use uuid::Uuid;

use crate::fixture::{Folder, new_key_with};

const CANARY: &str = "sk-canary-0123456789-abcdefghijklmnop";

fn sealed(id: &KeyId, record: u128) -> Vec<u8> {
    let context = EncryptionContext::of_key(id, Uuid::from_u128(record), Version::FIRST);
    let wrapped = WrappedKey { uri: KeyUri::new("test:one").unwrap(), blob: vec![1; 60] };
    let request = SealRequest {
        content: Content::Raw,
        context: &context,
        readable: false,
        key: &DataKey::generate(&SystemRandom).unwrap(),
        wrapped: &[wrapped],
    };
    let key = format!("{CANARY}-{record}");
    seal(key.as_bytes(), &request, &SystemRandom).unwrap().as_bytes().to_vec()
}

/// In which files of the folder the canary stands, in the encodings that a careless writer uses.
fn found(folder: &Folder) -> Vec<String> {
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let wide: Vec<u8> = CANARY.bytes().flat_map(|byte| [byte, 0]).collect();
    let needles = [CANARY.as_bytes().to_vec(), hex.clone().into(), hex.to_uppercase().into(), wide];
    let holds = |name: &String| {
        let bytes = fs::read(folder.file(name)).unwrap();
        needles.iter().any(|needle| bytes.windows(needle.len()).any(|part| part == needle))
    };
    names(folder).into_iter().filter(holds).collect()
}

fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.file("")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn no_file_holds_a_key_and_the_search_would_find_one() {
    let folder = Folder::new();
    let store = folder.store().await;
    for n in 1..=20 {
        let id = KeyId::user(&format!("user-{n}"), "openai").unwrap();
        store.commit(new_key_with(&id, n, sealed(&id, n))).await.unwrap();
    }
    // A big transaction and a failed one leave their traces in the log, too.
    let id = KeyId::user("user-1", "openai").unwrap();
    store.commit(new_key_with(&id, 99, sealed(&id, 99))).await.unwrap_err();
    assert!(names(&folder).contains(&"keys.db-wal".to_owned()), "{:?}", names(&folder));
    assert_eq!(found(&folder), Vec::<String>::new());

    // The control: planted plaintext is found in the log, and in the file once it is there.
    let planted = new_key_with(&KeyId::global("planted").unwrap(), 100, CANARY.into());
    store.commit(planted).await.unwrap();
    assert_eq!(found(&folder), ["keys.db-wal"]);
    folder.tamper("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_eq!(found(&folder), ["keys.db"]);

    // What is purged leaves nothing behind.
    let purge = Change {
        expect: vec![Expect::Generation { record: Uuid::from_u128(100), generation: 1 }],
        purge: vec![Uuid::from_u128(100)],
        ..Change::default()
    };
    store.commit(purge).await.unwrap();
    assert_eq!(found(&folder), Vec::<String>::new());
}

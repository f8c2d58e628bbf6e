//! The files of the database: who may read them, and what is set on them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use diesel::prelude::*;
use llm_keys::KeyId;
use llm_keys::store::KeyStore as _;
use llm_keys_diesel::DieselStore;

use crate::fixture::{Folder, new_key};

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn all_files_are_for_their_owner_alone() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.commit(new_key(&KeyId::global("openai").unwrap(), 1)).await.unwrap();
    for name in ["keys.db", "keys.db-wal", "keys.db-shm"] {
        assert_eq!(mode(&folder.file(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_looser_file_keeps_its_mode_and_works() {
    let folder = Folder::new();
    fs::write(folder.file("keys.db"), "").unwrap();
    fs::set_permissions(folder.file("keys.db"), fs::Permissions::from_mode(0o640)).unwrap();
    let store = folder.store().await;
    store.commit(new_key(&KeyId::global("openai").unwrap(), 1)).await.unwrap();
    assert_eq!(mode(&folder.file("keys.db")), 0o640);
}

#[tokio::test]
async fn a_file_is_never_made_through_a_dangling_link() {
    let folder = Folder::new();
    symlink(folder.file("elsewhere.db"), folder.file("keys.db")).unwrap();
    let error = DieselStore::open(&folder.url()).await.unwrap_err();
    assert_eq!(error.kind().code(), "store_unavailable");
    assert!(!fs::exists(folder.file("elsewhere.db")).unwrap());
}

#[tokio::test]
async fn odd_paths_are_just_paths() {
    let folder = Folder::new();
    for name in ["50%.db", "a b#c.db", "schlüssel.db", "%41.db"] {
        let url = format!("sqlite:{}", folder.file(name));
        let store = DieselStore::open(&url).await.unwrap();
        store.commit(new_key(&KeyId::global("openai").unwrap(), 1)).await.unwrap();
        assert!(fs::metadata(folder.file(name)).unwrap().len() > 0, "{name}");
    }
}

#[tokio::test]
async fn the_file_has_a_write_ahead_log() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.commit(new_key(&KeyId::global("openai").unwrap(), 1)).await.unwrap();
    // Kept in the file itself, so another connection sees it, too.
    let mut conn = folder.plain();
    let mode: String = diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(
        "(SELECT journal_mode FROM pragma_journal_mode)",
    ))
    .get_result(&mut conn)
    .unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_store_in_memory_is_one_database() {
    let store = DieselStore::open("sqlite::memory:").await.unwrap();
    assert!(!store.capabilities().durable);
    let tasks: Vec<_> = (1..=20u128)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let id = KeyId::user(&n.to_string(), "openai").unwrap();
                store.commit(new_key(&id, n)).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let other = DieselStore::open("sqlite::memory:").await.unwrap();
    let id = KeyId::user("20", "openai").unwrap();
    assert!(store.key_find(&id).await.unwrap().is_some());
    assert!(other.key_find(&id).await.unwrap().is_none());
}

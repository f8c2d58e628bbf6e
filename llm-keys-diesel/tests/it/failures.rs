//! What goes wrong with a database, made with the real thing, and what we call it.

use std::fs;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use llm_keys::KeyId;
use llm_keys::error::Error;
use llm_keys::store::KeyStore as _;
use llm_keys_diesel::{ConnectOptions, DieselStore};

use crate::fixture::{Folder, new_key, new_key_with};

fn id(n: u128) -> KeyId {
    KeyId::user(&format!("user-{n}"), "openai").unwrap()
}

fn code(error: &Error) -> &'static str {
    error.kind().code()
}

#[tokio::test]
async fn a_text_file_is_not_a_database() {
    let folder = Folder::new();
    let text = "This is a shopping list, and a long one: ".repeat(100);
    fs::write(folder.file("keys.db"), &text).unwrap();
    for url in [folder.url(), format!("{}?mode=ro", folder.url())] {
        let error = DieselStore::open(&url).await.unwrap_err();
        assert_eq!(code(&error), "store_not_a_database", "{error:?}");
    }
    assert_eq!(fs::read_to_string(folder.file("keys.db")).unwrap(), text);
}

#[tokio::test]
async fn a_folder_is_not_a_database() {
    let folder = Folder::new();
    fs::create_dir(folder.file("keys.db")).unwrap();
    let error = DieselStore::open(&folder.url()).await.unwrap_err();
    assert_eq!(code(&error), "store_not_a_database");
    assert!(error.to_string().contains("is a folder"), "{error}");
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = Folder::new();
    let url = format!("sqlite:{}", folder.file("nowhere/keys.db"));
    let error = DieselStore::open(&url).await.unwrap_err();
    assert_eq!(code(&error), "store_unavailable");
    assert!(error.hint().unwrap().contains("nowhere"), "{error:?}");
}

#[tokio::test]
async fn a_missing_file_is_not_made_for_reading() {
    let folder = Folder::new();
    let error = DieselStore::open(&format!("{}?mode=ro", folder.url())).await.unwrap_err();
    assert_eq!(code(&error), "store_unavailable");
    assert!(!fs::exists(folder.file("keys.db")).unwrap());
}

#[tokio::test]
async fn a_damaged_database_is_not_one() {
    let folder = Folder::new();
    let store = folder.store().await;
    for n in 1..=40 {
        store.commit(new_key_with(&id(n), n, vec![7; 4000])).await.unwrap();
    }
    drop(store);
    folder.tamper("PRAGMA wal_checkpoint(TRUNCATE)");
    // Keeps the header and the list of tables, and overwrites all else.
    let mut bytes = fs::read(folder.file("keys.db")).unwrap();
    bytes[3 * 4096..].fill(0xa5);
    fs::write(folder.file("keys.db"), bytes).unwrap();
    let store = DieselStore::connect(&folder.url()).await.unwrap();
    let error = store.key_find(&id(1)).await.unwrap_err();
    assert_eq!(code(&error), "store_not_a_database", "{error:?}");
}

#[tokio::test]
async fn a_database_for_reading_reads_and_refuses_to_write() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.commit(new_key(&id(1), 1)).await.unwrap();
    let reader = DieselStore::open(&format!("{}?mode=ro", folder.url())).await.unwrap();
    assert!(reader.key_find(&id(1)).await.unwrap().is_some());
    let error = reader.commit(new_key(&id(2), 2)).await.unwrap_err();
    assert_eq!(code(&error), "store_read_only", "{error:?}");
    assert!(store.key_find(&id(2)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_full_database_says_so_and_keeps_what_it_has() {
    let folder = Folder::new();
    // The limit belongs to a connection, so the application's pool sets it.
    let pool = limited_pool(&folder, 60);
    let store = DieselStore::from_pool(pool);
    store.migrate().await.unwrap();
    let mut stored = 0;
    let error = loop {
        match store.commit(new_key_with(&id(stored + 1), stored + 1, vec![7; 16_000])).await {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 1000, "the database never got full");
    };
    assert_eq!(code(&error), "store_full", "{error:?}");
    assert!(error.hint().is_some());
    assert!(stored > 0);
    for n in 1..=stored {
        let (_, version) = store.key_find(&id(n)).await.unwrap().unwrap();
        assert_eq!(version.unwrap().envelope.unwrap().as_bytes().len(), 16_000);
    }
    assert!(store.key_find(&id(stored + 1)).await.unwrap().is_none());
    // The connection is good again, for what fits.
    let record = new_key(&id(1), 1).keys[0].record;
    let purge = llm_keys::store::Change {
        expect: vec![llm_keys::store::Expect::Generation { record, generation: 1 }],
        purge: vec![record],
        ..Default::default()
    };
    store.commit(purge).await.unwrap();
    store.commit(new_key_with(&id(1), 1001, vec![7; 8_000])).await.unwrap();
}

fn limited_pool(folder: &Folder, pages: u32) -> llm_keys_diesel::SqlitePool {
    use diesel_async::AsyncConnection as _;
    use diesel_async::SimpleAsyncConnection as _;
    use diesel_async::pooled_connection::deadpool::Pool;
    use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig};
    use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;

    let mut config = ManagerConfig::<SyncConnectionWrapper<diesel::SqliteConnection>>::default();
    config.custom_setup = Box::new(move |url| {
        let url = url.to_owned();
        Box::pin(async move {
            let mut conn = SyncConnectionWrapper::establish(&url).await?;
            let limit = format!("PRAGMA max_page_count = {pages}");
            conn.batch_execute(&limit)
                .await
                .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        })
    });
    let url = folder.file("keys.db");
    Pool::builder(AsyncDieselConnectionManager::new_with_config(url, config)).build().unwrap()
}

#[tokio::test]
async fn a_lock_that_is_held_too_long_is_busy() {
    let folder = Folder::new();
    drop(folder.store().await);
    let options = ConnectOptions::new().lock_wait(Duration::from_millis(20));
    let store = DieselStore::connect_with(&folder.url(), options).await.unwrap();
    let mut other = folder.plain();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(new_key(&id(1), 1)).await.unwrap_err();
    assert_eq!(code(&error), "store_busy", "{error:?}");
    assert!(error.is_retryable());
    // Readers are not held up, and once the lock is gone the same change is made.
    assert!(store.key_find(&id(1)).await.unwrap().is_none());
    other.batch_execute("ROLLBACK").unwrap();
    store.commit(new_key(&id(1), 1)).await.unwrap();
}

#[tokio::test]
async fn what_is_there_already_is_a_conflict_even_if_nobody_looked() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.commit(new_key(&id(1), 1)).await.unwrap();
    // Another key with the same record: only the database's own rule sees it.
    let error = store.commit(new_key(&id(2), 1)).await.unwrap_err();
    assert_eq!(code(&error), "conflict", "{error:?}");
    assert!(store.key_find(&id(2)).await.unwrap().is_none());
}

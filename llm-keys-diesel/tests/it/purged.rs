//! What is left in the files of SQLite of what was purged: nothing.

use std::fs;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use llm_keys::KeyId;
use llm_keys::store::{Change, Expect, KeyStore as _};
use uuid::Uuid;

use crate::fixture::{Folder, new_key_with};

const ENVELOPE: &[u8] = b"an envelope of one key, found by its bytes";

/// In which files of the folder the envelope stands.
fn found(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.file("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let holds = |name: &String| {
        let bytes = fs::read(folder.file(name)).unwrap();
        bytes.windows(ENVELOPE.len()).any(|part| part == ENVELOPE)
    };
    let mut names: Vec<_> = names.filter(holds).collect();
    names.sort();
    names
}

fn purge(record: u128) -> Change {
    let record = Uuid::from_u128(record);
    let expect = vec![Expect::Generation { record, generation: 1 }];
    Change { expect, purge: vec![record], ..Change::default() }
}

#[tokio::test]
async fn the_log_is_emptied() {
    let folder = Folder::new();
    let store = folder.store().await;
    let id = KeyId::global("a").unwrap();
    store.commit(new_key_with(&id, 1, ENVELOPE.into())).await.unwrap();
    assert_eq!(found(&folder), ["keys.db-wal"]);
    store.commit(purge(1)).await.unwrap();
    assert_eq!(found(&folder), Vec::<String>::new());
    // The same once it was in the file itself.
    store.commit(new_key_with(&id, 2, ENVELOPE.into())).await.unwrap();
    folder.tamper("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_eq!(found(&folder), ["keys.db"]);
    store.commit(purge(2)).await.unwrap();
    assert_eq!(found(&folder), Vec::<String>::new());
}

diesel::table! {
    llm_keys_keys (record) {
        record -> Text,
    }
}

#[tokio::test]
async fn a_reader_is_not_broken_and_the_next_purge_empties_the_log() {
    let folder = Folder::new();
    let store = folder.store().await;
    for (name, record, envelope) in [("a", 1, ENVELOPE), ("b", 2, b"another")] {
        let id = KeyId::global(name).unwrap();
        store.commit(new_key_with(&id, record, envelope.into())).await.unwrap();
    }
    let mut reader = folder.plain();
    let mut count = || llm_keys_keys::table.count().get_result::<i64>(&mut reader).unwrap();
    assert_eq!(count(), 2);

    let mut old = folder.plain();
    old.batch_execute("BEGIN").unwrap();
    let mut seen = || llm_keys_keys::table.count().get_result::<i64>(&mut old).unwrap();
    assert_eq!(seen(), 2);
    // Within a bounded wait.
    let purged = tokio::time::timeout(Duration::from_secs(20), store.commit(purge(1))).await;
    purged.unwrap().unwrap();
    assert_eq!(seen(), 2, "it sees what it saw");
    assert_eq!(count(), 1);
    assert_eq!(found(&folder), ["keys.db-wal"], "what a reader sees is still there");
    old.batch_execute("COMMIT").unwrap();
    // Writing goes on with the usual wait.
    store.commit(purge(2)).await.unwrap();
    assert_eq!(found(&folder), Vec::<String>::new());
    assert_eq!(count(), 0);
}

//! Databases with many keys. They are filled with bare rows, which is much faster than storing, and
//! kept in the build folder between runs.

use std::fs;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::{
    ApiKey, EnvelopeKeyManager, KeyId, Random as _, SecureKeyManager as _, StoreOptions,
    SystemRandom,
};
use llm_keys_diesel::DieselStore;

use crate::KEY;
use crate::tables::{Key, KeyVersion, llm_keys_keys as keys, llm_keys_versions as versions};

/// What our own connections are told, as in `src/dialect.rs`.
pub(crate) const SETUP: &str = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; \
    PRAGMA temp_store = MEMORY; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA secure_delete = ON;";

/// The key of this number; numbers are ordered as their keys are.
pub(crate) fn id(number: usize) -> KeyId {
    KeyId::user(&format!("user-{number:07}"), "anthropic").unwrap()
}

/// All numbers below `keys`, once each, far apart, and not in the order they were written in.
pub(crate) fn anywhere(keys: usize) -> impl Iterator<Item = usize> {
    jumps(keys, 271_829)
}

/// `step` has no common factor with a power of ten.
fn jumps(keys: usize, step: usize) -> impl Iterator<Item = usize> {
    (0..keys).map(move |n| n * step % keys)
}

/// A store of so many keys.
pub(crate) async fn open(keys: usize) -> DieselStore {
    // Another number in the name when tables or rows change: the old file is then of no use.
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("keys-4-{keys}.db"));
    if !path.exists() {
        fill(&path, keys).await;
    }
    DieselStore::open(path.to_str().unwrap()).await.unwrap()
}

async fn fill(path: &Path, keys: usize) {
    eprintln!("filling a database with {keys} keys; the next run finds it in {}", path.display());
    // A fill that was stopped half-way leaves a file that nobody opens.
    let draft = path.with_extension("draft.db");
    let _ = fs::remove_file(&draft);
    let draft_path = draft.to_str().unwrap().to_owned();
    store_one(&draft_path).await;
    insert_copies(&draft_path, keys);
    fs::rename(&draft, path).unwrap();
}

/// Makes the tables and one key, whose rows all others are copies of.
async fn store_one(path: &str) {
    let manager = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(LocalKms::ephemeral().unwrap()))
        .store(DieselStore::open(path).await.unwrap())
        .build()
        .await
        .unwrap();
    let key = ApiKey::new(KEY).unwrap();
    manager.store_api_key(&id(0), key, &StoreOptions::default()).await.unwrap();
}

fn insert_copies(path: &str, count: usize) {
    let mut conn = SqliteConnection::establish(path).unwrap();
    conn.batch_execute(
        "PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000;",
    )
    .unwrap();
    let key: Key = keys::table.first(&mut conn).unwrap();
    let version: KeyVersion = versions::table.first(&mut conn).unwrap();
    // Keys come in any order in real life, too.
    let others: Vec<_> = jumps(count, 618_033).filter(|number| *number != 0).collect();
    for batch in others.chunks(100_000) {
        conn.immediate_transaction(|conn| {
            for &number in batch {
                let (id, record) = (id(number), random_record());
                let key = Key {
                    record: record.clone(),
                    path: id.path(),
                    owner_id: id.owner.id().to_owned(),
                    ..key.clone()
                };
                diesel::insert_into(keys::table).values(&key).execute(conn)?;
                let version = KeyVersion { record, ..version.clone() };
                diesel::insert_into(versions::table).values(&version).execute(conn)?;
            }
            QueryResult::Ok(())
        })
        .unwrap();
    }
}

fn random_record() -> String {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes).unwrap();
    uuid::Builder::from_random_bytes(bytes).into_uuid().hyphenated().to_string()
}

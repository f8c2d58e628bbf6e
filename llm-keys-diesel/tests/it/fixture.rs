//! Rows, folders and plain connections for the tests.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use llm_keys::envelope::Envelope;
use llm_keys::model::{Kept, KeyRow, Labels, Settings, VersionRow, VersionState};
use llm_keys::store::{Change, Expect};
use llm_keys::{Actor, KeyId, KeyState, Micros, Version};
use llm_keys_diesel::{ConnectOptions, DieselStore};
use tempfile::TempDir;
use uuid::Uuid;

/// A folder with a database in it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.file("keys.db"))
    }

    pub(crate) async fn store(&self) -> DieselStore {
        DieselStore::open(&self.url()).await.unwrap()
    }

    /// A connection of somebody else.
    pub(crate) fn plain(&self) -> SqliteConnection {
        SqliteConnection::establish(&self.file("keys.db")).unwrap()
    }

    /// Changes the database behind the store's back, past its checks.
    pub(crate) fn tamper(&self, sql: &str) {
        let mut conn = self.plain();
        conn.batch_execute("PRAGMA ignore_check_constraints = ON; PRAGMA busy_timeout = 5000;")
            .unwrap();
        conn.batch_execute(sql).unwrap();
    }
}

pub(crate) fn key_row(id: &KeyId, record: u128) -> KeyRow {
    KeyRow {
        id: id.clone(),
        record: Uuid::from_u128(record),
        state: KeyState::Active,
        current: Some(Version::FIRST),
        latest: Some(Version::FIRST),
        generation: 1,
        kept: Kept::default(),
        settings: Settings::default(),
        template: None,
        labels: Labels::default(),
        hint: None,
        expires_at: None,
        rotate_every: None,
        due_at: None,
        due_told: None,
        created_at: Micros(1),
        updated_at: Micros(1),
        last_used_at: None,
        mac: None,
    }
}

pub(crate) fn version_row(record: u128, envelope: Vec<u8>) -> VersionRow {
    VersionRow {
        record: Uuid::from_u128(record),
        version: Version::FIRST,
        generation: 1,
        state: VersionState::Live,
        envelope: Some(Envelope::from_bytes(envelope)),
        rewrap: false,
        by: Actor::new("test").unwrap(),
        reason: None,
        created_at: Micros(1),
        last_used_at: None,
        mac: None,
    }
}

/// Stores a new key.
pub(crate) fn new_key(id: &KeyId, record: u128) -> Change {
    new_key_with(id, record, vec![7; 400])
}

pub(crate) fn new_key_with(id: &KeyId, record: u128, envelope: Vec<u8>) -> Change {
    Change {
        expect: vec![Expect::Absent(id.clone())],
        keys: vec![key_row(id, record)],
        versions: vec![version_row(record, envelope)],
        ..Change::default()
    }
}

/// A store on a new file of this name, for tests that keep nothing but the store. The file stays
/// until the next run, inside the build folder.
pub(crate) async fn fresh_file(name: &str) -> DieselStore {
    DieselStore::open(&fresh_url(name)).await.unwrap()
}

/// The same, whose calls wait as long as it takes: for tests with more tasks than this machine may
/// have time for.
pub(crate) async fn patient_file(name: &str) -> DieselStore {
    let url = fresh_url(name);
    DieselStore::open(&url).await.unwrap();
    let minute = Duration::from_secs(60);
    let options = ConnectOptions::new().wait(minute).lock_wait(minute);
    DieselStore::connect_with(&url, options).await.unwrap()
}

fn fresh_url(name: &str) -> String {
    let path = format!("{}/{name}.db", env!("CARGO_TARGET_TMPDIR"));
    for end in ["", "-wal", "-shm"] {
        let old = std::fs::remove_file(format!("{path}{end}"));
        assert!(old.is_ok() || !std::fs::exists(format!("{path}{end}")).unwrap());
    }
    format!("sqlite:{path}")
}

//! Several processes on one file, and one that is killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use llm_keys::KeyId;
use llm_keys::store::{Change, Expect, KeyStore as _};
use uuid::Uuid;

use crate::fixture::{Folder, key_row, new_key, new_key_with};

/// Says to a copy of this program that it is the child, and on which database.
const URL: &str = "LLM_KEYS_TEST_CHILD_URL";

/// A copy of this program that runs one test, as the child.
fn child(test: &str, url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(URL, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

const RAISES: u64 = 50;

/// Raises the generation of one key, as often as it takes to succeed `RAISES` times.
async fn raise(url: &str) {
    let store = llm_keys_diesel::DieselStore::open(url).await.unwrap();
    let id = KeyId::global("shared").unwrap();
    let mut raised = 0;
    while raised < RAISES {
        let (old, _) = store.key_find(&id).await.unwrap().unwrap();
        let mut row = key_row(&id, 1);
        row.generation = old.generation + 1;
        let expect = Expect::Generation { record: old.record, generation: old.generation };
        let change = Change { expect: vec![expect], keys: vec![row], ..Change::default() };
        match store.commit(change).await {
            Ok(()) => raised += 1,
            Err(error) => assert_eq!(error.kind().code(), "conflict", "{error:?}"),
        }
    }
}

#[test]
fn two_processes_lose_no_update() {
    if let Ok(url) = std::env::var(URL) {
        return run(raise(&url));
    }
    let folder = Folder::new();
    run(async {
        let store = folder.store().await;
        store.commit(new_key(&KeyId::global("shared").unwrap(), 1)).await.unwrap();
    });
    let children: Vec<_> =
        (0..2).map(|_| child("processes::two_processes_lose_no_update", &folder.url())).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    run(async {
        let store = folder.store().await;
        let (row, _) = store.key_find(&KeyId::global("shared").unwrap()).await.unwrap().unwrap();
        assert_eq!(row.generation, 1 + 2 * RAISES);
        // Each of those commits is in the feed, once.
        let changes = store.changes_since(llm_keys::model::Seq(0)).await.unwrap();
        assert_eq!((changes.head.0, changes.complete), (1 + 2 * RAISES, true));
    });
}

fn id(n: u128) -> KeyId {
    KeyId::user(&format!("user-{n}"), "openai").unwrap()
}

/// Stores keys without end, and says of each that it is stored.
async fn store_without_end(url: &str) {
    let store = llm_keys_diesel::DieselStore::open(url).await.unwrap();
    for n in 1.. {
        store.commit(new_key_with(&id(n), n, vec![7; 3000])).await.unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "stored {n}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_killed_process_loses_nothing_it_said_was_stored() {
    if let Ok(url) = std::env::var(URL) {
        return run(store_without_end(&url));
    }
    let folder = Folder::new();
    for round in 1..=5_u128 {
        let folder = &folder;
        // Later rounds start on what the killed one left behind: in a folder of their own, the
        // file is the same but for its rows.
        let url = format!("sqlite:{}", folder.file(&format!("round-{round}.db")));
        let mut child = child("processes::a_killed_process_loses_nothing_it_said_was_stored", &url);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stored = 0;
        while stored < round * 7 {
            let line = lines.next().expect("the child ended by itself").unwrap();
            stored = line.strip_prefix("stored ").map_or(stored, |n| n.parse().unwrap());
        }
        child.kill().unwrap(); // SIGKILL.
        child.wait().unwrap();
        // What it still said while it was being killed.
        for line in lines.map_while(Result::ok) {
            stored = line.strip_prefix("stored ").map_or(stored, |n| n.parse().unwrap_or(stored));
        }
        run(async {
            let store = llm_keys_diesel::DieselStore::open(&url).await.unwrap();
            for n in 1..=stored {
                let (row, version) = store.key_find(&id(n)).await.unwrap().unwrap();
                assert_eq!(row.record, Uuid::from_u128(n));
                assert_eq!(version.unwrap().envelope.unwrap().as_bytes().len(), 3000);
            }
            // The one after may be there, whole, and no other.
            assert!(store.key_find(&id(stored + 2)).await.unwrap().is_none());
            store.commit(new_key(&id(stored + 2), stored + 2)).await.unwrap();
        });
    }
}

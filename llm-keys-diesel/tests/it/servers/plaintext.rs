//! DB9 on servers: no plaintext in a dump, in the files of the database and its logs, or in what the
//! server writes at its most talkative.

use std::fs;
use std::path::{Path, PathBuf};

use llm_keys::KeyId;
use llm_keys::store::KeyStore as _;

use super::own::Own;
use crate::database::{Database, Kind};
use crate::fixture::new_key_with;
use crate::plaintext::{CANARY, needles, sealed};

on_each_server! {
    nothing_that_a_server_writes_holds_a_key_and_the_search_would_find_one
}

fn talkative(kind: Kind, server: &Own) -> Vec<String> {
    let log = server.path("log").display().to_string();
    match kind {
        Kind::Postgres => [
            "logging_collector=on",
            &format!("log_directory={log}"),
            "log_statement=all",
            "log_min_messages=debug5",
            "log_min_error_statement=debug5",
            "log_min_duration_statement=0",
            "log_parameter_max_length=-1",
            "log_parameter_max_length_on_error=-1",
            "log_error_verbosity=verbose",
            "wal_level=logical",
        ]
        .into_iter()
        .flat_map(|option| ["-c".to_owned(), option.to_owned()])
        .collect(),
        Kind::Mysql => vec![
            "--general-log=1".to_owned(),
            format!("--general-log-file={log}.general"),
            "--slow-query-log=1".to_owned(),
            "--long-query-time=0".to_owned(),
            format!("--slow-query-log-file={log}.slow"),
            format!("--log-error={log}.error"),
            "--log-warnings=9".to_owned(),
            format!("--log-bin={log}"),
            "--binlog-format=ROW".to_owned(),
            "--binlog-annotate-row-events=1".to_owned(),
        ],
    }
}

/// All files below `folder`.
fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // A socket is none.
        if path.is_dir() {
            files(&path, into);
        } else if path.is_file() {
            into.push(path);
        }
    }
}

/// Which files hold the key, by the start of their path: data, log, dump.
fn found(server: &Own) -> Vec<String> {
    let mut all = Vec::new();
    files(&server.path(""), &mut all);
    assert!(all.len() > 20, "{all:?}");
    let needles = needles();
    let holds = |path: &PathBuf| {
        // A server may remove one meanwhile.
        let bytes = fs::read(path).unwrap_or_default();
        needles.iter().any(|needle| {
            let first = needle[0];
            bytes.windows(needle.len()).any(|part| part[0] == first && part == needle.as_slice())
        })
    };
    let place = server.path("");
    let mut found: Vec<_> = all
        .into_iter()
        .filter(holds)
        .map(|path| path.strip_prefix(&place).unwrap().display().to_string())
        .collect();
    found.sort();
    found
}

async fn nothing_that_a_server_writes_holds_a_key_and_the_search_would_find_one(kind: Kind) {
    let mut server = Own::new(kind);
    let options = talkative(kind, &server);
    server.options(&options);
    server.start();
    server.until_ready(&server.url()).await;
    let database = Database::on(kind, server.url()).await;
    let store = database.store().await;
    for n in 1..=20 {
        let id = KeyId::user(&format!("user-{n}"), "openai").unwrap();
        store.commit(new_key_with(&id, n, sealed(&id, n))).await.unwrap();
        assert!(store.key_find(&id).await.unwrap().is_some());
    }
    // A failed one is told of at length.
    let id = KeyId::user("user-1", "openai").unwrap();
    store.commit(new_key_with(&id, 99, sealed(&id, 99))).await.unwrap_err();
    settle(kind, &database).await;
    server.dump("dump");
    assert_eq!(found(&server), Vec::<String>::new());

    // The control: planted plaintext is found in each of these.
    let planted = new_key_with(&KeyId::global("planted").unwrap(), 100, CANARY.into());
    store.commit(planted).await.unwrap();
    settle(kind, &database).await;
    server.dump("dump");
    let found = found(&server);
    let places: &[&str] = match kind {
        Kind::Postgres => &["data/base/", "data/pg_wal/", "log/", "dump"],
        Kind::Mysql => &["data/llm_keys_test_", "data/ib_logfile0", "log.0", "dump"],
    };
    for place in places {
        assert!(found.iter().any(|file| file.starts_with(place)), "{place}: {found:?}");
    }
}

/// Has the server write what it keeps in memory.
async fn settle(kind: Kind, database: &Database) {
    match kind {
        Kind::Postgres => database.execute("CHECKPOINT").await.unwrap(),
        Kind::Mysql => {
            let table = format!("{}.llm_keys_versions", database.name());
            let mut plain = database.plain().await;
            plain.execute("FLUSH LOGS").await.unwrap();
            // Its pages are in the file then.
            plain.execute(&format!("FLUSH TABLES {table} FOR EXPORT")).await.unwrap();
            plain.execute("UNLOCK TABLES").await.unwrap();
        }
    }
}

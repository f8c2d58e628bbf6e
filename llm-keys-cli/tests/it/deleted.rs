//! What is left of a deleted key in the files of the database.

use std::collections::BTreeSet;
use std::fs;

use crate::sandbox::Sandbox;

/// The beginnings of all envelopes in the files of the home folder: with a random id in it, each is
/// there once.
fn envelopes(sandbox: &Sandbox) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    for file in fs::read_dir(sandbox.home()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let begins = |part: &&[u8]| part.starts_with(b"LKE\x01");
        found.extend(bytes.windows(BEGINNING).filter(begins).map(<[u8]>::to_vec));
    }
    found
}

const BEGINNING: usize = 96;

#[test]
fn what_is_deleted_at_once_is_in_no_file() {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "a"], "sk-test-a");
    let before = envelopes(&sandbox);
    assert!(before.len() >= 3, "the sentinel, the row MAC keys, and the key: {}", before.len());
    for version in ["sk-test-one", "sk-test-two"] {
        sandbox.must(&["store", "b"], version);
    }
    let both = envelopes(&sandbox);
    let theirs: BTreeSet<_> = both.difference(&before).cloned().collect();
    assert_eq!(theirs.len(), 2);

    // What can be undeleted is there.
    sandbox.must(&["delete", "b", "--yes"], "");
    assert_eq!(envelopes(&sandbox), both);
    sandbox.must(&["delete", "b", "--now", "--yes"], "");
    assert_eq!(envelopes(&sandbox), before);
    assert_eq!(sandbox.must(&["get", "a"], ""), "sk-test-a");
}

#[test]
fn what_is_pruned_is_in_no_file_when_the_database_is_closed() {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "a"], "sk-test-one");
    let first = envelopes(&sandbox);
    sandbox.must(&["store", "a"], "sk-test-two");
    sandbox.must(&["prune", "a", "--keep", "1", "--yes"], "");
    let left = envelopes(&sandbox);
    assert_eq!(left.len(), first.len(), "one for the other");
    assert_eq!(first.difference(&left).count(), 1);
}

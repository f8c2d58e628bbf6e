//! Each example as a newcomer runs it.

use std::path::Path;
use std::process::{Command, Output};

/// The program at `path` with nothing of ours in its environment but a home.
fn program(path: &str, home: &Path) -> Command {
    let mut command = Command::new(path);
    for name in ["LLM_KEYS_DATABASE_URL", "DATABASE_URL", "LLM_KEYS_KMS", "LLM_KEYS_CACHE_TTL"] {
        command.env_remove(name);
    }
    command.env("LLM_KEYS_HOME", home);
    command
}

/// What it printed; it must have succeeded, and never shown the key.
fn said(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    for text in [&stdout, &stderr] {
        assert!(!text.contains("sk-example-0123456789"), "the key is shown");
    }
    stdout
}

#[test]
fn quickstart() {
    let home = tempfile::tempdir().unwrap();
    let run = || said(&mut program(env!("CARGO_BIN_EXE_quickstart"), home.path()));
    let read = "read back a key of 21 characters\n";
    let stored = "stored default/user:alice/quickstart/default as version";
    assert_eq!(run(), format!("{stored} 1\n{read}"));
    // The second run finds the database and the master key of the first.
    assert_eq!(run(), format!("{stored} 2\n{read}"));
    for file in ["keys.db", "master.key"] {
        assert!(home.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn quickstart_with_a_database_of_the_environment() {
    let home = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)]| {
        let mut command = program(env!("CARGO_BIN_EXE_quickstart"), home.path());
        said(command.current_dir(home.path()).envs(variables.iter().copied()));
        let there = |file: &&str| home.path().join(file).exists();
        ["ours.db", "common.db", "keys.db"].into_iter().filter(there).collect::<Vec<_>>()
    };
    let (ours, common) = ("LLM_KEYS_DATABASE_URL", "DATABASE_URL");
    assert_eq!(run(&[(ours, "sqlite:ours.db"), (common, "common.db")]), ["ours.db"]);
    // Empty is unset.
    let master_key = home.path().join("master.key");
    std::fs::remove_file(&master_key).unwrap();
    assert_eq!(run(&[(ours, ""), (common, "common.db")]), ["ours.db", "common.db"]);
    std::fs::remove_file(&master_key).unwrap();
    assert_eq!(run(&[(ours, ""), (common, "")]), ["ours.db", "common.db", "keys.db"]);
}

#[test]
fn custom_kms() {
    let home = tempfile::tempdir().unwrap();
    let said = said(&mut program(env!("CARGO_BIN_EXE_custom_kms"), home.path()));
    assert_eq!(
        said,
        "stored default/global/anthropic/default under a master key in two shares\n\
         together they read a key of 21 characters\n\
         Alice alone cannot: both shares are the same\n"
    );
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn custom_store() {
    let home = tempfile::tempdir().unwrap();
    let said = said(&mut program(env!("CARGO_BIN_EXE_custom_store"), home.path()));
    assert!(said.starts_with("100 gets were 1 read of the storage;"), "{said}");
    // The key, and with the first of all the sentinel and the row MAC keys.
    assert!(said.contains("    commit: 3 calls in "), "{said}");
    assert!(said.contains("    touch: 1 calls in "), "{said}");
}

#[test]
fn inside_your_diesel_app() {
    let home = tempfile::tempdir().unwrap();
    let said = said(&mut program(env!("CARGO_BIN_EXE_inside_your_diesel_app"), home.path()));
    assert_eq!(
        said,
        "painter has no key for openai\n\
         translator has a key for anthropic, of 21 characters\n"
    );
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left behind");
}

//! Which URL means what.

use super::*;

fn file(path: &str) -> Target {
    Target::SqliteFile { path: path.to_owned(), read_only: false }
}

#[test]
fn nobody_waits_longer_than_two_seconds_for_a_connection_unless_asked_to() {
    assert!(ConnectOptions::default().wait <= Duration::from_secs(2));
}

#[test]
fn the_scheme_chooses() {
    for (url, target) in [
        ("sqlite:keys.db", file("keys.db")),
        ("sqlite:/var/keys", file("/var/keys")),
        ("sqlite:///var/keys", file("/var/keys")),
        ("sqlite://keys.db?mode=rw", file("keys.db")),
        ("/var/lib/keys.db", file("/var/lib/keys.db")),
        ("keys.sqlite", file("keys.sqlite")),
        ("sqlite::memory:", Target::SqliteMemory),
        ("sqlite://:memory:", Target::SqliteMemory),
        (":memory:", Target::SqliteMemory),
        ("k.db?mode=ro", Target::SqliteFile { path: "k.db".to_owned(), read_only: true }),
    ] {
        let path = match &target {
            Target::SqliteMemory => None,
            Target::SqliteFile { path, .. } => Some(PathBuf::from(path)),
            _ => panic!("{target:?}"),
        };
        assert_eq!(Target::parse(url).unwrap(), target, "{url}");
        assert_eq!(database_file(url).unwrap(), path, "{url}");
    }
}

#[test]
fn other_urls_are_refused_and_never_repeated() {
    for url in [
        "",
        "sqlite:",
        "sqlite:?mode=ro",
        "sqlite:k.db?mode=memory",
        "sqlite:k.db?cache=shared",
        "sqlite:a\0b",
        "file:k.db",
        "keys",
        "http://hunter2/k.db",
        "postgres://u:hunter2@h:port/d",
        "postgres://u:hunter2@h/d?sslmode=disable",
        "postgres://u:hunter2@h/d?hunter2=1",
        "mysql://u:hunter2@h:port/d",
        "mysql://u:hunter2@h/d?sslmode=disable",
        "mysql://u:hunter2@h/d?hunter2=1",
        "mysql:hunter2",
    ] {
        let error = Target::parse(url).unwrap_err();
        assert_eq!(error.kind().code(), "invalid_input", "{url}");
        assert!(!format!("{error:?}").contains("hunter2"), "{url}");
    }
}

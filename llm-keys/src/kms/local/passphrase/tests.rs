use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;
use crate::random::SystemRandom;

/// What Python's `cryptography` gives for `correct horse`.
const GOLDEN: &str = "llm-keys passphrase 1\nargon2id m=64 t=2 p=2\nsalt AAECAwQFBgcICQoLDA0ODw==\n\
                      key local:c4d2c6d23936853fa6670a8f30abdfcd\n";

fn secret(text: &str) -> SecretBytes {
    SecretBytes::copy_from(text.as_bytes())
}

/// Quick enough for tests.
fn cheap() -> PassphraseCost {
    PassphraseCost::new(64, 1, 1).unwrap()
}

fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("passphrase");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn the_same_passphrase_gives_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passphrase");
    let made = create_passphrase(&path, &secret("correct horse"), cheap(), &SystemRandom).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let opened = open_passphrase(&path, &secret("correct horse")).unwrap();
    assert_eq!(opened.uri, made.uri);
    made.expose(|made| opened.expose(|opened| assert_eq!(made, opened)));
}

#[test]
fn another_implementation_gives_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, GOLDEN);
    assert!(open_passphrase(&path, &secret("correct horse")).is_ok());
}

#[test]
fn another_salt_gives_another_key() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| {
        let path = folder.path().join(name);
        create_passphrase(path, &secret("correct horse"), cheap(), &SystemRandom).unwrap()
    });
    assert_ne!(a.uri, b.uri);
}

#[test]
fn a_wrong_passphrase_is_a_wrong_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, GOLDEN);
    let error = open_passphrase(&path, &secret("incorrect horse")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey));
    assert!(!format!("{error:?}").contains("horse"));
}

#[test]
fn a_short_passphrase_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passphrase");
    for short in ["", "1234567"] {
        let error = create_passphrase(&path, &secret(short), cheap(), &SystemRandom).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!path.exists());
    }
    assert!(create_passphrase(&path, &secret("12345678"), cheap(), &SystemRandom).is_ok());
    let error = open_passphrase(&path, &secret("1234567")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_file_that_is_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, GOLDEN);
    let error =
        create_passphrase(&path, &secret("correct horse"), cheap(), &SystemRandom).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(fs::read_to_string(&path).unwrap(), GOLDEN);
}

#[test]
fn the_default_cost_is_64_mib_and_3_passes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passphrase");
    let cost = PassphraseCost::default();
    create_passphrase(&path, &secret("correct horse"), cost, &SystemRandom).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().nth(1), Some("argon2id m=65536 t=3 p=1"));
    assert!(open_passphrase(&path, &secret("correct horse")).is_ok());
}

#[test]
fn hostile_and_damaged_files_are_refused_before_any_work() {
    let with = |old: &str, new: &str| {
        let text = GOLDEN.replace(old, new);
        assert_ne!(text, GOLDEN, "{old}");
        text
    };
    let texts = [
        String::new(),
        "x".repeat(5000),
        "\0".repeat(64),
        with("m=64", "m=1073741824"),
        with("m=64", "m=4294967296"),
        with("m=64", "m=2097153"),
        with("m=64", "m=15"),
        with("m=64", "m=0"),
        with("m=64", "m=-1"),
        with("m=64", "m=064"),
        with("m=64", "m=+64"),
        with("t=2", "t=4294967295"),
        with("t=2", "t=17"),
        with("t=2", "t=0"),
        with("p=2", "p=0"),
        with("p=2", "p=17"),
        with("p=2", "p=2 x=1"),
        with("argon2id", "argon2i"),
        with("passphrase 1", "passphrase 2"),
        with("ODw==", "ODw="),
        with("ODw==", "OD"),
        with("ODw==", "ODx=="),
        with("AAEC", "AA C"),
        with("key local", "key "),
        with("\nkey", "\n\nkey"),
        with("\n", "\r\n"),
        format!("{GOLDEN}\n"),
        GOLDEN.trim_end().to_owned(),
    ];
    let folder = tempfile::tempdir().unwrap();
    for text in texts {
        let error = open_passphrase(file(&folder, &text), &secret("correct horse")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured), "{text:?}");
    }
}

#[test]
fn the_file_is_as_private_as_a_master_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, GOLDEN);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = open_passphrase(&path, &secret("correct horse")).unwrap_err();
    assert_eq!(error.hint(), Some(format!("chmod 600 {}", path.display()).as_str()));
}

#[test]
fn costs_have_bounds() {
    for (memory, passes, lanes) in [(8, 1, 1), (128, 1, 16), (MAX_MEMORY, 16, 16)] {
        assert!(PassphraseCost::new(memory, passes, lanes).is_ok());
    }
    for (memory, passes, lanes) in
        [(7, 1, 1), (127, 1, 16), (MAX_MEMORY + 1, 1, 1), (64, 0, 1), (64, 17, 1), (64, 1, 0)]
    {
        assert!(PassphraseCost::new(memory, passes, lanes).is_err(), "{memory} {passes} {lanes}");
    }
    assert!(PassphraseCost::new(u32::MAX, 1, u32::MAX).is_err());
}

use std::os::unix::fs::symlink;

use super::*;
use crate::error::KmsFault;
use crate::kms::local::{create, rotate};
use crate::random::SystemRandom;

/// Both golden files were written apart from this code, with Python's `cryptography`; they hold the
/// keys 0, 1, 2… and 1, 2, 3…
const PLAIN: &str = "\
llm-keys master key backup 1
key local:e5e5af4dc3030158ce5a84f14b87b0bd AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
key local:db9b8723bd4c28d0157a4a80603f8174 AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=
sha256 9f49d8220c36ff3653b81acd3290c2da57c826dcf470c6b6243aa22ee8540931
";
/// Its passphrase is `correct horse`.
const SEALED: &str = "\
llm-keys master key backup 1 sealed
argon2id m=64 t=2 p=2
salt AAECAwQFBgcICQoLDA0ODw==
nonce CQkJCQkJCQkJCQkJ
keys ZnQ0w2JDkrg3f+w+dLaCFpEk3APdk5Tmkvaw0xlRGcNaiF+PBH69W5639RfUCdcDctHlIjw0p0CyJpOVn4Bv6J6vTRu1yqsR1eHq8HzWIED7Zvbz7FT3x+Q1RZ63CwNLZmYdJSvuXDyDrIHR6auM6s6PqEVBpSeAG5p//QUastldC9iJMtpMcAAZND15pmnOXdudC08cd4Nl16Yr/d18mbGMFHSu8l/gLsi7EkV/D2Dz94o+hlK+wpEj+fHfXAmk
sha256 412211aab7135c8cc4f4022dd8f573f0f087aaa5bb040025604610512fa4921c
";

fn secret(text: &str) -> SecretBytes {
    SecretBytes::copy_from(text.as_bytes())
}

fn cheap() -> PassphraseCost {
    PassphraseCost::new(64, 1, 1).unwrap()
}

struct Folder {
    folder: tempfile::TempDir,
    path: PathBuf,
}

fn folder() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    Folder { path: folder.path().join("master.key"), folder }
}

/// A folder with a current key and this many older ones.
fn with_keys(older: usize) -> Folder {
    let folder = folder();
    create(&folder.path, &SystemRandom).unwrap();
    for _ in 0..older {
        rotate(&folder.path, &SystemRandom).unwrap();
    }
    folder
}

impl Folder {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn written(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.file(name), text).unwrap();
        self.file(name)
    }

    /// Names and contents of every file.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap());
        let mut files: Vec<_> = entries
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort_unstable();
        files
    }

    fn restore(&self, from: &Path) -> Result<Restored> {
        restore(from, &self.path, &|| panic!("nobody may ask"), &SystemRandom)
    }
}

fn backup_plain(folder: &Folder, to: &Path) -> Result<usize> {
    backup(&folder.path, to, None, &SystemRandom)
}

#[test]
fn a_backup_brings_back_every_file() {
    let (old, new, store) = (with_keys(2), folder(), folder());
    let to = store.file("backup");
    assert_eq!(backup_plain(&old, &to).unwrap(), 3);
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o7777, 0o600);
    let restored = new.restore(&to).unwrap();
    assert_eq!(restored.made.len(), 3);
    assert_eq!(new.files(), old.files());
    assert_eq!(LocalKms::open(&new.path).unwrap().current.uri, restored.uri);
    // Once more changes nothing.
    assert!(new.restore(&to).unwrap().made.is_empty());
    assert_eq!(new.files(), old.files());
}

#[test]
fn a_sealed_backup_needs_its_passphrase() {
    let (old, new, store) = (with_keys(1), folder(), folder());
    let to = store.file("backup");
    let right = secret("correct horse");
    assert_eq!(backup(&old.path, &to, Some((&right, cheap())), &SystemRandom).unwrap(), 2);
    let text = fs::read_to_string(&to).unwrap();
    assert!(!text.contains("local:"), "{text}");
    assert!(text.starts_with("llm-keys master key backup 1 sealed\nargon2id m=64 t=1 p=1\n"));

    let wrong = || Ok(secret("incorrect horse"));
    let error = restore(&to, &new.path, &wrong, &SystemRandom).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey));
    assert!(new.files().is_empty());

    restore(&to, &new.path, &|| Ok(secret("correct horse")), &SystemRandom).unwrap();
    assert_eq!(new.files(), old.files());
}

#[test]
fn a_short_passphrase_makes_no_backup() {
    let (old, store) = (with_keys(0), folder());
    let short = secret("1234567");
    let error = backup(&old.path, store.file("b"), Some((&short, cheap())), &SystemRandom);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(store.files().is_empty());
}

#[test]
fn backups_of_another_implementation_come_back() {
    for (text, passphrase) in [(PLAIN, None), (SEALED, Some("correct horse"))] {
        let (new, store) = (folder(), folder());
        let from = store.written("backup", text);
        let ask = || Ok(secret(passphrase.unwrap()));
        restore(&from, &new.path, &ask, &SystemRandom).unwrap();
        let key = |first: u8| (first..first + 32).collect::<Vec<u8>>();
        assert_eq!(
            new.files(),
            [("master.key".to_owned(), key(0)), ("master.key.db9b8723bd4c28d0".to_owned(), key(1))]
        );
        // And ours is the same text.
        if passphrase.is_none() {
            backup_plain(&new, &store.file("again")).unwrap();
            assert_eq!(fs::read_to_string(store.file("again")).unwrap(), text);
        }
    }
}

#[test]
fn a_backup_never_replaces_a_file() {
    let (old, store) = (with_keys(0), folder());
    let there = store.written("backup", "precious");
    let dangling = store.file("link");
    symlink(store.file("nowhere"), &dangling).unwrap();
    for to in [&there, &dangling] {
        assert_eq!(backup_plain(&old, to).unwrap_err().kind(), ErrorKind::Conflict);
    }
    assert_eq!(fs::read(&there).unwrap(), b"precious");
    assert!(!store.file("nowhere").exists());
    let nowhere = backup_plain(&old, &store.file("no/backup")).unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Io);
}

#[test]
fn another_master_key_is_never_replaced() {
    let (old, other, store) = (with_keys(1), with_keys(0), folder());
    let from = store.file("backup");
    backup_plain(&old, &from).unwrap();
    let before = other.files();
    let error = other.restore(&from).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(other.files(), before);
    // What the hint says works, and leaves both keys readable.
    let hint = error.hint().unwrap().to_owned();
    let command = hint.split('`').nth(1).unwrap();
    assert!(std::process::Command::new("sh").args(["-c", command]).status().unwrap().success());
    other.restore(&from).unwrap();
    assert_eq!(LocalKms::open(&other.path).unwrap().older.len(), 2);
}

#[test]
fn a_restore_that_crashed_is_completed() {
    let (old, new, store) = (with_keys(2), folder(), folder());
    let from = store.file("backup");
    backup_plain(&old, &from).unwrap();
    new.restore(&from).unwrap();
    let files = new.files();
    // Older keys come first, so these are the states that a crash leaves.
    for missing in [&["master.key"][..], &["master.key", files[1].0.as_str()]] {
        for name in missing {
            fs::remove_file(new.file(name)).unwrap();
        }
        assert_eq!(new.restore(&from).unwrap().made.len(), missing.len());
        assert_eq!(new.files(), files);
    }
}

#[test]
fn restoring_behind_a_link_looks_beside_the_real_file() {
    let (old, store) = (with_keys(1), folder());
    let from = store.file("backup");
    backup_plain(&old, &from).unwrap();
    let files = old.files();
    fs::remove_file(old.file(&files[1].0)).unwrap();
    let link = store.file("link.key");
    symlink(&old.path, &link).unwrap();
    restore(&from, &link, &|| panic!("nobody may ask"), &SystemRandom).unwrap();
    assert_eq!(old.files(), files);
}

#[test]
fn a_backup_with_any_byte_changed_is_damaged() {
    let (new, store) = (folder(), folder());
    for text in [PLAIN, SEALED] {
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1;
            refused(&new, &store.written("backup", bytes));
        }
        for len in 0..text.len() {
            refused(&new, &store.written("backup", &text[..len]));
        }
        refused(&new, &store.written("backup", format!("{text}\n")));
        refused(&new, &store.written("backup", text.replace('\n', "\r\n")));
    }
    assert!(new.files().is_empty());
}

#[test]
fn a_backup_with_a_right_checksum_may_still_be_wrong() {
    use aws_lc_rs::digest::{SHA256, digest};
    let (new, store) = (folder(), folder());
    let body = |text: &str| text[..text.rfind("sha256").unwrap()].to_owned();
    let (plain, sealed) = (body(PLAIN), body(SEALED));
    for body in [
        plain.replace("AAECAwQF", "AAECAwQE"),
        plain.replace("local:db9b", "local:db9c"),
        plain.replace("Hh8=", "Hh9="),
        plain.replace("Hh8=", "Hg=="),
        "llm-keys master key backup 1\n".to_owned(),
        format!("{plain}\n"),
        format!("{plain}more\n"),
        sealed.replace("m=64", "m=1073741824"),
        sealed.replace("CQkJCQkJCQkJCQkJ", "CQkJ"),
        format!("{sealed}more\n"),
    ] {
        assert!(body != plain && body != sealed);
        let checksum = crate::context::hex(digest(&SHA256, body.as_bytes()).as_ref());
        refused(&new, &store.written("backup", format!("{body}sha256 {checksum}\n")));
    }
    // A cost or a header that is not the one it was sealed with gives another key or no key.
    for body in [sealed.replace("t=2", "t=3"), sealed.replace("ZnQ0", "ZnQ1")] {
        let checksum = crate::context::hex(digest(&SHA256, body.as_bytes()).as_ref());
        let from = store.written("backup", format!("{body}sha256 {checksum}\n"));
        let ask = || Ok(secret("correct horse"));
        let error = restore(&from, &new.path, &ask, &SystemRandom).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey));
    }
    assert!(new.files().is_empty());
}

#[test]
fn what_is_no_backup_says_so() {
    let (new, store) = (folder(), folder());
    let text = |text: &str| refused(&new, &store.written("backup", text)).to_string();
    assert!(text("").ends_with("is no backup of master keys"));
    assert!(text("hello\n").ends_with("is no backup of master keys"));
    let later = PLAIN.replace("backup 1", "backup 2");
    assert!(text(&later).ends_with("has a version that this program does not know"));
    let huge = store.written("huge", "x".repeat(MAX_LEN + 2));
    refused(&new, &huge);
    for none in [store.file("missing"), store.folder.path().to_owned()] {
        assert_eq!(new.restore(&none).unwrap_err().kind(), ErrorKind::Io);
    }
}

/// Restores nothing, asks nobody, and repeats no key.
fn refused(new: &Folder, from: &Path) -> Error {
    let error = new.restore(from).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured), "{error:?}");
    assert!(!format!("{error:?}").contains("AAECAwQF"));
    error
}

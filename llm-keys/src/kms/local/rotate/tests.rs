use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::error::{ErrorKind, KmsFault};
use crate::kms::local::{create, load};
use crate::kms::{KmsContext, KmsProvider as _, WrappedKey};
use crate::random::SystemRandom;
use crate::secret::DataKey;

const MISCONFIGURED: ErrorKind = ErrorKind::Kms(KmsFault::Misconfigured);

struct Folder {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

/// A folder with a fresh master key.
fn folder() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    create(&path, &SystemRandom).unwrap();
    Folder { path, _folder: folder }
}

impl Folder {
    fn open(&self) -> LocalKms {
        LocalKms::open(&self.path).unwrap()
    }

    fn rotate(&self) -> Rotated {
        rotate(&self.path, &SystemRandom).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.parent().unwrap()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }
}

fn write_private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn context() -> crate::EncryptionContext {
    crate::EncryptionContext::of_system(
        &crate::Tenant::default(),
        &crate::model::SystemName::new("test").unwrap(),
        uuid::Uuid::nil(),
        crate::Version::FIRST,
    )
}

async fn wrap(kms: &LocalKms) -> WrappedKey {
    let context = context();
    let context = KmsContext { context: &context, readable: false };
    kms.wrap_key(&DataKey::copy_from(&[5; 32]), context).await.unwrap()
}

async fn opens(kms: &LocalKms, wrapped: &WrappedKey) -> bool {
    let context = context();
    let context = KmsContext { context: &context, readable: false };
    match kms.unwrap_key(wrapped, context).await {
        Ok(key) => key.expose(|key| *key == [5; 32]),
        Err(_) => false,
    }
}

#[tokio::test]
async fn old_blobs_open_and_new_ones_use_the_new_key() {
    let folder = folder();
    let first = wrap(&folder.open()).await;
    let rotated = folder.rotate();
    assert_eq!(rotated.older, first.uri);
    assert_ne!(rotated.uri, first.uri);

    let kms = folder.open();
    let second = wrap(&kms).await;
    assert_eq!(second.uri, rotated.uri);
    assert!(opens(&kms, &first).await);

    folder.rotate();
    let kms = folder.open();
    assert!(opens(&kms, &first).await);
    assert!(opens(&kms, &second).await);
    assert_eq!(kms.older.len(), 2);
}

#[test]
fn the_old_key_is_kept_privately_under_its_id() {
    let folder = folder();
    let old = fs::read(&folder.path).unwrap();
    let rotated = folder.rotate();
    let name = format!("master.key.{}", &rotated.older.as_str()[6..22]);
    assert_eq!(rotated.kept, fs::canonicalize(folder.file(&name)).unwrap());
    assert_eq!(fs::read(&rotated.kept).unwrap(), old);
    for path in [&rotated.kept, &folder.path] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    assert_eq!(folder.names(), ["master.key".to_owned(), name]);
}

#[test]
fn a_crash_before_the_new_key_takes_its_place_hurts_nobody() {
    let folder = folder();
    let before = folder.open().current.uri;
    // The new key is written, and the old one has its second name.
    let leftover = folder.file(".master.key.00112233aabbccdd.tmp");
    write_private(&leftover, &[9; 32]);
    let second = folder.file(&format!("master.key.{}", &before.as_str()[6..22]));
    fs::hard_link(&folder.path, &second).unwrap();

    let kms = folder.open();
    assert_eq!(kms.current.uri, before);
    assert!(kms.older.is_empty());

    let rotated = folder.rotate();
    assert_eq!(rotated.older, before);
    assert!(!leftover.exists());
    assert_eq!(folder.names().len(), 2);
    assert_eq!(folder.open().older.len(), 1);
}

#[test]
fn an_older_key_must_be_what_its_name_says() {
    let folder = folder();
    let rotated = folder.rotate();
    write_private(&rotated.kept, &[9; 32]);
    let before = fs::read(&folder.path).unwrap();
    for error in [
        LocalKms::open(&folder.path).unwrap_err(),
        rotate(&folder.path, &SystemRandom).unwrap_err(),
    ] {
        assert_eq!(error.kind(), MISCONFIGURED);
        assert!(error.to_string().contains("holds another key than its name says"), "{error}");
    }
    assert_eq!(fs::read(&folder.path).unwrap(), before);
}

#[test]
fn an_older_key_is_as_private_as_the_current_one() {
    let folder = folder();
    let rotated = folder.rotate();
    fs::set_permissions(&rotated.kept, fs::Permissions::from_mode(0o644)).unwrap();
    let error = LocalKms::open(&folder.path).unwrap_err();
    assert_eq!(error.hint(), Some(format!("chmod 600 {}", rotated.kept.display()).as_str()));
}

#[test]
fn other_files_in_the_folder_are_not_read() {
    let folder = folder();
    for name in ["master.key.old", "master.key.0123456789ABCDEF", "master.key.0123", "keys.db"] {
        fs::write(folder.file(name), "x").unwrap();
    }
    assert!(folder.open().older.is_empty());
    folder.rotate();
    assert_eq!(folder.open().older.len(), 1);
}

#[test]
fn behind_a_symbolic_link_the_real_file_is_rotated() {
    let folder = folder();
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.key");
    symlink(&folder.path, &link).unwrap();
    let rotated = rotate(&link, &SystemRandom).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let kms = LocalKms::open(&link).unwrap();
    assert_eq!((kms.current.uri, kms.older.len()), (rotated.uri.clone(), 1));
    assert_eq!(load(&folder.path).unwrap().uri, rotated.uri);
}

#[test]
fn a_pipe_cannot_be_rotated() {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[7; 32]).unwrap();
    drop(writer);
    let path = format!("/dev/fd/{}", reader.as_raw_fd());
    assert_eq!(rotate(path, &SystemRandom).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn rotations_at_once_lose_no_key_and_readers_always_find_one() {
    let folder = folder();
    let first = folder.open().current.uri;
    let start = std::sync::Barrier::new(6);
    let rotated: Vec<_> = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..200 {
                    folder.open();
                }
            });
        }
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    (0..5).map(|_| folder.rotate()).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let kms = folder.open();
    let mut held: Vec<_> =
        kms.older.iter().map(|older| older.uri.clone()).chain([kms.current.uri]).collect();
    let mut made: Vec<_> = rotated.into_iter().map(|rotated| rotated.uri).chain([first]).collect();
    held.sort_unstable();
    made.sort_unstable();
    assert_eq!(held, made);
}

#[test]
fn a_process_killed_while_it_rotates_leaves_every_key() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    const PATH: &str = "LLM_KEYS_TEST_ROTATE_AT";
    // This test starts itself again, with the variable set, as the process that is killed.
    if let Some(path) = std::env::var_os(PATH) {
        loop {
            println!("made {}", rotate(&path, &SystemRandom).unwrap().uri);
        }
    }
    let folder = folder();
    let name = std::thread::current().name().unwrap().to_owned();
    let mut made = vec![folder.open().current.uri];
    for kill_after in 1..8 {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture"])
            .env(PATH, &folder.path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(|l| l.ok());
        let mut uris = lines.filter_map(|line| KeyUri::new(line.split_once("made ")?.1).ok());
        made.extend(uris.by_ref().take(kill_after));
        process.kill().unwrap();
        made.extend(uris);
        process.wait().unwrap();

        let kms = folder.open();
        let held: Vec<_> = std::iter::once(&kms.current).chain(&kms.older).collect();
        // The last one may have been made but not told.
        assert!(held.len() == made.len() || held.len() == made.len() + 1);
        assert!(made.iter().all(|uri| held.iter().any(|key| key.uri == *uri)));
        made = held.into_iter().map(|key| key.uri.clone()).collect();
        assert!(folder.rotate().older == made[0]);
        made.push(folder.open().current.uri);
        assert!(!folder.names().iter().any(|name| name.ends_with(".tmp")));
    }
}

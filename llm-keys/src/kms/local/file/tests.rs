use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::*;
use crate::kms::local::LocalKms;
use crate::random::SystemRandom;

const MISCONFIGURED: ErrorKind = ErrorKind::Kms(KmsFault::Misconfigured);

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A file with this many bytes and this mode, whatever the umask says.
fn file(folder: &tempfile::TempDir, len: usize, mode: u32) -> PathBuf {
    let path = folder.path().join("master.key");
    fs::write(&path, vec![7; len]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn refused(path: &Path) -> Error {
    let error = load(path).unwrap_err();
    assert_eq!(error.kind(), MISCONFIGURED, "{error:?}");
    error
}

fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_private_file_of_32_bytes_is_a_master_key() {
    for mode in [0o600, 0o400] {
        let folder = folder();
        let path = file(&folder, 32, mode);
        let expected = MasterKey::from_bytes(&[7; 32]).unwrap();
        assert_eq!(load(&path).unwrap().uri(), expected.uri(), "{mode:o}");
        assert_eq!(LocalKms::open(&path).unwrap().current.uri(), expected.uri(), "{mode:o}");
    }
}

#[test]
fn a_looser_mode_is_refused_with_the_command_to_run() {
    for mode in [0o644, 0o640, 0o604, 0o660, 0o700, 0o440] {
        let folder = folder();
        let path = file(&folder, 32, mode);
        let error = refused(&path);
        let shown = path.display();
        assert_eq!(
            error.to_string(),
            format!("the master key file {shown} has mode {mode:04o}, which must be 0600 or 0400")
        );
        assert_eq!(error.hint(), Some(format!("chmod 600 {shown}").as_str()));
        // The command helps.
        let hint = error.hint().unwrap();
        assert!(Command::new("sh").args(["-c", hint]).status().unwrap().success());
        assert!(load(&path).is_ok());
    }
}

#[test]
fn the_command_to_run_survives_an_odd_path() {
    let folder = folder();
    let odd = folder.path().join("it's a $HOME; x");
    fs::create_dir(&odd).unwrap();
    let path = odd.join("master.key");
    fs::rename(file(&folder, 32, 0o644), &path).unwrap();
    let error = refused(&path);
    assert!(Command::new("sh").args(["-c", error.hint().unwrap()]).status().unwrap().success());
    assert!(load(&path).is_ok());
}

#[test]
fn another_owner_is_refused_with_the_command_to_run() {
    // Only root can give a file away; the rule itself is tested beside it, for everybody.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = folder();
    let path = file(&folder, 32, 0o600);
    std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
    let error = refused(&path);
    assert!(error.to_string().contains("belongs to user 12345, not to user 0"), "{error}");
    assert_eq!(error.hint(), Some(format!("chown 0 {}", path.display()).as_str()));
}

#[test]
fn a_wrong_size_is_refused() {
    for (len, shown) in [(0, "0"), (31, "31"), (33, "more"), (5000, "more")] {
        let folder = folder();
        let error = refused(&file(&folder, len, 0o600));
        assert!(
            error.to_string().ends_with(&format!("must hold 32 bytes, not {shown}")),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = folder();
    let directory = refused(folder.path());
    assert!(directory.to_string().ends_with("is a directory"), "{directory}");
    let device = refused(Path::new("/dev/null"));
    assert!(device.to_string().ends_with("is neither a regular file nor a pipe"), "{device}");
    let through = refused(&file(&folder, 32, 0o600).join("x"));
    assert!(through.to_string().ends_with("cannot be opened"), "{through}");
}

#[test]
fn a_missing_file_says_how_to_get_one() {
    let folder = folder();
    let missing = folder.path().join("master.key");
    let dangling = folder.path().join("link");
    symlink(&missing, &dangling).unwrap();
    for path in [&missing, &dangling] {
        let error = refused(path);
        assert!(error.to_string().ends_with("is missing"), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.contains("`llm-keys init`"), "{hint}");
        assert!(hint.contains("`llm-keys kms local restore FILE`"), "{hint}");
    }
}

#[test]
fn a_symbolic_link_is_as_good_as_what_it_points_to() {
    let folder = folder();
    let path = file(&folder, 32, 0o600);
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(load(&link).is_ok());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&link).to_string().contains("has mode 0644"));
}

#[test]
fn a_pipe_is_read_to_its_end() {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    for (len, fine) in [(32, true), (31, false), (33, false)] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&vec![7; len]).unwrap();
        drop(writer);
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let opened = LocalKms::open(&path);
        assert_eq!(opened.is_ok(), fine, "{len}: {opened:?}");
    }
}

#[test]
fn a_named_pipe_without_a_writer_does_not_hang() {
    let folder = folder();
    let path = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    assert!(refused(&path).to_string().ends_with("must hold 32 bytes, not 0"));
}

#[test]
fn an_inherited_file_can_be_named_by_its_number() {
    use std::os::fd::AsRawFd as _;
    let folder = folder();
    let open = fs::File::open(file(&folder, 32, 0o400)).unwrap();
    let path = format!("/dev/fd/{}", open.as_raw_fd());
    assert!(LocalKms::open(&path).is_ok());
    // Even if it has no name any more.
    fs::remove_file(folder.path().join("master.key")).unwrap();
    assert!(LocalKms::open(&path).is_ok());
}

#[test]
fn a_new_key_is_private_whole_and_alone_in_its_folder() {
    let folder = folder();
    let path = folder.path().join("master.key");
    let made = create(&path, &SystemRandom).unwrap();
    assert!(made.fresh);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o7777, metadata.len()), (0o600, 32));
    assert_eq!(names(&folder), ["master.key"]);
    let again = create(&path, &SystemRandom).unwrap();
    assert!(!again.fresh);
    assert_eq!(again.master.uri(), made.master.uri());
}

#[test]
fn an_unusable_file_is_never_replaced() {
    for (len, mode) in [(31, 0o600), (32, 0o644)] {
        let folder = folder();
        let path = file(&folder, len, mode);
        assert_eq!(create(&path, &SystemRandom).unwrap_err().kind(), MISCONFIGURED);
        assert_eq!(fs::read(&path).unwrap(), vec![7; len]);
    }
    let folder = folder();
    let link = folder.path().join("link");
    symlink(folder.path().join("nowhere"), &link).unwrap();
    assert!(create(&link, &SystemRandom).is_err());
    assert_eq!(names(&folder), ["link"]);
}

#[test]
fn no_new_key_takes_the_place_of_a_lost_one() {
    let folder = folder();
    let path = folder.path().join("master.key");
    fs::write(folder.path().join("master.key.0123456789abcdef"), [7; 32]).unwrap();
    let error = create(&path, &SystemRandom).unwrap_err();
    assert_eq!(error.kind(), MISCONFIGURED);
    assert!(error.hint().unwrap().contains("restore"), "{error:?}");
    assert!(!path.exists());
}

#[test]
fn a_missing_folder_is_named() {
    let folder = folder();
    let error = create(folder.path().join("no/master.key"), &SystemRandom).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let made = folder.path().join("no");
    assert_eq!(error.hint(), Some(format!("mkdir -p -m 700 {}", made.display()).as_str()));
    assert_eq!(create("/", &SystemRandom).unwrap_err().kind(), MISCONFIGURED);
    assert_eq!(create("", &SystemRandom).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn leftovers_of_a_crash_go_and_other_files_stay() {
    let folder = folder();
    let path = folder.path().join("master.key");
    let leftover = folder.path().join(".master.key.0123456789abcdef.tmp");
    let in_use = folder.path().join(".master.key.fedcba9876543210.tmp");
    let other = folder.path().join(".master.key.0123.tmp");
    for path in [&leftover, &other, &in_use] {
        fs::write(path, [7; 32]).unwrap();
    }
    let held = fs::OpenOptions::new().write(true).mode(0o600).open(&in_use).unwrap();
    held.lock().unwrap();
    assert!(create(&path, &SystemRandom).unwrap().fresh);
    assert!(!leftover.exists());
    assert!(other.exists());
    assert!(in_use.exists());
}

#[test]
fn of_many_threads_exactly_one_makes_the_key() {
    let folder = folder();
    let path = folder.path().join("master.key");
    let start = std::sync::Barrier::new(8);
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    create(&path, &SystemRandom).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|made| made.fresh).count(), 1);
    let uri = load(&path).unwrap().uri;
    assert!(made.iter().all(|made| made.master.uri == uri));
    assert_eq!(names(&folder), ["master.key"]);
}

#[test]
fn of_many_processes_exactly_one_makes_the_key() {
    const PATH: &str = "LLM_KEYS_TEST_CREATE_AT";
    // This test starts itself again, with the variable set, as each of the processes.
    if let Some(path) = std::env::var_os(PATH) {
        // Until our parent says so, so that all start at once.
        std::io::stdin().read_line(&mut String::new()).unwrap();
        let made = create(PathBuf::from(path), &SystemRandom).unwrap();
        println!("made {} {}", made.fresh, made.master.uri());
        return;
    }
    let folder = folder();
    let path = folder.path().join("master.key");
    let name = std::thread::current().name().unwrap().to_owned();
    let mut processes: Vec<_> = (0..6)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", &name, "--nocapture"])
                .env(PATH, &path)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for process in &mut processes {
        drop(process.stdin.take());
    }
    let mut fresh = 0;
    let uri = processes.into_iter().map(|process| {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.split_once("made ")).unwrap().1;
        let (made, uri) = line.split_once(' ').unwrap();
        fresh += usize::from(made == "true");
        uri.to_owned()
    });
    let uris: Vec<_> = uri.collect();
    assert_eq!(fresh, 1);
    let uri = load(&path).unwrap().uri;
    assert_eq!(uris, vec![uri.as_str(); 6]);
}

//! `import` and `export`: whole runs, runs that were killed, and what other programs sealed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::sandbox::{PROGRAM, Sandbox, feed};

mod kms;

/// A file in the sandbox's working directory that only we may read.
fn file(sandbox: &Sandbox, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = sandbox.work().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn import(sandbox: &Sandbox, args: &[&str]) -> Value {
    let args = [&["import", "--yes", "--json"], args].concat();
    serde_json::from_str(&sandbox.must(&args, "")).unwrap()
}

fn listed(sandbox: &Sandbox) -> Vec<Value> {
    serde_json::from_str(&sandbox.must(&["list", "--json"], "")).unwrap()
}

fn rows(count: usize) -> String {
    let mut text = String::from("service,user_id,key\n");
    for n in 0..count {
        writeln!(text, "openai,user-{n},sk-test-{n:08}").unwrap();
    }
    text
}

#[test]
fn a_run_that_was_killed_goes_on_where_it_ended() {
    const ROWS: usize = 2000;
    let sandbox = Sandbox::new();
    sandbox.must(&["init"], "");
    file(&sandbox, "keys.csv", rows(ROWS));
    let mut kills = 0;
    loop {
        let before = listed(&sandbox).len();
        let mut child = sandbox.start(&["import", "keys.csv", "--yes", "--json"]);
        // As soon as some more are stored, or it has ended.
        let ended = loop {
            if child.try_wait().unwrap().is_some() {
                break true;
            }
            if kills < 3 && listed(&sandbox).len() > before {
                break false;
            }
        };
        if ended {
            let output = child.wait_with_output().unwrap();
            let done: Value = serde_json::from_slice(&output.stdout).unwrap();
            let count = |name: &str| done[name].as_u64().unwrap();
            assert_eq!(count("stored") + count("unchanged"), ROWS as u64);
            assert_eq!(count("unchanged"), before as u64);
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0, "it was never killed in time");
    let keys = listed(&sandbox);
    assert_eq!(keys.len(), ROWS);
    assert!(keys.iter().all(|key| key["version"] == 1), "a key was stored twice");
    assert_eq!(sandbox.must(&["get", "openai", "--user", "user-1999"], ""), "sk-test-00001999");
    assert_eq!(import(&sandbox, &["keys.csv"])["unchanged"], ROWS);
}

#[test]
fn nothing_is_made_for_a_file_that_is_bad_or_only_looked_at() {
    let sandbox = Sandbox::new();
    let long = "x".repeat(10 << 20);
    let files: [(&str, Vec<u8>); 9] = [
        ("long.csv", format!("service,key\nopenai,{long}\n").into()),
        ("long.jsonl", format!("{{\"service\":\"openai\",\"key\":\"{long}\"}}").into()),
        ("long.env", format!("OPENAI_API_KEY={long}\n").into()),
        ("nul.csv", b"service,key\nopenai,a\0b\n".to_vec()),
        ("twice.csv", b"service,key,key\nopenai,a,b\n".to_vec()),
        ("utf16.jsonl", b"\xff\xfe{\0\"\0".to_vec()),
        ("empty.csv", Vec::new()),
        ("not.age", b"age-encryption.org/v1\n-> X25519 ".to_vec()),
        ("none.age", vec![0; 100]),
    ];
    for (name, content) in files {
        file(&sandbox, name, content);
        let output = sandbox.run(&["import", name, "--yes"], "");
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {talk}");
        assert!(talk.len() < 1000 && !talk.contains("xxxxx"), "{name}");
    }
    file(&sandbox, "good.env", "OPENAI_API_KEY=sk-test-1");
    sandbox.must(&["import", "good.env", "--dry-run"], "");
    let refused = sandbox.run(&["import", "good.env"], "y\n");
    assert_eq!(refused.status.code(), Some(2));
    assert!(!sandbox.home().exists());
}

#[test]
fn a_pipe_will_do() {
    let sandbox = Sandbox::new();
    let script =
        format!("{PROGRAM} import <(echo OPENAI_API_KEY=sk-test-piped) --format env --yes");
    let output = sandbox.command("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(sandbox.must(&["get", "openai"], ""), "sk-test-piped");
}

#[test]
fn the_environment_is_neither_read_nor_expanded() {
    let sandbox = Sandbox::new();
    file(&sandbox, ".env", "OPENAI_API_KEY='sk-$SECRET'\nGROQ_API_KEY=plain$\n");
    let mut command = sandbox.command(PROGRAM);
    command.env("SECRET", "expanded").env("MISTRAL_API_KEY", "from-the-environment");
    let output = feed(
        {
            command.args(["import", ".env", "--yes"]);
            command
        },
        "",
    );
    assert!(output.status.success());
    assert_eq!(sandbox.must(&["get", "openai"], ""), "sk-$SECRET");
    assert_eq!(listed(&sandbox).len(), 2);
}

/// Everything of a key that a backup holds.
fn of_backup(sandbox: &Sandbox) -> BTreeMap<String, Value> {
    let keys = listed(sandbox).into_iter().map(|key| {
        let id = format!("{}/{}/{}", key["owner"], key["service"], key["name"]);
        let parts = ["hint", "labels", "expires_at"].map(|part| key[part].clone());
        (id, json!(parts))
    });
    keys.collect()
}

#[test]
fn a_backup_holds_everything_and_only_for_its_recipients() {
    let sandbox = Sandbox::new();
    let other = Sandbox::new();
    let not_text: &[u8] = &[b"sk-\xff\xfe-not-text-key".as_slice()].concat();
    file(&sandbox, "not-text", not_text);
    file(&sandbox, "multi", "line one\nline \"two\"\u{7}");
    sandbox
        .must(&["store", "openai", "--label", "env=prod", "--label", "a/b=c d"], "sk-test-1234567");
    sandbox.must(&["store", "openai"], "sk-test-second-version");
    sandbox.must(&["store", "a", "--user", "global", "--expires", "90d"], "sk-test-of-a-user");
    sandbox.must(&["store", "a", "--team", "x y", "--name", "n"], "sk-test-of-a-team");
    sandbox.must(&["store", "b", "--key-file", "not-text"], "");
    sandbox.must(&["store", "c", "--key-file", "multi"], "");

    let [mine, theirs] = [(), ()].map(|()| age::x25519::Identity::generate());
    let recipients = format!("# all of us\n\n{}\n", theirs.to_public());
    file(&sandbox, "recipients", recipients);
    let mine_public = mine.to_public().to_string();
    let events = sandbox.must(
        &[
            "export",
            "--to-age",
            "all.age",
            "--recipient",
            &mine_public,
            "--recipients-file",
            "recipients",
            "--events",
            "events.jsonl",
        ],
        "",
    );
    assert_eq!(events, "");
    // Each key is recorded as read.
    let events = fs::read_to_string(sandbox.work().join("events.jsonl")).unwrap();
    assert_eq!(events.lines().filter(|line| line.contains("key_get")).count(), 5);
    let backup = fs::read(sandbox.work().join("all.age")).unwrap();
    for part in [&b"sk-test"[..], b"openai", b"not-text"] {
        assert!(!backup.windows(part.len()).any(|window| window == part));
    }

    use age::secrecy::ExposeSecret as _;
    let stranger = age::x25519::Identity::generate();
    file(&other, "all.age", &backup);
    file(&other, "stranger", stranger.to_string().expose_secret());
    let refused = other.run(&["import", "all.age", "--identity", "stranger", "--yes"], "");
    assert_eq!(refused.status.code(), Some(2));
    let refused = other.run(&["import", "all.age", "--yes"], "");
    assert_eq!(refused.status.code(), Some(2));
    assert!(!other.home().exists());

    file(&other, "theirs", format!("# key\n{}\n", theirs.to_string().expose_secret()));
    let done = import(&other, &["all.age", "--identity", "theirs"]);
    assert_eq!((&done["stored"], &done["bad"]), (&json!(5), &json!([])), "{done}");
    assert_eq!(of_backup(&sandbox), of_backup(&other));
    for get in [
        &["openai"][..],
        &["a", "--user", "global"],
        &["a", "--team", "x y", "--name", "n"],
        &["b"],
        &["c"],
    ] {
        let get = [&["get"], get].concat();
        assert!(sandbox.run(&get, "").stdout == other.run(&get, "").stdout, "{get:?}");
    }
    assert!(other.run(&["get", "b"], "").stdout == not_text);
    assert_eq!(import(&other, &["all.age", "--identity", "theirs"])["unchanged"], 5);
}

#[test]
fn a_backup_that_was_changed_or_cut_off_stores_nothing() {
    let sandbox = Sandbox::new();
    for n in 0..3 {
        sandbox.must(&["store", "a", "--name", &format!("n{n}")], "sk-test-1234567");
    }
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    sandbox.must(&["export", "--to-age", "all.age", "--recipient", &public], "");
    let backup = fs::read(sandbox.work().join("all.age")).unwrap();
    let other = Sandbox::new();
    use age::secrecy::ExposeSecret as _;
    file(&other, "identity", identity.to_string().expose_secret());
    let refused = |content: &[u8]| {
        file(&other, "changed.age", content);
        let output = other.run(&["import", "changed.age", "--identity", "identity", "--yes"], "");
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    };
    for len in [0, 10, 30, backup.len() / 2, backup.len() - 1] {
        refused(&backup[..len]);
    }
    for at in [0, 25, 60, backup.len() / 2, backup.len() - 1] {
        let mut changed = backup.clone();
        changed[at] ^= 1;
        refused(&changed);
    }
    refused(&[&backup[..], b"x"].concat());
    assert!(!other.home().exists());
}

#[test]
fn fernet_tokens_of_python() {
    let python = std::env::var("LLM_KEYS_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = "
import json, sys
from cryptography.fernet import Fernet
key = Fernet.generate_key()
open('legacy.key', 'wb').write(key)
with open('rows.csv', 'w') as rows:
    rows.write('id,user_id,name,service_type,encrypted_data,expires_at\\n')
    for n in range(3):
        data = json.dumps({'api_key': f'sk-test-fernet-{n:04}', 'model': 'x', 'organization': 'o'})
        rows.write(f'{n},user-{n},main,openai,{Fernet(key).encrypt(data.encode()).decode()},\\n')
";
    let sandbox = Sandbox::new();
    let made = Command::new(python)
        .args(["-c", script])
        .current_dir(sandbox.work())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let fernet = ["rows.csv", "--from-cipher", "fernet", "--legacy-key-file", "legacy.key"];
    let done = import(&sandbox, &[&fernet[..], &["--key-field", "api_key"]].concat());
    assert_eq!(done["stored"], 3, "{done}");
    let get = ["get", "openai", "--user", "user-2", "--name", "main"];
    assert_eq!(sandbox.must(&get, ""), "sk-test-fernet-0002");
    // Without a member the whole object is the key.
    import(&sandbox, &[&fernet[..], &["--update"]].concat());
    assert!(sandbox.must(&get, "").starts_with("{\"api_key\""));
}

/// Whether a file or a stream shows a key.
fn shows(bytes: &[u8], key: &str) -> bool {
    bytes.windows(key.len()).any(|window| window == key.as_bytes())
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}

#[test]
fn keys_are_in_no_output_and_no_other_file() {
    const CANARY: &str = "sk-canary-Hn4vQ8sT2wLmX6zRk9Pd";
    let sandbox = Sandbox::new();
    let json = format!("{{\"service\":\"openai\",\"key\":\"{CANARY}\"}}\n");
    file(&sandbox, "a.env", format!("OPENAI_API_KEY={CANARY}\nX={CANARY}\n{CANARY}\n"));
    file(&sandbox, "a.csv", format!("service,key\nopenai,{CANARY}\n{CANARY},x\n{CANARY}\n"));
    file(&sandbox, "b.csv", format!("{CANARY},x\nopenai,{CANARY}\n"));
    file(
        &sandbox,
        "a.jsonl",
        format!("{json}{CANARY}\n{{\"service\":\"{CANARY}\",\"key\":\"x\"}}\n"),
    );
    file(&sandbox, "pass", "a good passphrase");
    let runs: &[&[&str]] = &[
        &["import", "a.env", "--yes"],
        &["import", "a.env", "--yes", "--skip-bad", "--map", "X=other"],
        &["import", "a.csv", "--yes", "--skip-bad"],
        &["import", "b.csv", "--yes"],
        &["import", "a.jsonl", "--yes", "--skip-bad"],
        &["import", "a.jsonl", "--yes", "--from-cipher", "gcm-hex", "--legacy-key-file", "pass"],
        &["import", "a.jsonl", "--format", "age", "--yes"],
        &["import", "a.env", "--map", CANARY],
        &["import", CANARY],
        &["export", "--to-age", "all.age", "--age-passphrase-file", "pass"],
        &["export", "--to-age", "all.age", "--recipient", CANARY],
        &["run", "--service", "openai", "--", "true"],
        &["run", "--service", CANARY, "--", "true"],
        &["run", "--env", CANARY, "--", "true"],
    ];
    for args in runs {
        let mut command = sandbox.command(PROGRAM);
        command.args(*args).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
        let Output { stdout, stderr, status } = feed(command, "");
        assert!(!shows(&stdout, CANARY), "{args:?}: on standard output");
        let named = args.contains(&CANARY) && args[0] == "import" && args.len() == 2;
        // The name of a file that is not there is said.
        assert!(named || !shows(&stderr, CANARY), "{args:?}: on standard error");
        assert_ne!(status.code(), Some(101), "{args:?}");
    }
    assert_eq!(sandbox.must(&["get", "openai"], ""), CANARY);
    let mut all = Vec::new();
    files(sandbox.path(), &mut all);
    all.retain(|path| shows(&fs::read(path).unwrap(), CANARY));
    let mut names: Vec<_> = all.iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["a.csv", "a.env", "a.jsonl", "b.csv"]);
}

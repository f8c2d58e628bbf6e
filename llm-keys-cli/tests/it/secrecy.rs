//! The key is nowhere but where it belongs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use crate::sandbox::{PROGRAM, Sandbox, feed};

const CANARY: &str = "sk-canary-Zq7vX2mN8pLr4TwY6kHd";

/// The canary as it is, and as logs like to print bytes.
fn forms() -> Vec<Vec<u8>> {
    let bytes = CANARY.as_bytes();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let list = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    vec![bytes.to_vec(), hex.to_uppercase().into(), hex.into(), list.into(), bytes[10..26].to_vec()]
}

fn holds_canary(bytes: &[u8]) -> bool {
    forms().iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
}

/// Every file below `folder` that holds the canary.
fn files_with_canary(folder: &Path, found: &mut Vec<String>) -> usize {
    let mut looked = 0;
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            looked += files_with_canary(&path, found);
        } else {
            looked += 1;
            if holds_canary(&fs::read(&path).unwrap()) {
                found.push(path.display().to_string());
            }
        }
    }
    looked
}

#[test]
fn the_search_finds_what_it_looks_for() {
    assert!(holds_canary(format!("key={CANARY}!").as_bytes()));
    assert!(holds_canary(format!("{:?}", CANARY.as_bytes()).as_bytes()));
    assert!(!holds_canary(b"sk-canary-"));
}

#[test]
fn a_store_from_stdin_shows_the_key_to_nobody() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.start(&["store", "a", "--events", "events.jsonl"]);
    let mut stdin = child.stdin.take().unwrap();
    let about = Path::new("/proc").join(child.id().to_string());
    // First while it waits for more of the key, then until it has ended.
    stdin.write_all(CANARY.as_bytes()).unwrap();
    let mut looked = 0;
    let mut stdin = Some(stdin);
    while child.try_wait().unwrap().is_none() {
        for name in ["cmdline", "environ", "comm", "status"] {
            let mut bytes = Vec::new();
            // It may have ended meanwhile.
            let read = fs::File::open(about.join(name)).and_then(|mut f| f.read_to_end(&mut bytes));
            if read.is_ok() && !bytes.is_empty() {
                assert!(!holds_canary(&bytes), "{name}");
                looked += 1;
            }
        }
        drop(stdin.take());
    }
    assert!(looked >= 3, "it ended before it was looked at");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && !holds_canary(&output.stderr));
    assert_eq!(sandbox.must(&["get", "a"], ""), CANARY);
    let mut found = Vec::new();
    assert!(files_with_canary(sandbox.path(), &mut found) >= 3);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_trace_of_everything_holds_no_key() {
    let sandbox = Sandbox::new();
    let too_long = CANARY.repeat(1000);
    let with_nul = format!("{CANARY}\0{CANARY}");
    let not_text = [CANARY.as_bytes(), &[0xff]].concat();
    fs::write(sandbox.work().join("not-text"), not_text).unwrap();
    let runs: &[(&[&str], &str)] = &[
        (&["init"], ""),
        (&["store", "a", "--label", "k=v", "--events", "events.jsonl"], CANARY),
        (&["store", "a", "--expect-version", "7"], CANARY),
        (&["store", "a", "--json"], CANARY),
        (&["store", "a"], &too_long),
        (&["store", "a"], &with_nul),
        (&["store", "b", "--key-file", "not-text"], ""),
        (&["get", "b", "--json"], ""),
        (&["get", "a", "--events", "/dev/full"], ""),
        (&["list"], ""),
        (&["show", "a", "--json"], ""),
        (&["deactivate", "a"], ""),
        (&["get", "a"], ""),
        (&["activate", "a"], ""),
        (&["doctor", "--json"], ""),
        (&["kms", "local", "rotate"], ""),
        // The key in a wrong place.
        (&["store", CANARY], ""),
        (&["store", "a", CANARY], ""),
        (&["store", "a", "--user", "a", "--team", CANARY], ""),
        (&["store", "a", "--name", CANARY], "x"),
        (&["store", "a", "--expires", CANARY], "x"),
        (&["store", "a", "--expect-version", CANARY], "x"),
        (&["store", "a", "--label", CANARY], "x"),
        (&["store", "a", "--from-env", CANARY], "x"),
        (&["store", "a", "--database", CANARY], "x"),
        (&["store", "a", "--kms", CANARY], "x"),
        (&["completions", CANARY], ""),
        (&[CANARY], ""),
    ];
    let mut talked = 0;
    for (args, input) in runs {
        for json in [false, true] {
            let mut command = sandbox.command(PROGRAM);
            command.args(*args).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
            if json && !args.contains(&"--json") {
                command.arg("--json");
            }
            let output = feed(command, input);
            talked += output.stderr.len();
            let shown = String::from_utf8_lossy(&output.stderr).replace(CANARY, "<THE KEY>");
            assert!(!holds_canary(&output.stdout), "{args:?}: on standard output");
            assert!(!holds_canary(&output.stderr), "{args:?}: {shown}");
            assert_ne!(output.status.code(), Some(101), "{args:?}: {shown}");
        }
    }
    assert!(talked > 10_000, "the trace has only {talked} bytes");

    // `get` itself: on standard output, and there alone.
    let mut command = sandbox.command(PROGRAM);
    command.args(["get", "a"]).env("RUST_LOG", "trace");
    let output = feed(command, "");
    assert_eq!(output.stdout, CANARY.as_bytes());
    assert!(!holds_canary(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("key_get"));

    fs::remove_file(sandbox.work().join("not-text")).unwrap();
    let mut found = Vec::new();
    files_with_canary(sandbox.path(), &mut found);
    assert_eq!(found, [""; 0]);
}

#[test]
fn logs_are_off_unless_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "a"], CANARY);
    let quiet = sandbox.run(&["get", "a"], "");
    assert_eq!(String::from_utf8(quiet.stderr).unwrap(), "");
    let loud = sandbox.run(&["get", "a", "-v"], "");
    let log = String::from_utf8(loud.stderr).unwrap();
    assert!(log.contains("key_get") && log.contains("cli:tester"), "{log}");
    assert_eq!(loud.stdout, CANARY.as_bytes());
    // With `--json` each line of standard error is JSON.
    let json = sandbox.run(&["get", "none", "-vv", "--json"], "");
    let lines = String::from_utf8(json.stderr).unwrap();
    assert!(lines.lines().count() >= 2, "{lines}");
    for line in lines.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
}

//! Several processes at once, and processes that end too early.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use llm_keys::{Clock as _, SystemClock};
use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{PROGRAM, Sandbox};

/// Both also race to make the folders, the master key and the database.
#[test]
fn two_processes_store_at_once() {
    const EACH: u32 = 20;
    let sandbox = Sandbox::new();
    // Every version is read at the end.
    std::fs::create_dir(sandbox.home()).unwrap();
    std::fs::write(sandbox.home().join("config.toml"), "keep_versions = 100\n").unwrap();
    let store_all = |who: &str| {
        let mut acknowledged = Vec::new();
        for n in 0..EACH {
            let value = format!("sk-test-{who}-{n:04}");
            // Half of them new versions of one key, half keys of their own.
            let id = if n % 2 == 0 { "shared".to_owned() } else { format!("{who}-{n}") };
            let text = sandbox.must(&["store", &id, "--json"], &value);
            let stored: serde_json::Value = serde_json::from_str(&text).unwrap();
            acknowledged.push((id, stored["version"].as_u64().unwrap(), value));
        }
        acknowledged
    };
    let acknowledged = thread::scope(|scope| {
        let [first, second] = ["one", "two"].map(|who| scope.spawn(move || store_all(who)));
        [first.join().unwrap(), second.join().unwrap()].concat()
    });

    let mut shared = BTreeMap::new();
    for (id, version, value) in &acknowledged {
        assert_eq!(sandbox.must(&["get", id, "--version", &version.to_string()], ""), *value);
        if id == "shared" {
            assert_eq!(shared.insert(*version, value), None, "version {version} was given twice");
        }
    }
    assert_eq!(
        shared.keys().copied().collect::<Vec<_>>(),
        (1..=u64::from(EACH)).collect::<Vec<_>>()
    );
    assert_eq!(sandbox.must(&["get", "shared"], ""), **shared.values().last().unwrap());
    sandbox.must(&["doctor"], "");
}

#[test]
fn every_acknowledged_key_survives_kill_9() {
    const RUNS: u32 = 24;
    let sandbox = Sandbox::new();
    let usual = time_of_first_store(&sandbox);
    let mut acknowledged = vec![("first".to_owned(), "sk-test-first".to_owned())];
    let mut killed = 0;
    for run in 0..RUNS {
        let (id, value) = (format!("k{run}"), format!("sk-test-{run:08}"));
        // From at once to half as long again as a store takes.
        if store_and_kill(&sandbox, &id, &value, usual * run * 3 / (RUNS * 2)) {
            acknowledged.push((id, value));
        } else {
            killed += 1;
        }
    }
    assert!(killed > 0, "no process was killed in time");
    for (id, value) in acknowledged {
        assert_eq!(sandbox.must(&["get", &id], ""), value);
    }
    sandbox.must(&["doctor"], "");
}

#[test]
fn a_first_use_that_was_killed_is_no_trouble_for_the_next() {
    const RUNS: u32 = 12;
    let usual = time_of_first_store(&Sandbox::new());
    for run in 0..RUNS {
        let sandbox = Sandbox::new();
        let done = store_and_kill(&sandbox, "a", "sk-test-killed", usual * run / RUNS);
        sandbox.must(&["store", "b"], "sk-test-next");
        assert_eq!(sandbox.must(&["get", "b"], ""), "sk-test-next");
        if done {
            assert_eq!(sandbox.must(&["get", "a"], ""), "sk-test-killed");
        }
        sandbox.must(&["doctor"], "");
    }
}

/// How long a store takes that makes everything; it stores `first`.
fn time_of_first_store(sandbox: &Sandbox) -> Duration {
    let clock = SystemClock::new();
    sandbox.must(&["store", "first"], "sk-test-first");
    clock.monotonic()
}

/// Starts to store, kills the process after a while, and says whether it was done before.
fn store_and_kill(sandbox: &Sandbox, id: &str, value: &str, after: Duration) -> bool {
    let mut child = sandbox.start(&["store", id]);
    let _ = child.stdin.take().unwrap().write_all(value.as_bytes());
    // When it is killed is what this is about; there is nothing else to wait for.
    thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap().success()
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "a"], "sk-test-a");
    for args in [&["list"][..], &["get", "a"], &["completions", "bash"], &["help"], &["demo"]] {
        let mut child = sandbox.start(args);
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), talk.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn ctrl_c_ends_a_store_that_waits_for_its_key() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.start(&["store", "a"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"sk-test-").unwrap();
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::INT.as_raw()));
    assert!(!sandbox.home().exists());
}

#[test]
fn a_pipe_that_is_full_is_waited_for() {
    let sandbox = Sandbox::new();
    let key = "x".repeat(16 * 1024);
    for n in 0..3 {
        sandbox.must(&["store", "long", "--name", &format!("n{n}")], &key);
    }
    // More than a pipe holds, read slowly by another process.
    let script = format!(
        "for n in 0 1 2 3 4 5; do {PROGRAM} get long --name n$((n % 3)); done | (sleep 0.2; wc -c)"
    );
    let mut command = sandbox.command("sh");
    let output = command.arg("-c").arg(script).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), (6 * 16 * 1024).to_string());
}

//! An HSM that is away, so that a thread hangs in its library for ever: the program still ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use llm_keys::{Clock as _, SystemClock};
use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{PROGRAM, Sandbox};

/// What opening a PKCS#11 key, and a call of a KMS, may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// The library, built by the C compiler that our ciphers need anyway.
fn module(sandbox: &Sandbox) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/hung_hsm/module.c");
    let library = sandbox.path().join("hangs.so");
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    assert!(compiler.status().unwrap().success());
    library
}

fn uri(module: &Path) -> String {
    // Token and key are known by the URI, so that opening it does not need the token.
    format!("pkcs11:token=t;serial=1;object=k;id=%01?module-path={}", module.display())
}

/// `llm-keys kms check` on a key of `module`, with these variables more.
fn check(sandbox: &Sandbox, kms: &str, more: &[(&str, &str)]) -> Child {
    let mut command = sandbox.command(PROGRAM);
    command.args(["kms", "check", "--json", "--kms", kms]).envs(more.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end, but not for ever.
fn end(mut child: Child, clock: &SystemClock) -> Output {
    while child.try_wait().unwrap().is_none() {
        if clock.monotonic() > 2 * DEADLINE {
            child.kill().unwrap();
            panic!("it does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// It must end with a failed check within `DEADLINE` and a second.
fn assert_ends_in_time(child: Child, clock: &SystemClock) {
    let output = end(child, clock);
    let (took, said) = (clock.monotonic(), String::from_utf8(output.stdout).unwrap());
    assert_eq!(output.status.code(), Some(9), "{said}");
    assert!(said.contains(r#""code":"kms_unavailable""#), "{said}");
    assert!(took < DEADLINE + Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_module_that_hangs_at_its_start_is_left_behind() {
    let sandbox = Sandbox::new();
    let uri = uri(&module(&sandbox));
    let clock = SystemClock::new();
    let child = check(&sandbox, &uri, &[("HANG_AT_START", "1")]);
    assert_ends_in_time(child, &clock);
}

#[test]
fn a_token_that_hangs_is_left_behind() {
    let sandbox = Sandbox::new();
    let uri = uri(&module(&sandbox));
    let clock = SystemClock::new();
    assert_ends_in_time(check(&sandbox, &uri, &[]), &clock);
}

/// As on a network drive that is gone: the thread hangs in the loader, and holds its lock.
#[test]
fn a_module_that_cannot_be_read_is_left_behind() {
    let sandbox = Sandbox::new();
    let pipe = sandbox.path().join("module.so");
    let mut make = Command::new("mkfifo");
    assert!(make.arg(&pipe).status().unwrap().success());
    let clock = SystemClock::new();
    assert_ends_in_time(check(&sandbox, &uri(&pipe), &[]), &clock);
}

/// Presses Ctrl-C as soon as the library hangs; it must end at once.
fn interrupt(child: Child, mark: &Path) {
    let clock = SystemClock::new();
    while !mark.exists() {
        assert!(clock.monotonic() < DEADLINE, "the library is not called");
        thread::sleep(Duration::from_millis(5));
    }
    let clock = SystemClock::new();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(end(child, &clock).status.code(), Some(130));
    assert!(clock.monotonic() < Duration::from_secs(1), "{:?}", clock.monotonic());
}

#[test]
fn ctrl_c_ends_it_at_once() {
    let sandbox = Sandbox::new();
    let (uri, mark) = (uri(&module(&sandbox)), sandbox.path().join("hangs"));
    interrupt(check(&sandbox, &uri, &[("HANGS", mark.to_str().unwrap())]), &mark);
}

#[test]
fn ctrl_c_leaves_the_database_as_it_was() {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "a"], "sk-test-before");
    let (uri, mark) = (uri(&module(&sandbox)), sandbox.path().join("hangs"));
    let value = sandbox.path().join("value");
    std::fs::write(&value, "sk-test-after").unwrap();
    let mut command = sandbox.command(PROGRAM);
    command.args(["store", "a", "--kms", "local", "--kms", &uri]).env("HANGS", &mark);
    command.stdin(File::open(&value).unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    interrupt(command.spawn().unwrap(), &mark);
    assert_eq!(sandbox.must(&["get", "a"], ""), "sk-test-before");
    sandbox.must(&["doctor"], "");
}

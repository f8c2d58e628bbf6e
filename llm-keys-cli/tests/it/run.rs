//! `run`: what the program finds, and whose signals and exit codes they are.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Output};

use rexpect::session::spawn_command;
use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{PROGRAM, Sandbox, feed};

const KEY: &str = "sk-test-run-0123456789";

fn with_key() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "anthropic"], KEY);
    sandbox
}

fn run(sandbox: &Sandbox, command: &[&str]) -> Output {
    sandbox.run(&[&["run", "--service", "anthropic", "--"], command].concat(), "")
}

fn start(sandbox: &Sandbox, script: &str) -> Child {
    sandbox.start(&["run", "--service", "anthropic", "--", "sh", "-c", script])
}

fn environment(output: &Output) -> BTreeMap<String, String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let pairs = text.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_program_finds_our_environment_with_the_keys_and_without_what_is_ours() {
    let sandbox = with_key();
    sandbox.must(&["store", "gemini", "--name", "work"], "gemini-test-key");
    let mut command = sandbox.command(PROGRAM);
    let expected: BTreeMap<_, _> = command
        .env("ANTHROPIC_API_KEY", "the user's own")
        .env("LLM_KEYS_CACHE_TTL", "10m")
        .env("OTHER", "line\nbreak = here")
        .get_envs()
        .map(|(name, value)| (name.to_str().unwrap(), value.unwrap().to_str().unwrap()))
        .filter(|(name, _)| !name.starts_with("LLM_KEYS_"))
        .chain([
            ("ANTHROPIC_API_KEY", KEY),
            ("SECOND", KEY),
            ("GOOGLE_API_KEY", "gemini-test-key"),
            ("GEMINI_API_KEY", "gemini-test-key"),
        ])
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let output = command
        .args(["run", "--service", "anthropic", "--service", "gemini/work"])
        .args(["--env", "SECOND=anthropic", "--", "env", "-0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    // Compared without printing it.
    assert!(environment(&output) == expected);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn the_key_is_in_no_argument() {
    let sandbox = with_key();
    let output = run(&sandbox, &["cat", "/proc/self/cmdline"]);
    assert_eq!(output.stdout, b"cat\0/proc/self/cmdline\0");
}

#[test]
fn no_file_of_ours_stays_open() {
    let sandbox = with_key();
    // What this test inherits, and the one that `ls` opens, are open anyway.
    let list = ["ls", "/proc/self/fd"];
    let open = |output: Output| String::from_utf8(output.stdout).unwrap();
    let mut plain = sandbox.command(list[0]);
    plain.arg(list[1]);
    let without_us = open(feed(plain, ""));
    assert!(without_us.starts_with("0\n1\n"), "{without_us}");
    assert_eq!(open(run(&sandbox, &list)), without_us);
    // What the shell opens for the program is the program's.
    let shell = |script: &str| {
        let mut command = sandbox.command("sh");
        open(command.args(["-c", &format!("{script} 8</dev/null")]).output().unwrap())
    };
    let without_us = shell("exec ls /proc/self/fd");
    assert!(without_us.contains("\n8\n"), "{without_us}");
    let ours = shell(&format!("exec {PROGRAM} run --service anthropic -- ls /proc/self/fd"));
    assert_eq!(ours, without_us);
}

#[test]
fn a_master_key_that_the_program_could_read_again_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.must(&["init"], "");
    let key = sandbox.home().join("master.key");
    let run = |redirection: &str| {
        let script = format!(
            "{PROGRAM} --kms local:/dev/fd/3 store anthropic --key {KEY} 3<{key} 2>/dev/null; \
             {PROGRAM} --kms local:/dev/fd/3 run --service anthropic -- echo started {redirection}",
            key = key.display(),
        );
        let mut command = sandbox.command("bash");
        command.args(["-c", &script]).output().unwrap()
    };
    let refused = run(&format!("3<{}", key.display()));
    assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(125), &b""[..]));
    let piped = run(&format!("3< <(cat {})", key.display()));
    assert_eq!((piped.status.code(), piped.stdout.as_slice()), (Some(0), &b"started\n"[..]));
}

#[test]
fn the_exit_code_is_the_programs() {
    let sandbox = with_key();
    for code in [0, 1, 2, 5, 42, 125, 255] {
        let output = run(&sandbox, &["sh", "-c", &format!("exit {code}")]);
        assert_eq!(output.status.code(), Some(code));
    }
    for signal in [Signal::KILL, Signal::TERM, Signal::SEGV] {
        let output = run(&sandbox, &["sh", "-c", &format!("kill -{} $$", signal.as_raw())]);
        assert_eq!(output.status.signal(), Some(signal.as_raw()));
    }
}

#[test]
fn signals_reach_the_program() {
    let sandbox = with_key();
    for (name, signal) in [
        ("INT", Signal::INT),
        ("TERM", Signal::TERM),
        ("HUP", Signal::HUP),
        ("QUIT", Signal::QUIT),
        ("WINCH", Signal::WINCH),
        ("USR1", Signal::USR1),
        ("PIPE", Signal::PIPE),
    ] {
        let script = format!(
            "trap 'echo got it; exit 7' {name}; echo ready $$; while :; do sleep 0.01; done"
        );
        let mut child = start(&sandbox, &script);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The program is this very process.
        assert_eq!(lines.next().unwrap().unwrap(), format!("ready {}", child.id()));
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "got it", "{name}");
        assert_eq!(child.wait().unwrap().code(), Some(7), "{name}");
    }
}

#[test]
fn what_was_ignored_stays_ignored_and_all_else_is_as_usual() {
    let sandbox = with_key();
    for (name, ignored) in [("INT", true), ("HUP", true), ("INT", false), ("PIPE", false)] {
        let trap = if ignored { format!("trap '' {name}; ") } else { String::new() };
        let script = format!(
            "{trap}{PROGRAM} run --service anthropic -- sh -c 'kill -{name} $$; echo alive'"
        );
        let output = sandbox.command("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.stdout == b"alive\n", ignored, "{name}");
    }
}

#[test]
fn the_terminal_is_the_programs() {
    let sandbox = with_key();
    let script = "stty echo; trap : INT; llm-keys run --service anthropic -- sh -c \
                  'trap \"echo got-it; exit 7\" INT; test -t 0 && echo ready; while :; do sleep 0.01; done'; \
                  echo code=$?";
    let mut command = sandbox.command("sh");
    command.args(["-c", script]);
    let mut session = spawn_command(command, Some(20_000)).unwrap();
    session.exp_string("ready").unwrap();
    session.send_control('c').unwrap();
    session.exp_string("got-it").unwrap();
    session.exp_string("code=7").unwrap();
}

#[test]
fn without_all_keys_nothing_is_started() {
    let sandbox = with_key();
    sandbox.must(&["store", "openai"], KEY);
    sandbox.must(&["deactivate", "openai"], "");
    sandbox.must(&["store", "groq", "--expires", "1s"], KEY);
    let expired = || sandbox.run(&["get", "groq"], "").status.code() == Some(4);
    while !expired() {
        std::thread::yield_now();
    }
    let refused = |args: &[&str]| {
        let args = [&["run", "--service", "anthropic"], args, &["--", "touch", "started"]].concat();
        let output = sandbox.run(&args, "");
        assert_eq!(output.status.code(), Some(125), "{args:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
        assert!(!sandbox.work().join("started").exists(), "{args:?}");
    };
    refused(&["--service", "mistral"]);
    refused(&["--service", "openai"]);
    refused(&["--service", "groq"]);
    refused(&["--service", "anthropic"]);
    refused(&["--user", "alice"]);
    refused(&["--env", "ANTHROPIC_API_KEY=openai"]);
    refused(&["--service", "unheard-of"]);
    refused(&["--kms", "local:/nowhere"]);
    refused(&["--events", "/dev/full"]);
    refused(&["--no-such-option"]);
    assert_eq!(sandbox.run(&["run", "--", "touch", "started"], "").status.code(), Some(125));
    assert_eq!(sandbox.run(&["run", "--service", "anthropic"], "").status.code(), Some(125));
    assert_eq!(sandbox.run(&["run", "--help"], "").status.code(), Some(0));
}

#[test]
fn a_program_that_cannot_be_started_is_126_or_127() {
    let sandbox = with_key();
    fs::write(sandbox.work().join("plain"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(sandbox.work().join("plain"), fs::Permissions::from_mode(0o644)).unwrap();
    for (program, code) in [("./plain", 126), ("/", 126), ("./none", 127), ("no-such-program", 127)]
    {
        let output = run(&sandbox, &[program]);
        assert_eq!(output.status.code(), Some(code), "{program}");
        let talk = String::from_utf8(output.stderr).unwrap();
        assert!(talk.contains(program) && !talk.contains(KEY), "{talk}");
    }
}

#[test]
fn the_use_is_written_before_the_program_starts() {
    let sandbox = with_key();
    let args =
        ["run", "--service", "anthropic", "--env", "B=anthropic", "--events", "events.jsonl"];
    let output = sandbox.run(&[&args[..], &["--", "cat", "events.jsonl"]].concat(), "");
    let events = String::from_utf8(output.stdout).unwrap();
    // One for both variables.
    assert_eq!(events.lines().filter(|line| line.contains("key_get")).count(), 1, "{events}");
    let shown = sandbox.must(&["show", "anthropic", "--json"], "");
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert!(shown["last_used_at"].is_string(), "{shown}");
}

//! Sessions at a shell: `tests/cmd/<command>/<case>.session`.
//!
//! A session is a transcript. `$ ` begins a line for `sh`, which `> ` goes on; what follows is what
//! it printed: standard output as it is, standard error behind `! `, and the exit code as `[3]` if
//! it is not 0. `# ` is a comment. Times, ids and folders are replaced by words. After a change,
//! `SNAPSHOTS=overwrite cargo nextest run -p llm-keys-cli sessions` writes them anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use regex::Regex;
use snapbox::{Assert, Data, Redactions};

use crate::sandbox::Sandbox;

macro_rules! sessions {
    ($($test:ident: $folder:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            run_folder($folder);
        })*

        const FOLDERS: &[&str] = &[$($folder),*];
    };
}

sessions! {
    activate: "activate",
    bad_input: "bad-input",
    completions: "completions",
    deactivate: "deactivate",
    delete: "delete",
    demo: "demo",
    doctor: "doctor",
    export: "export",
    get: "get",
    help: "help",
    history: "history",
    import: "import",
    init: "init",
    keys: "keys",
    kms: "kms",
    list: "list",
    prune: "prune",
    migrate: "migrate",
    resolve: "resolve",
    reseal: "reseal",
    rollback: "rollback",
    rotate: "rotate",
    run: "run",
    settings: "settings",
    show: "show",
    store: "store",
    tend: "tend",
    undelete: "undelete",
    verify: "verify",
}

/// The commands, as the program itself lists them.
#[test]
fn every_command_has_sessions() {
    let help = Sandbox::new().must(&["help"], "");
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let list = list.split("\n\n").next().unwrap();
    let commands: Vec<_> =
        list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands.into_iter().filter(|command| !command.is_empty()) {
        assert!(FOLDERS.contains(&command), "{command} has no sessions");
    }
}

#[test]
fn every_session_is_run() {
    for folder in fs::read_dir(cmd()).unwrap() {
        let name = folder.unwrap().file_name();
        assert!(FOLDERS.contains(&name.to_str().unwrap()), "{name:?} is not run");
    }
}

#[test]
fn every_exit_code_has_a_session() {
    let all: String = FOLDERS
        .iter()
        .flat_map(|folder| cases(folder))
        .map(|case| fs::read_to_string(case).unwrap())
        .collect();
    for code in 1..=9 {
        assert!(all.contains(&format!("\n[{code}]\n")), "no session ends with {code}");
    }
}

fn cmd() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd")
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(cmd().join(folder)).unwrap();
    let mut cases: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn run_folder(folder: &str) {
    let cases = cases(folder);
    assert!(!cases.is_empty(), "{folder} has no session");
    for case in cases {
        run_case(&case);
    }
}

fn run_case(case: &Path) {
    let sandbox = Sandbox::new();
    let redactions = redactions(&sandbox);
    let mut transcript = String::new();
    let mut script = String::new();
    let text = fs::read_to_string(case).unwrap();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("# ") || line.is_empty() && transcript.is_empty() {
            let _ = writeln!(transcript, "{line}");
        }
        let Some(first) = line.strip_prefix("$ ") else { continue };
        let _ = writeln!(transcript, "{line}");
        script.push_str(first);
        while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
            let _ = writeln!(transcript, "{more}");
            script.push('\n');
            script.push_str(&more[2..]);
        }
        // Only what was printed is redacted, and never what is to be run again.
        transcript.push_str(&redactions.redact(&run_script(&sandbox, &script)));
        script.clear();
    }
    let expected = Data::read_from(case, None).raw();
    Assert::new().action_env("SNAPSHOTS").normalize_paths(false).eq(transcript, expected);
}

fn run_script(sandbox: &Sandbox, script: &str) -> String {
    let mut command = sandbox.command("sh");
    command.arg("-c").arg(script).stdin(Stdio::null());
    let output = command.output().unwrap();
    let mut printed = String::from_utf8(output.stdout).unwrap();
    if !printed.is_empty() && !printed.ends_with('\n') {
        printed.push_str("[no newline]\n");
    }
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        let _ = writeln!(printed, "! {line}");
    }
    match output.status.code() {
        Some(0) => {}
        code => {
            let _ = writeln!(printed, "[{}]", code.unwrap());
        }
    }
    printed
}

fn redactions(sandbox: &Sandbox) -> Redactions {
    let mut redactions = Redactions::new();
    redactions.insert("[TMP]", sandbox.path().display().to_string()).unwrap();
    for (word, pattern) in [
        ("[DEMO]", "llm-keys-demo-(?<redacted>[A-Za-z0-9]{6})"),
        ("[TIME]", r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        ("[RECORD]", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
        ("[KEY]", "local:(?<redacted>[0-9a-f]{32})"),
        ("[KEY]", r"master\.key\.(?<redacted>[0-9a-f]{16})"),
        ("[HINT]", "…(?<redacted>[g-z]{4})"),
        ("[MICROS]", r"(?<redacted>[0-9.]+) µs"),
        ("[MS]", r"(?<redacted>[0-9.]+) ms\n"),
        ("[NUMBER]", r#""latency_ms":(?<redacted>[0-9.]+)"#),
        ("[BYTES]", r"(?<redacted>\d+) bytes\. The word"),
        ("[COUNT]", r"(?<redacted>\d+) times, so"),
        ("[NUMBER]", r#""(cold_micros|cached_nanos|bytes|word|at)":(?<redacted>\d+)"#),
    ] {
        redactions.insert(word, Regex::new(pattern).unwrap()).unwrap();
    }
    redactions
}

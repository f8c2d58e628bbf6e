//! At a terminal: what is asked, what is hidden.

use rexpect::session::{PtySession, spawn_command};

use crate::sandbox::{PROGRAM, Sandbox};

const KEY: &str = "sk-test-terminal-6789";

/// Runs the program at a terminal of its own.
fn at_terminal(sandbox: &Sandbox, args: &[&str]) -> PtySession {
    shell(sandbox, "\"$@\"", &[&[PROGRAM], args].concat())
}

/// Runs a script for `sh` at a terminal of its own that shows what is typed, and then prints its
/// exit code.
fn shell(sandbox: &Sandbox, script: &str, args: &[&str]) -> PtySession {
    let mut command = sandbox.command("sh");
    command.args(["-c", &format!("stty echo; {script}; echo \"[$?]\""), "sh"]).args(args);
    spawn_command(command, Some(20_000)).unwrap()
}

/// Everything it printed until it ended, and its exit code.
fn to_the_end(mut session: PtySession) -> (String, i32) {
    let all = session.exp_eof().unwrap();
    let (printed, code) = all.rsplit_once('[').unwrap();
    (printed.to_owned(), code.trim_end().trim_end_matches(']').parse().unwrap())
}

#[test]
fn the_prompt_hides_the_key() {
    let sandbox = Sandbox::new();
    let mut session = at_terminal(&sandbox, &["store", "a"]);
    session.exp_string("Key (hidden): ").unwrap();
    session.send_line(KEY).unwrap();
    let (printed, code) = to_the_end(session);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("stored version 1") && !printed.contains("sk-test"), "{printed}");
    assert_eq!(sandbox.must(&["get", "a"], ""), KEY);
}

#[test]
fn nothing_typed_is_no_key() {
    let sandbox = Sandbox::new();
    for typed in ["\n", "\u{4}"] {
        let mut session = at_terminal(&sandbox, &["store", "a"]);
        session.exp_string("Key (hidden): ").unwrap();
        session.send(typed).unwrap();
        session.flush().unwrap();
        let (printed, code) = to_the_end(session);
        assert_eq!(code, 2, "{printed}");
    }
    assert!(!sandbox.home().exists());
}

#[test]
fn get_hides_the_key_unless_told_to_show_it() {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "a"], KEY);
    let get = |args: &[&str]| {
        let args = [&["get", "a"], args].concat();
        let (printed, code) = to_the_end(at_terminal(&sandbox, &args));
        assert_eq!(code, 0, "{printed}");
        printed
    };
    // The ellipsis comes byte by byte.
    let masked = get(&[]);
    assert!(masked.split("\r\n").next().unwrap().ends_with("6789"), "{masked}");
    assert!(!masked.contains("sk-test"), "{masked}");
    assert_eq!(get(&["--show"]), format!("{KEY}\r\n"));
    let masked = get(&["--json"]);
    assert!(masked.contains("\"hint\": \"6789\"") && !masked.contains(KEY), "{masked}");
    assert!(get(&["--json", "--show"]).contains(KEY));
    // A short key has no hint that would be most of it.
    sandbox.must(&["store", "a"], "short-key");
    assert!(get(&[]).starts_with("(hidden)\r\n"));
}

#[test]
fn delete_asks() {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "a"], KEY);
    let delete = |answer: &str| {
        let mut session = at_terminal(&sandbox, &["delete", "a"]);
        session.exp_string("Delete default/global/a/default? [y/N] ").unwrap();
        session.send_line(answer).unwrap();
        to_the_end(session)
    };
    for answer in ["", "n", "yess"] {
        let (printed, code) = delete(answer);
        assert_eq!(code, 2, "{printed}");
        assert!(printed.contains("nothing was deleted"), "{printed}");
        assert_eq!(sandbox.must(&["get", "a"], ""), KEY);
    }
    let (printed, code) = delete("Y");
    assert_eq!(code, 0, "{printed}");
    assert_eq!(sandbox.run(&["get", "a"], "").status.code(), Some(3));
}

/// What is for good says so.
#[test]
fn what_is_lost_or_given_out_instead_is_asked_for() {
    let sandbox = Sandbox::new();
    for key in [KEY, "sk-test-terminal-second"] {
        sandbox.must(&["store", "a"], key);
    }
    let key = "default/global/a/default";
    let second = "sk-test-terminal-second";
    for (args, question, refused) in [
        (
            &["delete", "a", "--now"][..],
            format!("Delete {key} with all its versions, for good? [y/N] "),
            "nothing was deleted",
        ),
        (
            &["prune", "a", "--keep", "1"],
            format!("Shred all versions of {key} but the current one, for good? [y/N] "),
            "nothing was shredded",
        ),
        (
            &["rollback", "a", "1"],
            format!("Give out what version 1 of {key} holds instead of the current one? [y/N] "),
            "nothing was changed",
        ),
    ] {
        let asked = |answer: &str| {
            let mut session = at_terminal(&sandbox, args);
            session.exp_string(&question).unwrap();
            session.send_line(answer).unwrap();
            to_the_end(session)
        };
        let (printed, code) = asked("n");
        assert_eq!(code, 2, "{printed}");
        assert!(printed.contains(refused), "{printed}");
        assert_eq!(sandbox.must(&["get", "a"], ""), second);
        assert_eq!(sandbox.must(&["get", "a", "--version", "1"], ""), KEY);
    }
    let mut session = at_terminal(&sandbox, &["rollback", "a", "1"]);
    session.exp_string("[y/N] ").unwrap();
    session.send_line("y").unwrap();
    let (printed, code) = to_the_end(session);
    assert_eq!(code, 0, "{printed}");
    assert_eq!(sandbox.must(&["get", "a"], ""), KEY);
}

#[test]
fn a_rotation_asks_for_the_new_key() {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "a"], "sk-test-terminal-old");
    let mut session = at_terminal(&sandbox, &["rotate", "a"]);
    session.exp_string("Key (hidden): ").unwrap();
    session.send_line(KEY).unwrap();
    let (printed, code) = to_the_end(session);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("version 2 is current") && !printed.contains("sk-test"), "{printed}");
    assert_eq!(sandbox.must(&["get", "a"], ""), KEY);
}

#[test]
fn accepting_shows_and_asks() {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "a"], KEY);
    let edit = r#"import sqlite3; c = sqlite3.connect("../home/keys.db")
c.executescript("update llm_keys_keys set settings = '{\"host\":\"evil.example\"}'")"#;
    let edited = sandbox.command("python3").args(["-c", edit]).status().unwrap();
    assert!(edited.success());
    assert_eq!(sandbox.run(&["get", "a"], "").status.code(), Some(7));
    let accept = |answer: &str| {
        let mut session = at_terminal(&sandbox, &["verify", "--accept", "a"]);
        let shown = session.exp_string("Take 1 key for good as shown").unwrap();
        assert!(shown.contains("host=evil.example") && shown.contains("broken"), "{shown}");
        session.send_line(answer).unwrap();
        to_the_end(session)
    };
    let (printed, code) = accept("");
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("nothing was accepted"), "{printed}");
    assert_eq!(sandbox.run(&["get", "a"], "").status.code(), Some(7));
    let (printed, code) = accept("y");
    assert_eq!(code, 0, "{printed}");
    assert_eq!(sandbox.must(&["get", "a"], ""), KEY);
}

#[test]
fn import_shows_and_asks() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.work().join("keys.env"), format!("OPENAI_API_KEY={KEY}\n")).unwrap();
    let import = |answer: &str| {
        let mut session = at_terminal(&sandbox, &["import", "keys.env"]);
        let shown = session.exp_string("Store 1 key? [y/N] ").unwrap();
        assert!(shown.contains("OPENAI_API_KEY") && !shown.contains("sk-test"), "{shown}");
        session.send_line(answer).unwrap();
        to_the_end(session)
    };
    let (printed, code) = import("");
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("nothing was stored"), "{printed}");
    assert!(!sandbox.home().exists());
    let (printed, code) = import("y");
    assert_eq!(code, 0, "{printed}");
    assert!(!printed.contains("sk-test"), "{printed}");
    assert_eq!(sandbox.must(&["get", "openai"], ""), KEY);
}

#[test]
fn ctrl_c_at_the_prompt_gives_the_terminal_back() {
    let sandbox = Sandbox::new();
    let script = "stty -g; llm-keys store a; echo code=$?; stty -g; echo end";
    let mut session = shell(&sandbox, script, &[]);
    let before = session.exp_string("Key (hidden): ").unwrap();
    session.send("sk-te").unwrap();
    session.send_control('c').unwrap();
    session.exp_string("code=130").unwrap();
    let after = session.exp_string("end").unwrap();
    assert!(before.contains(':'), "{before}");
    assert_eq!(before.trim(), after.trim());
    assert!(!sandbox.home().exists());
}

#[test]
fn a_passphrase_is_asked_for_twice() {
    let sandbox = Sandbox::new();
    let init = |second: &str| {
        let mut session = at_terminal(&sandbox, &["init", "--passphrase"]);
        session.exp_string("New passphrase (hidden): ").unwrap();
        session.send_line("correct horse battery").unwrap();
        session.exp_string("The same again (hidden): ").unwrap();
        session.send_line(second).unwrap();
        to_the_end(session)
    };
    let (printed, code) = init("another");
    assert_eq!(code, 2, "{printed}");
    let (printed, code) = init("correct horse battery");
    assert_eq!(code, 0, "{printed}");
    assert!(!printed.contains("correct"), "{printed}");

    // The key comes by a pipe, the passphrase from the terminal.
    let mut session = shell(&sandbox, &format!("printf %s {KEY} | llm-keys store a"), &[]);
    session.exp_string("master.passphrase (hidden): ").unwrap();
    session.send_line("correct horse battery").unwrap();
    let (printed, code) = to_the_end(session);
    assert_eq!(code, 0, "{printed}");

    let mut session = at_terminal(&sandbox, &["get", "a", "--show"]);
    session.exp_string("master.passphrase (hidden): ").unwrap();
    session.send_line("a wrong passphrase").unwrap();
    let (printed, code) = to_the_end(session);
    assert_eq!(code, 5, "{printed}");
    // Listing asks for nothing.
    let (printed, code) = to_the_end(at_terminal(&sandbox, &["list"]));
    assert!(code == 0 && !printed.contains("assphrase"), "{printed}");
}

#[test]
fn starting_the_list_of_kms_keys_over_asks() {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "a"], KEY);
    let start_over = |answer: &str| {
        let mut session = at_terminal(&sandbox, &["kms", "allow", "--start-over"]);
        session.exp_string("Forget which KMS keys were read with").unwrap();
        session.send_line(answer).unwrap();
        to_the_end(session)
    };
    let (printed, code) = start_over("");
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("nothing was changed"), "{printed}");
    let (printed, code) = start_over("y");
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("nothing to start over"), "{printed}");
}

/// The bar goes when it is done.
#[test]
fn a_rewrap_ends_with_its_summary() {
    let sandbox = Sandbox::new();
    sandbox.must(&["store", "a"], KEY);
    sandbox.must(&["kms", "local", "rotate"], "");
    let (printed, code) = to_the_end(at_terminal(&sandbox, &["kms", "rewrap"]));
    assert_eq!(code, 0, "{printed}");
    let (_, end) = printed.split_once("wrapped anew: 1 version of 1 key").expect(&printed);
    assert!(!end.contains(" left"), "{printed}");
}

//! A KMS that takes the connection and says nothing: the program still ends.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use llm_keys::{Clock as _, SystemClock};

use crate::sandbox::{PROGRAM, Sandbox};

/// What opening a KMS key may take, and so may each call of it.
const DEADLINE: Duration = Duration::from_secs(5);

/// Each way in which a key is opened or a login made. The names are the tests' own.
const WAYS: [&str; 7] = [
    "aws",
    "aws-half",
    "aws-credentials",
    "azure",
    "vault-token",
    "vault-approle",
    "vault-kubernetes",
];

/// Takes connections, says `first` and then nothing more, until the test ends.
fn silence(first: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(first);
            open.push(stream);
        }
    });
    address
}

/// A key that is reached by `way`, where silence is.
fn key(way: &str, silent: SocketAddr) -> String {
    match way.strip_prefix("vault-") {
        Some(auth) => format!("vault://{silent}/transit/k?tls=off&auth={auth}&role=r"),
        // The version of the key is looked up, through a proxy.
        None if way == "azure" => "azure-kv://team.vault.azure.net/keys/llm-keys".to_owned(),
        // The alias is looked up.
        None => "alias/llm-keys".to_owned(),
    }
}

/// Runs the program with `args` and at last that key; how long it took.
fn run(sandbox: &Sandbox, way: &str, args: &[&str]) -> (Output, Duration) {
    // The limits of the SDK end with the head of an answer.
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{";
    let silent = silence(if way == "aws-half" { half } else { b"" });
    let jwt = sandbox.path().join("jwt");
    std::fs::write(&jwt, "jwt").unwrap();
    let mut command: Command = sandbox.command(PROGRAM);
    command
        .args(args)
        .arg(key(way, silent))
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("VAULT_TOKEN", "t")
        .env("VAULT_SECRET_ID", "s")
        .env("VAULT_KUBERNETES_TOKEN_FILE", jwt);
    match way {
        "azure" => {
            command.env("HTTPS_PROXY", format!("http://{silent}"));
        }
        "aws" | "aws-half" => {
            command.env("AWS_ENDPOINT_URL", format!("http://{silent}"));
            command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
        }
        "aws-credentials" => {
            command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{silent}/role"));
        }
        _ => {}
    }
    let clock = SystemClock::new();
    (command.output().unwrap(), clock.monotonic())
}

#[test]
fn a_check_ends_with_the_deadline_and_says_why() {
    thread::scope(|scope| {
        for way in WAYS {
            scope.spawn(move || {
                let (output, took) =
                    run(&Sandbox::new(), way, &["kms", "check", "--json", "--kms"]);
                let said = String::from_utf8(output.stdout).unwrap();
                assert_eq!(output.status.code(), Some(9), "{way}: {said}");
                assert!(said.contains(r#""code":"kms_unavailable""#), "{way}: {said}");
                assert!(said.contains(r#""reachable":false"#), "{way}: {said}");
                assert!(!said.contains(r#""hint":null"#), "{way}: {said}");
                assert!(took < DEADLINE + Duration::from_secs(2), "{way}: {took:?}");
            });
        }
    });
}

/// What opens a key, may find it open, and then asks it once.
#[test]
fn other_commands_end_too() {
    thread::scope(|scope| {
        for way in WAYS {
            for args in [&["kms", "allow", "--json"][..], &["init", "--kms"]] {
                scope.spawn(move || {
                    let (output, took) = run(&Sandbox::new(), way, args);
                    let said = String::from_utf8(output.stderr).unwrap();
                    assert!(took < 2 * DEADLINE + Duration::from_secs(2), "{way}: {took:?}");
                    // Vault is not asked to open a key, only to use it.
                    let opens = args[0] == "kms" && !way.starts_with("vault");
                    assert!(!opens || said.contains("kms_unavailable"), "{way} {args:?}: {said}");
                });
            }
        }
    });
}

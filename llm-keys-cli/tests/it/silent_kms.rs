//! A KMS that takes the connection and says nothing: the program still ends.

use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use llm_keys::{Clock as _, SystemClock};

use crate::sandbox::{PROGRAM, Sandbox};

/// What opening a KMS key, and then a call of it, may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Takes connections, reads nothing and answers nothing, until the test ends.
fn silence() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            open.push(stream);
        }
    });
    address
}

fn run(mut command: Command) -> (Output, Duration) {
    let clock = SystemClock::new();
    (command.output().unwrap(), clock.monotonic())
}

/// The program with the KMS that `scheme` names, all of whose addresses are silent.
fn command(sandbox: &Sandbox, scheme: &str, args: &[&str]) -> Command {
    let silent = silence();
    let mut command = sandbox.command(PROGRAM);
    let kms = match scheme {
        // The alias is looked up when it is opened.
        "aws" => "alias/llm-keys".to_owned(),
        "aws-credentials" => "alias/llm-keys".to_owned(),
        // The version of the key is looked up, for which a token is needed.
        "azure" => "azure-kv://team.vault.azure.net/keys/llm-keys".to_owned(),
        "vault-token" | "vault-approle" | "vault-kubernetes" => {
            let auth = scheme.trim_start_matches("vault-");
            format!("vault://{silent}/transit/k?tls=off&auth={auth}&role=r")
        }
        other => panic!("{other}"),
    };
    let jwt = sandbox.path().join("jwt");
    std::fs::write(&jwt, "jwt").unwrap();
    command
        .env("LLM_KEYS_KMS", kms)
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("IDENTITY_ENDPOINT", format!("http://{silent}/token"))
        .env("IDENTITY_HEADER", "x")
        .env("VAULT_TOKEN", "t")
        .env("VAULT_SECRET_ID", "s")
        .env("VAULT_KUBERNETES_TOKEN_FILE", jwt);
    if scheme == "aws" {
        command.env("AWS_ENDPOINT_URL", format!("http://{silent}"));
        command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    } else if scheme == "aws-credentials" {
        command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{silent}/role"));
    }
    command.args(args);
    command
}

#[test]
fn each_command_ends_within_the_deadline() {
    let schemes =
        ["aws", "aws-credentials", "azure", "vault-token", "vault-approle", "vault-kubernetes"];
    thread::scope(|scope| {
        for scheme in schemes {
            scope.spawn(move || {
                let sandbox = Sandbox::new();
                let args = ["kms", "check", "--json"];
                let (output, took) = run(command(&sandbox, scheme, &args));
                let said = String::from_utf8(output.stdout).unwrap();
                assert_eq!(output.status.code(), Some(9), "{scheme}: {said}");
                assert!(said.contains(r#""code":"kms_unavailable""#), "{scheme}: {said}");
                assert!(said.contains(r#""reachable":false"#), "{scheme}: {said}");
                assert!(!said.contains(r#""hint":null"#), "{scheme}: {said}");
                assert!(took < DEADLINE + Duration::from_secs(2), "{scheme}: {took:?}");
            });
            scope.spawn(move || {
                let sandbox = Sandbox::new();
                let (output, took) = run(command(&sandbox, scheme, &["init"]));
                let said = String::from_utf8(output.stderr).unwrap();
                assert_ne!(output.status.code(), None, "{scheme}: {said}");
                assert!(took < 2 * DEADLINE + Duration::from_secs(2), "{scheme}: {took:?}");
            });
        }
    });
}

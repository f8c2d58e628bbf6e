//! An alias of AWS KMS that is pointed elsewhere, and `kms allow`, on LocalStack.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::sandbox::{PROGRAM, Sandbox, feed};

const REGION: &str = "eu-west-1";

fn server() -> String {
    let name = "LLM_KEYS_TEST_LOCALSTACK";
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: it names a running server; `cargo xtask test` starts one")
    })
}

/// Asks as the administrator of the account, in plain HTTP: LocalStack checks no signature.
fn ask(operation: &str, body: &Value) -> Value {
    let server = server();
    let host = server.trim_start_matches("http://").trim_end_matches('/');
    let body = body.to_string();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: TrentService.{operation}\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/kms/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_default()
}

/// The ARN of a fresh key.
fn create_key() -> String {
    let made = ask("CreateKey", &json!({}));
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

fn id(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap()
}

fn run(sandbox: &Sandbox, args: &[&str], input: &str) -> Output {
    let mut command = sandbox.command(PROGRAM);
    command.args(args);
    in_aws(command, input)
}

fn in_aws(mut command: Command, input: &str) -> Output {
    command
        .env("AWS_ENDPOINT_URL", server())
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    feed(command, input)
}

/// What must work; its standard output.
fn must(sandbox: &Sandbox, args: &[&str], input: &str) -> String {
    let output = run(sandbox, args, input);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_alias_moves_and_another_key_is_allowed() {
    let sandbox = Sandbox::new();
    let (a, b, other) = (create_key(), create_key(), create_key());
    let alias = sandbox.path().file_name().unwrap().to_str().unwrap().replace('.', "");
    let alias = format!("alias/llm-keys-{alias}");
    ask("CreateAlias", &json!({ "AliasName": alias, "TargetKeyId": id(&a) }));
    let ours = ["--kms", &alias];
    let with = |rest: &[&'static str]| [&ours[..], rest].concat();

    must(&sandbox, &with(&["store", "openai"]), "sk-a");
    ask("UpdateAlias", &json!({ "AliasName": alias, "TargetKeyId": id(&b) }));
    assert_eq!(must(&sandbox, &with(&["get", "openai"]), ""), "sk-a");
    must(&sandbox, &with(&["store", "anthropic"]), "sk-b");
    for (service, key) in [("openai", "sk-a"), ("anthropic", "sk-b")] {
        assert_eq!(must(&sandbox, &with(&["get", service]), ""), key);
    }
    must(&sandbox, &with(&["doctor"]), "");
    let place = a.split_once(":key/").unwrap().0;
    let of_alias =
        |arn: &str| json!({ "key": format!("aws-kms:{arn}"), "alias": format!("{place}:{alias}") });
    let listed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let allowed = must(&sandbox, &with(&["kms", "allowed", "--json"]), "");
    assert_eq!(listed(&allowed), json!([of_alias(&a), of_alias(&b)]));

    // A key that the alias never meant. It cannot write among rows that it cannot verify.
    let refused = run(&sandbox, &["--kms", &other, "store", "mistral"], "sk-c");
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    must(&sandbox, &["--kms", &other, "store", "mistral", "--tenant", "acme"], "sk-c");
    let get = with(&["get", "mistral", "--tenant", "acme"]);
    let refused = run(&sandbox, &get, "");
    let talk = String::from_utf8(refused.stderr).unwrap();
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(5), 0), "{talk}");
    let hint = format!("llm-keys kms allow aws-kms:{other}");
    assert!(talk.contains(&hint), "{talk}");
    let hinted: Vec<_> = hint.split(' ').skip(1).collect();
    must(&sandbox, &[&ours[..], &hinted].concat(), "");
    assert_eq!(must(&sandbox, &get, ""), "sk-c");
    must(&sandbox, &with(&["doctor"]), "");
    let allowed = must(&sandbox, &with(&["kms", "allowed", "--json"]), "");
    let by_hand = json!({ "key": format!("aws-kms:{other}"), "alias": null });
    assert_eq!(listed(&allowed), json!([of_alias(&a), of_alias(&b), by_hand]));
    let table = must(&sandbox, &with(&["kms", "allowed"]), "");
    assert!(table.starts_with("KEY ") && table.lines().count() == 4, "{table}");
}

#[test]
fn an_alias_moves_and_its_key_is_gone_after_something_was_stored() {
    let sandbox = Sandbox::new();
    let (a, b) = (create_key(), create_key());
    let alias = sandbox.path().file_name().unwrap().to_str().unwrap().replace('.', "");
    let alias = format!("alias/llm-keys-{alias}");
    ask("CreateAlias", &json!({ "AliasName": alias, "TargetKeyId": id(&a) }));
    let with = |rest: &[&'static str]| [&["--kms", &alias], rest].concat();
    must(&sandbox, &with(&["store", "openai"]), "sk-a");
    ask("UpdateAlias", &json!({ "AliasName": alias, "TargetKeyId": id(&b) }));
    must(&sandbox, &with(&["store", "anthropic"]), "sk-b");
    ask("ScheduleKeyDeletion", &json!({ "KeyId": a, "PendingWindowInDays": 7 }));

    assert_eq!(must(&sandbox, &with(&["get", "anthropic"]), ""), "sk-b");
    must(&sandbox, &with(&["store", "mistral"]), "sk-c");
    must(&sandbox, &with(&["deactivate", "mistral"]), "");
    // What was stored under it is lost with it.
    let lost = run(&sandbox, &with(&["get", "openai"]), "");
    assert_eq!(lost.status.code(), Some(5), "{lost:?}");
}

#[test]
fn an_alias_moves_and_its_key_is_gone_before_anything_was_stored() {
    let sandbox = Sandbox::new();
    let (a, b) = (create_key(), create_key());
    let alias = sandbox.path().file_name().unwrap().to_str().unwrap().replace('.', "");
    let alias = format!("alias/llm-keys-{alias}");
    ask("CreateAlias", &json!({ "AliasName": alias, "TargetKeyId": id(&a) }));
    let with = |rest: &[&'static str]| [&["--kms", &alias], rest].concat();
    must(&sandbox, &with(&["store", "openai"]), "sk-a");
    ask("UpdateAlias", &json!({ "AliasName": alias, "TargetKeyId": id(&b) }));
    ask("ScheduleKeyDeletion", &json!({ "KeyId": a, "PendingWindowInDays": 7 }));

    let refused = run(&sandbox, &with(&["store", "anthropic"]), "sk-b");
    let talk = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(5), "{talk}");
    assert!(talk.contains("llm-keys kms allow --start-over"), "{talk}");
    must(&sandbox, &with(&["kms", "allow", "--start-over", "--yes"]), "");
    // The row MAC keys of the tenant went with the old key; other tenants have their own.
    let refused = run(&sandbox, &with(&["store", "anthropic"]), "sk-b");
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    must(&sandbox, &with(&["store", "anthropic", "--tenant", "new"]), "sk-b");
    assert_eq!(must(&sandbox, &with(&["get", "anthropic", "--tenant", "new"]), ""), "sk-b");
    // It opens now.
    let again = run(&sandbox, &with(&["kms", "allow", "--start-over", "--yes"]), "");
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    // The sentinel is of the new key, too.
    let mut command = sandbox.command(PROGRAM);
    command.args(with(&["get", "anthropic", "--tenant", "new"]));
    command.env("LLM_KEYS_CHECK_ON_START", "true");
    let output = in_aws(command, "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

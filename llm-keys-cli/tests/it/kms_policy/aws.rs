//! The IAM policy, on MiniStack. It checks actions and resources, but knows no
//! `kms:EncryptionContext:` keys: those conditions are taken out for it, and compared here with the
//! contexts that the program sends.

use serde_json::{Map, Value, json};

use super::http::ask;
use super::iam::{AccessKey, administrator, user};
use super::recorder::Recorder;
use super::server::variable;
use super::{User, printed};
use crate::sandbox::Sandbox;

const ACTIONS: [&str; 4] = ["kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"];

/// The ARN of a fresh key.
fn key() -> String {
    let AccessKey(access, _) = administrator();
    let scope = format!("Credential={access}/20260101/eu-west-1/kms/aws4_request");
    let authorization = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0");
    let headers = [
        ("X-Amz-Target", "TrentService.CreateKey"),
        ("Content-Type", "application/x-amz-json-1.1"),
        ("Authorization", &authorization),
    ];
    let made = ask(&variable("LLM_KEYS_TEST_MINISTACK"), "POST /", &headers, &json!({}));
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

fn policy(arn: &str) -> Value {
    serde_json::from_str(&printed(arn)).unwrap()
}

fn statements(policy: &mut Value) -> &mut Vec<Value> {
    policy["Statement"].as_array_mut().unwrap()
}

/// The policy without conditions on the context; each must be one.
fn without_contexts(mut policy: Value) -> Value {
    for statement in statements(&mut policy) {
        let Some(condition) = statement.as_object_mut().unwrap().remove("Condition") else {
            assert_eq!(statement["Action"], json!(["kms:DescribeKey"]), "it has no context");
            continue;
        };
        let condition = condition.as_object().unwrap();
        assert!(condition.keys().eq(["StringEquals"]), "{condition:?}");
        for name in condition["StringEquals"].as_object().unwrap().keys() {
            assert!(name.starts_with("kms:EncryptionContext:"), "{name}");
        }
    }
    policy
}

/// A new user with `policy`, whose programs ask `server` about the key `arn`.
fn new_user(policy: &Value, arn: &str, server: String) -> User {
    let AccessKey(access, secret) = user(&policy.to_string());
    let variables = vec![
        ("AWS_ACCESS_KEY_ID", access),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", arn.split(':').nth(3).unwrap().to_owned()),
        ("AWS_ENDPOINT_URL", server),
    ];
    User { sandbox: Sandbox::new(), kms: arn.to_owned(), variables }
}

fn of_ministack(policy: &Value, arn: &str) -> User {
    new_user(policy, arn, variable("LLM_KEYS_TEST_MINISTACK"))
}

/// Whether a statement permits a request with `context`, by its `StringEquals`.
fn permits(statement: &Value, context: &Map<String, Value>) -> bool {
    let Some(wanted) = statement["Condition"]["StringEquals"].as_object() else { return false };
    wanted.iter().all(|(name, value)| {
        let name = name.strip_prefix("kms:EncryptionContext:").unwrap();
        context.get(name) == Some(value)
    })
}

#[test]
fn it_is_enough() {
    let arn = key();
    of_ministack(&without_contexts(policy(&arn)), &arn).does_everything();
}

#[test]
fn no_action_can_be_left_out() {
    let arn = key();
    for action in ACTIONS {
        let mut policy = without_contexts(policy(&arn));
        for statement in statements(&mut policy) {
            let actions = statement["Action"].as_array_mut().unwrap();
            actions.retain(|other| other != action);
        }
        statements(&mut policy).retain(|one| one["Action"] != json!([]));
        let user = of_ministack(&policy, &arn);
        let store = ["store", "openai", "--json"];
        match action {
            "kms:GenerateDataKey" => user.denied(&store, action),
            "kms:Encrypt" => {
                user.must(&store, "sk-test");
                user.denied(&[&store[..], &["--kms", &user.local()]].concat(), action);
            }
            "kms:Decrypt" => {
                user.must(&store, "sk-test");
                user.denied(&["get", "openai", "--json"], action);
            }
            _ => {
                user.must(&store, "sk-test");
                user.denied(&["kms", "check", "--json"], action);
            }
        }
    }
}

#[test]
fn another_key_is_denied() {
    let (arn, other) = (key(), key());
    let user = of_ministack(&without_contexts(policy(&arn)), &other);
    user.denied(&["store", "openai", "--json"], &other);
    user.denied(&["kms", "check", "--json"], &other);
}

#[test]
fn the_conditions_fit_what_is_sent_for_the_tenant_and_for_no_other() {
    let arn = key();
    let mut printed = policy(&arn);
    let recorder = Recorder::start(&variable("LLM_KEYS_TEST_MINISTACK"));
    let user = new_user(&without_contexts(printed.clone()), &arn, recorder.address());
    let statements = statements(&mut printed);
    let permitted = |context: &Map<_, _>| statements.iter().any(|one| permits(one, context));

    user.does_everything();
    let ours = recorder.contexts();
    assert!(ours.len() > 6, "{ours:?}");
    for context in &ours {
        assert!(permitted(context), "{context:?}");
    }
    // None of the statements is for nothing.
    let used = |one: &&Value| ours.iter().any(|context| permits(one, context));
    assert_eq!(statements.iter().filter(used).count(), 2);

    for tenant in ["other", "default"] {
        user.must(&["store", "openai", "--tenant", tenant], "sk-test");
    }
    let all = recorder.contexts();
    assert_eq!(all.len(), ours.len() + 2);
    let theirs: Vec<_> = all.iter().filter(|context| !permitted(context)).collect();
    assert_eq!(theirs.len(), 2, "{theirs:?}");
}

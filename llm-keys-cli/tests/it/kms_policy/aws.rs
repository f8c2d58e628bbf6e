//! The IAM policy, on MiniStack. It checks actions and resources, but knows no
//! `kms:EncryptionContext:` keys: those conditions are taken out for it, and compared here with the
//! contexts that the program sends.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use testkit::relay::Relay;

use super::http::ask;
use super::iam::{AccessKey, administrator, user};
use super::recorder::requests;
use super::server::variable;
use super::{Case, User, denied, printed};
use crate::sandbox::{Sandbox, feed};

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

fn policy(arn: &str, case: Case) -> Value {
    serde_json::from_str(&printed(arn, case)).unwrap()
}

/// Everything that a policy permits, each once.
fn actions(policy: &Value) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|one| one["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
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

/// Whether a statement permits `action` with `context`, by its `StringEquals`.
fn permits(statement: &Value, action: &str, context: &Map<String, Value>) -> bool {
    if !statement["Action"].as_array().unwrap().iter().any(|one| one == action) {
        return false;
    }
    let Some(wanted) = statement["Condition"]["StringEquals"].as_object() else { return false };
    wanted.iter().all(|(name, value)| {
        let name = name.strip_prefix("kms:EncryptionContext:").unwrap();
        let sent = context.get(name);
        value.as_array().map_or(sent == Some(value), |any| any.iter().any(|one| sent == Some(one)))
    })
}

/// A user with `policy` who finds what another has stored under the key.
fn reader(policy: &Value, arn: &str, server: String) -> User {
    let owner = of_ministack(&without_contexts(policy_to_seal(arn)), arn);
    owner.stores();
    owner.leaves_to(&new_user(policy, arn, server))
}

fn policy_to_seal(arn: &str) -> Value {
    policy(arn, Case::Alone)
}

fn without(policy: &Value, action: &str) -> Value {
    let mut policy = policy.clone();
    for statement in statements(&mut policy) {
        statement["Action"].as_array_mut().unwrap().retain(|other| other != action);
    }
    statements(&mut policy).retain(|one| one["Action"] != json!([]));
    policy
}

#[test]
fn it_is_enough() {
    for case in [Case::Alone, Case::WithOthers] {
        let arn = key();
        of_ministack(&without_contexts(policy(&arn, case)), &arn).does_everything(case);
    }
    let arn = key();
    let policy = without_contexts(policy(&arn, Case::Reads));
    reader(&policy, &arn, variable("LLM_KEYS_TEST_MINISTACK")).reads_everything();
}

#[test]
fn no_action_can_be_left_out() {
    for (case, count) in [(Case::Alone, 3), (Case::WithOthers, 4)] {
        let arn = key();
        let policy = without_contexts(policy(&arn, case));
        assert_eq!(actions(&policy).len(), count, "{case:?}");
        for action in actions(&policy) {
            let user = of_ministack(&without(&policy, &action), &arn);
            let local = user.local();
            let (first, last) =
                (["--kms", arn.as_str(), "--kms", &local], ["--kms", &local, "--kms", &arn]);
            let kms = if case == Case::Alone { &first[..2] } else { &first[..] };
            let store = ["store", "openai", "--json"];
            match &*action {
                "kms:GenerateDataKey" => user.denied_with(kms, &store, &action),
                "kms:Encrypt" => {
                    // Nobody else needs it.
                    user.must(&store, "sk-test");
                    user.denied_with(&last, &store, &action);
                }
                "kms:Decrypt" => {
                    user.must_with(kms, &store, "sk-test");
                    user.denied(&["get", "openai", "--json"], &action);
                }
                "kms:DescribeKey" => {
                    user.must_with(kms, &store, "sk-test");
                    user.denied_with(kms, &["kms", "check", "--json"], &action);
                }
                other => panic!("{case:?}: nothing needs {other}"),
            }
        }
    }
}

#[test]
fn a_reader_needs_to_decrypt_and_nothing_else() {
    let arn = key();
    let policy = without_contexts(policy(&arn, Case::Reads));
    assert!(actions(&policy).iter().eq(["kms:Decrypt"]), "{policy}");
    // Not a policy without statements, which is none.
    let nothing = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": ["kms:ListAliases"], "Resource": "*",
    }] });
    let user = reader(&nothing, &arn, variable("LLM_KEYS_TEST_MINISTACK"));
    let get = ["get", "openai", "--tenant", "acme", "--json"];
    denied(&get, &user.reading(&get), "kms:Decrypt");
}

#[test]
fn another_key_is_denied() {
    let (arn, other) = (key(), key());
    let user = of_ministack(&without_contexts(policy_to_seal(&arn)), &other);
    user.denied(&["store", "openai", "--json"], &other);
    user.denied(&["kms", "check", "--json"], &other);
}

#[test]
fn doctor_names_the_right_that_is_missing_and_goes_on() {
    let arn = key();
    let policy = without_contexts(policy_to_seal(&arn));
    let owner = of_ministack(&policy, &arn);
    owner.stores();
    owner.must(&["store", "openai"], "sk-test");
    let poor = of_ministack(&without(&policy, "kms:GenerateDataKey"), &arn);
    let user = owner.leaves_to(&poor);
    let output = feed(user.command(&["doctor", "--json"]), "");
    assert_eq!(output.status.code(), Some(9));
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| list.iter().find(|check| check["name"] == name).unwrap();
    let kms = of("kms");
    assert_eq!(kms["result"], "failed");
    assert_eq!(
        (&kms["key"]["key"], &kms["key"]["permitted"]),
        (&json!(format!("aws-kms:{arn}")), &json!(false))
    );
    let hint = kms["hint"].as_str().unwrap();
    assert!(
        hint.contains(
            "kms:GenerateDataKey is one of the least rights that `llm-keys kms policy` prints"
        ),
        "{hint}"
    );
    // It may not seal, and still reads.
    assert_eq!(of("sealing")["result"], "failed");
    assert_eq!(of("keys")["result"], "ok");
    assert_eq!(of("sentinel")["result"], "ok");
}

#[test]
fn the_conditions_fit_what_is_sent_for_the_tenant_and_for_no_other() {
    for case in [Case::Alone, Case::WithOthers, Case::Reads] {
        let arn = key();
        let mut printed = policy(&arn, case);
        let relay = Relay::start(&variable("LLM_KEYS_TEST_MINISTACK")).unwrap();
        let policy = without_contexts(printed.clone());
        let user = match case {
            Case::Reads => reader(&policy, &arn, relay.url()),
            _ => new_user(&policy, &arn, relay.url()),
        };
        match case {
            Case::Reads => user.reads_everything(),
            _ => user.does_everything(case),
        }
        let statements = statements(&mut printed);
        let sent = requests(&relay);
        assert!(!sent.is_empty());
        for (action, context) in &sent {
            let permitted = statements.iter().any(|one| permits(one, action, context));
            assert!(permitted, "{case:?}: {action} {context:?}");
        }
        // Nothing in a statement is for nothing.
        let limited: Vec<_> =
            statements.iter().filter(|one| one["Condition"].is_object()).collect();
        assert_eq!(limited.len(), 3);
        for one in limited {
            for action in one["Action"].as_array().unwrap().iter().filter_map(Value::as_str) {
                let used = sent
                    .iter()
                    .any(|(sent, context)| sent == action && permits(one, action, context));
                assert!(used, "{case:?}: {action} in {}", one["Sid"]);
            }
        }
    }
}

#[test]
fn another_tenant_is_not_permitted() {
    let arn = key();
    let mut printed = policy_to_seal(&arn);
    let relay = Relay::start(&variable("LLM_KEYS_TEST_MINISTACK")).unwrap();
    let user = new_user(&without_contexts(printed.clone()), &arn, relay.url());
    for tenant in ["other", "default"] {
        user.must(&["store", "openai", "--tenant", tenant], "sk-test");
    }
    let (sent, statements) = (requests(&relay), statements(&mut printed));
    // The first store also seals the sentinel, which is of no tenant's and is permitted; the keys
    // that rows are verified with are each tenant's own.
    let count = |kind: &str, name: Option<&str>| {
        let is = |context: &Map<String, Value>| {
            context["kind"] == kind && context.get("name").and_then(Value::as_str) == name
        };
        sent.iter().filter(|(_, context)| is(context)).count()
    };
    assert_eq!((count("key", None), count("system", Some("row-mac"))), (2, 2), "{sent:?}");
    assert_eq!(count("system", Some("sentinel")), 1, "{sent:?}");
    for (action, context) in &sent {
        let permitted = statements.iter().any(|one| permits(one, action, context));
        let is_sentinel = context.get("name").is_some_and(|name| name == "sentinel");
        assert_eq!(permitted, is_sentinel, "{context:?}");
    }
}

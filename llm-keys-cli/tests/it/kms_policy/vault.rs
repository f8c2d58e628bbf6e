//! Vault's policy, on OpenBao.

use serde_json::{Value, json};
use uuid::Uuid;

use super::http::ask;
use super::server::variable;
use super::{Case, User, denied, printed};
use crate::sandbox::Sandbox;

struct Mount {
    server: String,
    name: String,
}

impl Mount {
    /// A Transit mount with the keys `llm-keys` and `other`.
    fn new() -> Self {
        let name = format!("policy-{}", Uuid::new_v4().simple());
        let mount = Self { server: variable("LLM_KEYS_TEST_OPENBAO"), name };
        mount.ask(&format!("POST /v1/sys/mounts/{}", mount.name), &json!({ "type": "transit" }));
        for key in ["llm-keys", "other"] {
            mount.ask(&format!("POST /v1/{}/keys/{key}", mount.name), &json!({}));
        }
        mount
    }

    fn ask(&self, first: &str, body: &Value) -> Value {
        let token = variable("LLM_KEYS_TEST_OPENBAO_TOKEN");
        ask(&self.server, first, &[("X-Vault-Token", &token)], body)
    }

    fn uri(&self, key: &str) -> String {
        let (_, host) = self.server.split_once("://").unwrap();
        format!("vault://{}/{}/{key}?tls=off", host.trim_end_matches('/'), self.name)
    }

    /// The rules under a name of their own.
    fn policy(&self, rules: &str) -> String {
        let name = format!("policy-{}", Uuid::new_v4().simple());
        self.ask(&format!("PUT /v1/sys/policies/acl/{name}"), &json!({ "policy": rules }));
        name
    }

    /// A user of `key` who may do what `rules` say, and nothing else.
    fn poor_user(&self, rules: &str, key: &str) -> User {
        self.user_of(&json!({ "policies": [self.policy(rules)], "no_default_policy": true }), key)
    }

    /// A user who has the policy `default`, too, as usual: who may look at the own token.
    fn user(&self, rules: &str, key: &str) -> User {
        self.user_of(&json!({ "policies": [self.policy(rules)] }), key)
    }

    /// `user`, who finds what another has stored.
    fn reader(&self, user: &User) -> User {
        let owner = self.user(&printed(&self.uri("llm-keys"), Case::Alone), "llm-keys");
        owner.stores();
        owner.leaves_to(user)
    }

    fn user_of(&self, wanted: &Value, key: &str) -> User {
        let made = self.ask("POST /v1/auth/token/create", wanted);
        let token = made["auth"]["client_token"].as_str().unwrap().to_owned();
        let variables = vec![("VAULT_TOKEN", token)];
        User { sandbox: Sandbox::new(), kms: self.uri(key), variables }
    }
}

/// The rules but that for the path with this word.
fn without(rules: &str, word: &str) -> String {
    let kept: Vec<_> =
        rules.split_inclusive("}\n").filter(|rule| !rule.contains(&format!("/{word}/"))).collect();
    assert_eq!(kept.len() + 1, rules.split_inclusive("}\n").count(), "{word}");
    kept.concat()
}

#[test]
fn it_is_enough() {
    let mount = Mount::new();
    for case in [Case::Alone, Case::WithOthers] {
        let rules = printed(&mount.uri("llm-keys"), case);
        mount.poor_user(&rules, "llm-keys").does_everything(case);
    }
    let rules = printed(&mount.uri("llm-keys"), Case::Reads);
    mount.reader(&mount.poor_user(&rules, "llm-keys")).reads_everything();
}

#[test]
fn it_is_enough_for_an_approle() {
    let mount = Mount::new();
    let policy = mount.policy(&printed(&mount.uri("llm-keys"), Case::Alone));
    let auth = format!("approle-{}", Uuid::new_v4().simple());
    mount.ask(&format!("POST /v1/sys/auth/{auth}"), &json!({ "type": "approle" }));
    let role = format!("/v1/auth/{auth}/role/r");
    // As the guide has it: a short token, and no policy but this.
    let wanted =
        json!({ "token_policies": [policy], "token_no_default_policy": true, "token_ttl": "5m" });
    mount.ask(&format!("POST {role}"), &wanted);
    let id = mount.ask(&format!("GET {role}/role-id"), &Value::Null);
    let secret = mount.ask(&format!("POST {role}/secret-id"), &json!({}));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let user = User {
        sandbox: Sandbox::new(),
        kms: format!("{}&auth=approle&auth_mount={auth}", mount.uri("llm-keys")),
        variables: vec![
            ("VAULT_ROLE_ID", text(&id["data"]["role_id"])),
            ("VAULT_SECRET_ID", text(&secret["data"]["secret_id"])),
        ],
    };
    user.does_everything(Case::Alone);
}

#[test]
fn another_key_is_denied() {
    let mount = Mount::new();
    let user = mount.user(&printed(&mount.uri("llm-keys"), Case::Alone), "other");
    user.denied(&["store", "openai", "--json"], "datakey");
    // Nor does it make keys: that would take `create`.
    let user = mount.user(&printed(&mount.uri("llm-keys"), Case::Alone), "mistyped");
    user.denied(&["store", "openai", "--json"], "datakey");
    let keys = mount.ask(&format!("LIST /v1/{}/keys", mount.name), &Value::Null);
    assert_eq!(keys["data"]["keys"], json!(["llm-keys", "other"]));
}

#[test]
fn no_line_can_be_left_out() {
    let mount = Mount::new();
    for (case, words) in [
        (Case::Alone, &["datakey", "decrypt"][..]),
        (Case::WithOthers, &["datakey", "encrypt", "decrypt"]),
    ] {
        let rules = printed(&mount.uri("llm-keys"), case);
        assert_eq!(rules.matches("path ").count(), words.len(), "{rules}");
        assert!(!rules.contains("create"), "{rules}");
        for word in words {
            let user = mount.user(&without(&rules, word), "llm-keys");
            let (kms, local) = (user.kms.clone(), user.local());
            let (first, last) =
                (["--kms", &kms, "--kms", &local], ["--kms", local.as_str(), "--kms", &kms]);
            let kms = if case == Case::Alone { &first[..2] } else { &first[..] };
            let store = ["store", "openai", "--json"];
            match *word {
                "datakey" => user.denied_with(kms, &store, word),
                "encrypt" => {
                    // Nobody else needs it.
                    user.must(&store, "sk-test");
                    user.denied_with(&last, &store, word);
                }
                _ => {
                    user.must(&store, "sk-test");
                    user.denied(&["get", "openai", "--json"], word);
                }
            }
        }
    }
}

#[test]
fn a_reader_needs_to_decrypt_and_nothing_else() {
    let mount = Mount::new();
    let rules = printed(&mount.uri("llm-keys"), Case::Reads);
    assert_eq!(rules.matches("path ").count(), 1, "{rules}");
    assert!(!rules.contains("create"), "{rules}");
    let rules = printed(&mount.uri("other"), Case::Reads);
    let user = mount.reader(&mount.user(&rules, "llm-keys"));
    let get = ["get", "openai", "--tenant", "acme", "--json"];
    denied(&get, &user.reading(&get), "decrypt");
}

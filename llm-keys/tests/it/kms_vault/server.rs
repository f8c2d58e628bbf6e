//! A server to test against, as its administrator sees it.

use std::path::PathBuf;

use llm_keys::kms::vault::{VaultKms, VaultOptions};
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use super::token;

pub(crate) struct Server {
    http: Client,
    /// `http://host:port`
    pub(crate) address: String,
    pub(crate) token: String,
    pub(super) ca: Option<PathBuf>,
}

impl Server {
    /// The one without TLS.
    pub(crate) fn dev() -> Self {
        let (address, token) = ("LLM_KEYS_TEST_OPENBAO", "LLM_KEYS_TEST_OPENBAO_TOKEN");
        Self::new(variable(address), variable(token), None)
    }

    /// The one with TLS and a private certificate authority.
    pub(super) fn tls() -> Self {
        let (address, token) = ("LLM_KEYS_TEST_OPENBAO_TLS", "LLM_KEYS_TEST_OPENBAO_TLS_TOKEN");
        let ca = PathBuf::from(variable("LLM_KEYS_TEST_OPENBAO_TLS_CA"));
        Self::new(variable(address), variable(token), Some(ca))
    }

    pub(crate) fn new(address: String, token: String, ca: Option<PathBuf>) -> Self {
        let mut http = Client::builder().no_proxy();
        if let Some(ca) = &ca {
            let pem = std::fs::read(ca).unwrap();
            http = http.tls_certs_only(Certificate::from_pem_bundle(&pem).unwrap());
        }
        Self { http: http.build().unwrap(), address, token, ca }
    }

    /// The status and the document of any call.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, format!("{}/v1/{path}", self.address));
        let request = request.header("x-vault-token", &self.token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// The document of a call that must succeed.
    pub(crate) async fn must(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// A mount of its own.
    pub(crate) async fn mount(&self) -> String {
        let mount = format!("it-{}", Uuid::new_v4().simple());
        self.must("POST", &format!("sys/mounts/{mount}"), json!({ "type": "transit" })).await;
        mount
    }

    pub(crate) async fn make_key(&self, mount: &str, key: &str, settings: Value) {
        self.must("POST", &format!("{mount}/keys/{key}"), settings).await;
    }

    /// An auth method at a path of its own.
    pub(super) async fn auth(&self, kind: &str) -> String {
        let mount = format!("it-{}", Uuid::new_v4().simple());
        self.must("POST", &format!("sys/auth/{mount}"), json!({ "type": kind })).await;
        mount
    }

    /// A policy that permits nothing but what the guide says, for all keys of `mount`.
    pub(crate) async fn policy(&self, mount: &str) -> String {
        let rules = format!(
            "path \"{mount}/datakey/plaintext/*\" {{ capabilities = [\"update\"] }}\n\
             path \"{mount}/decrypt/*\" {{ capabilities = [\"update\"] }}\n\
             path \"{mount}/encrypt/*\" {{ capabilities = [\"update\"] }}\n"
        );
        let path = format!("sys/policies/acl/{mount}");
        self.must("PUT", &path, json!({ "policy": rules })).await;
        mount.to_owned()
    }

    /// A token made with `settings`.
    pub(crate) async fn make_token(&self, settings: Value) -> String {
        let answer = self.must("POST", "auth/token/create", settings).await;
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// The names of the keys of a mount.
    pub(super) async fn keys(&self, mount: &str) -> Vec<String> {
        let (_, answer) = self.call("LIST", &format!("{mount}/keys"), Value::Null).await;
        let keys = answer["data"]["keys"].as_array().cloned().unwrap_or_default();
        keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect()
    }

    /// A URI of a key, with more options that start with `&`.
    pub(super) fn uri(&self, mount: &str, key: &str, more: &str) -> String {
        let (scheme, authority) = self.address.split_once("://").unwrap();
        let tls = match &self.ca {
            Some(ca) => format!("tls=on&ca={}", ca.display()),
            None => "tls=off".to_owned(),
        };
        assert_eq!(scheme == "https", self.ca.is_some());
        format!("vault://{authority}/{mount}/{key}?{tls}{more}")
    }

    /// A provider for a key, with the administrator's token.
    pub(crate) async fn open(&self, mount: &str, key: &str) -> VaultKms {
        self.open_as(mount, key, "", token(&self.token)).await
    }

    pub(crate) async fn open_as(
        &self,
        mount: &str,
        key: &str,
        more: &str,
        options: VaultOptions,
    ) -> VaultKms {
        VaultKms::open(&self.uri(mount, key, more), options).await.unwrap()
    }
}

pub(super) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `cargo xtask test`, which starts the servers")
    })
}

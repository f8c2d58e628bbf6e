//! Raw AWS KMS ciphertexts with the context `{service, user_id}`, made on LocalStack as the other
//! program made them.

use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kms::primitives::Blob;
use serde_json::{Value, json};

use super::file;
use crate::sandbox::{PROGRAM, Sandbox, feed};

fn server() -> String {
    let name = "LLM_KEYS_TEST_LOCALSTACK";
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; `cargo xtask test` sets it"))
}

fn client() -> Client {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(server())
        .build();
    Client::from_conf(config)
}

async fn new_key(client: &Client) -> String {
    client.create_key().send().await.unwrap().key_metadata.unwrap().key_id
}

/// As `SecureKeyManager.store_api_key` of the other program.
async fn seal(client: &Client, key: &str, service: &str, user: &str, plain: &str) -> Vec<u8> {
    let sealed = client
        .encrypt()
        .key_id(key)
        .plaintext(Blob::new(plain))
        .encryption_context("service", service)
        .encryption_context("user_id", user)
        .send()
        .await
        .unwrap();
    sealed.ciphertext_blob.unwrap().into_inner()
}

fn import(sandbox: &Sandbox, more: &[&str]) -> (Option<i32>, Value) {
    let mut command = sandbox.command(PROGRAM);
    command
        .args(["import", "keys.csv", "--from-cipher", "kms", "--yes", "--json", "--skip-bad"])
        .args(more)
        .env("AWS_ENDPOINT_URL", server())
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    let output = feed(command, "");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

#[tokio::test]
async fn ciphertexts_open_for_their_service_and_user_alone() {
    let client = client();
    let key = new_key(&client).await;
    let base64 = |bytes: Vec<u8>| <base64ct::Base64 as base64ct::Encoding>::encode_string(&bytes);
    let of_alice = seal(&client, &key, "openai", "alice", "sk-test-of-alice").await;
    let of_nobody = seal(&client, &key, "openai", "global", "sk-test-of-nobody").await;
    let of_global = seal(&client, &key, "github", "global", "sk-test-of-global").await;
    let rows = format!(
        "service_name,user_id,encrypted_key,is_active\n\
         openai,alice,{},true\nopenai,,\\x{},t\ngithub,global,{},1\n\
         openai,bob,{},true\ngithub,alice,{},true\nopenai,carol,***,true\nopenai,dave,{},false\n",
        base64(of_alice.clone()),
        hex::encode(of_nobody),
        base64(of_global),
        base64(of_alice.clone()),
        base64(of_alice.clone()),
        base64(of_alice),
    );
    let sandbox = Sandbox::new();
    file(&sandbox, "keys.csv", rows);

    let (code, done) = import(&sandbox, &["--legacy-kms-key", &key]);
    assert_eq!((code, &done["stored"]), (Some(0), &json!(2)), "{done}");
    let lines = |done: &Value, of: &str| {
        let lines = done[of].as_array().unwrap().iter();
        lines.map(|remark| remark["line"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    // Of a user called `global` nobody has decided yet; of others the context is another.
    assert_eq!(lines(&done, "bad"), [4, 5, 6, 7]);
    assert_eq!(lines(&done, "skipped"), [8]);
    assert_eq!(sandbox.must(&["get", "openai", "--user", "alice"], ""), "sk-test-of-alice");
    assert_eq!(sandbox.must(&["get", "openai"], ""), "sk-test-of-nobody");

    let (_, done) = import(&sandbox, &["--global-user-id", "everybody"]);
    assert_eq!((&done["stored"], &done["unchanged"]), (&json!(1), &json!(2)), "{done}");
    assert_eq!(sandbox.must(&["get", "github"], ""), "sk-test-of-global");
}

#[tokio::test]
async fn a_kms_that_refuses_ends_it() {
    let client = client();
    let key = new_key(&client).await;
    let sealed = seal(&client, &key, "openai", "alice", "sk-test-of-alice").await;
    let sealed = hex::encode(sealed);
    let sandbox = Sandbox::new();
    file(&sandbox, "keys.csv", format!("service,user_id,ciphertext\nopenai,alice,\\x{sealed}\n"));
    client.disable_key().key_id(&key).send().await.unwrap();
    let (code, _) = import(&sandbox, &["--legacy-kms-key", &key]);
    assert_eq!(code, Some(5));
    assert!(!sandbox.home().exists());
}

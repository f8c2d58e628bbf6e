//! Google's own client against the fake, and against what our client wrapped.

use std::process::Stdio;

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::*;

#[tokio::test]
async fn googles_client_agrees_with_the_fake_and_with_ours() {
    let python = std::env::var_os("LLM_KEYS_TEST_PYTHON").expect(
        "LLM_KEYS_TEST_PYTHON must name a python that has google-cloud-kms and google-crc32c",
    );
    let bed = Bed::new().await;
    let given = json!({
        "key": KEY,
        "plaintext": bed.key.expose(|key| Base64::encode_string(key)),
        "aad": Base64::encode_string(with(&bed.context).associated_data()),
        "ciphertext": Base64::encode_string(&bed.wrapped.blob),
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/judges/gcp.py");
    let mut judge = Command::new(python)
        .args([script, &bed.fake.endpoint()])
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("LLM_KEYS_TEST_PYTHON can be started");
    let mut input = judge.stdin.take().unwrap();
    input.write_all(given.to_string().as_bytes()).await.unwrap();
    drop(input);
    let output = judge.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let blob = Base64::decode_vec(answer["ciphertext"].as_str().unwrap()).unwrap();
    let theirs = WrappedKey { blob, ..bed.wrapped.clone() };
    let opened = bed.kms.unwrap_key(&theirs, with(&bed.context)).await.unwrap();
    assert!(bed.key.expose(|ours| opened.expose(|opened| ours == opened)));
}

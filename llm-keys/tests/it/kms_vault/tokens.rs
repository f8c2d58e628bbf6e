//! A token that was given to us.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::server::Server;
use super::{generate, said, token};

#[tokio::test]
async fn it_is_renewed_for_as_long_as_it_may_live() {
    let server = Server::dev();
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let policy = server.policy(&mount).await;
    let periodic = json!({ "policies": [policy, "default"], "period": "2s" });
    let kms = server.open_as(&mount, "k", "", token(&server.make_token(periodic).await)).await;
    generate(&kms).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    generate(&kms).await.expect("it was renewed while nobody called");

    let short = json!({ "policies": [policy, "default"], "ttl": "1s", "explicit_max_ttl": "2s" });
    let kms = server.open_as(&mount, "k", "", token(&server.make_token(short).await)).await;
    generate(&kms).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let (code, hint) = said(generate(&kms).await);
    assert_eq!((code, hint.contains("new token")), ("kms_denied", true), "{hint}");
}

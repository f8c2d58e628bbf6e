//! A token that was given to us.

use serde_json::json;

use super::server::Server;
use super::{generate, token, until};
use crate::fault_proxy::FaultProxy;

/// It would live for three seconds; the third renewal is after that.
#[tokio::test]
async fn it_is_renewed_while_nobody_calls() {
    let dev = Server::dev();
    let proxy = FaultProxy::start(&dev.address).await;
    proxy.only("/renew-self");
    let server = Server::new(proxy.url(), dev.token, None);
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let policy = server.policy(&mount).await;
    let periodic = json!({ "policies": [policy, "default"], "period": "3s" });
    let kms = server.open_as(&mount, "k", "", token(&server.make_token(periodic).await)).await;
    generate(&kms).await.unwrap();
    until(async || proxy.requests() >= 3).await;
    generate(&kms).await.expect("it was renewed while nobody called");
}

#[tokio::test]
async fn at_the_end_of_its_longest_life_it_is_dead() {
    let server = Server::dev();
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let policy = server.policy(&mount).await;
    let short = json!({ "policies": [policy, "default"], "ttl": "1s", "explicit_max_ttl": "2s" });
    let secret = server.make_token(short).await;
    let kms = server.open_as(&mount, "k", "", token(&secret)).await;
    generate(&kms).await.unwrap();
    until(async || {
        let Err(error) = generate(&kms).await else { return false };
        assert_eq!(error.kind().code(), "kms_denied");
        // The server rounds to seconds, so a dead token may be taken for a poor one for a moment.
        error.hint().unwrap().contains("new token")
    })
    .await;
}

//! Tokens of AppRole that live for seconds.

use std::sync::Arc;

use llm_keys::kms::KmsProvider;
use serde_json::json;

use super::super::bed::Bed;
use super::super::server::{self, Server};
use super::go_on_until;
use crate::fault_proxy::FaultProxy;
use crate::kms_vault::logins::AppRole;
use crate::kms_vault::server::Server as OpenBao;

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_end_are_replaced_in_time() {
    let server = server::vault::start().await;
    // Beside the proxy that counts data keys, one that counts logins.
    let front = FaultProxy::start(&server.proxy.url()).await;
    front.only("/login");
    let bao = OpenBao::new(front.url(), OpenBao::dev().token, None);
    let role = AppRole::at(bao, json!({ "token_ttl": "2s", "token_max_ttl": "3s" })).await;
    let kms: Arc<dyn KmsProvider> = Arc::new(role.open_with(&role.secret_id(0).await).await);
    let bed = Bed::new(Server { kms, ..server }).await;
    let before = front.requests();
    go_on_until(&bed, || front.requests() >= before + 2).await;
}

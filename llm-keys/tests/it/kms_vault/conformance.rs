//! The suite, on both servers.

use llm_keys::testing::kms::TwoKeys;
use serde_json::json;

use super::server::Server;

async fn two(server: &Server, kind: &str) -> TwoKeys {
    let mount = server.mount().await;
    for key in ["one", "two"] {
        server.make_key(&mount, key, json!({ "type": kind })).await;
    }
    TwoKeys::new(server.open(&mount, "one").await, server.open(&mount, "two").await)
}

mod dev {
    use super::*;

    llm_keys::kms_conformance!(async |_name| two(&Server::dev(), "aes256-gcm96").await);
}

mod raft_and_tls {
    use super::*;

    llm_keys::kms_conformance!(async |_name| two(&Server::tls(), "chacha20-poly1305").await);
}

/// The least policy, so that no rule is kept only by the administrator's rights.
mod least_policy {
    use super::*;
    use crate::kms_vault::token;

    llm_keys::kms_conformance!(async |_name| {
        let server = Server::dev();
        let mount = server.mount().await;
        for key in ["one", "two"] {
            server.make_key(&mount, key, json!({})).await;
        }
        let policy = server.policy(&mount).await;
        let least = server.make_token(json!({ "policies": [policy] })).await;
        let open = async |key| server.open_as(&mount, key, "", token(&least)).await;
        TwoKeys::new(open("one").await, open("two").await)
    });
}

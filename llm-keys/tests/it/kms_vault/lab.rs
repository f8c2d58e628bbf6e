//! OpenBao, as its administrator sees it.

use std::sync::Arc;

use async_trait::async_trait;
use llm_keys::Result;
use llm_keys::error::KmsFault;
use llm_keys::kms::KmsProvider;
use llm_keys::kms::vault::{VaultKms, VaultOptions};
use llm_keys::testing::kms_lab::{Able, KmsLab};
use serde_json::{Value, json};

use super::server::Server;
use super::token;
use crate::fault_proxy::FaultProxy;

struct Lab {
    direct: Server,
    /// The same server, where requests are counted.
    proxied: Server,
    proxy: FaultProxy,
    mount: String,
}

impl Lab {
    async fn start() -> Self {
        let direct = Server::dev();
        let proxy = FaultProxy::start(&direct.address).await;
        let proxied = Server::new(proxy.url(), direct.token.clone(), None);
        let mount = direct.mount().await;
        direct.make_key(&mount, "k", json!({})).await;
        Self { direct, proxied, proxy, mount }
    }

    async fn opened(&self, key: &str, options: VaultOptions) -> Result<Arc<dyn KmsProvider>> {
        let uri = self.proxied.uri(&self.mount, key, "");
        Ok(Arc::new(VaultKms::open(&uri, options).await?))
    }

    fn all(&self) -> VaultOptions {
        token(&self.direct.token)
    }

    async fn must(&self, method: &str, path: &str, body: Value) {
        self.direct.must(method, &format!("{}/keys/k{path}", self.mount), body).await;
    }
}

#[async_trait]
impl KmsLab for Lab {
    async fn open(&self) -> Result<Arc<dyn KmsProvider>> {
        self.opened("k", self.all()).await
    }

    /// Transit has no word for it; a soft deletion is what can be taken back.
    async fn disable(&self) -> Able {
        self.must("DELETE", "/soft-delete", Value::Null).await;
        Ok(())
    }

    async fn enable(&self) -> Able {
        self.must("POST", "/soft-delete-restore", json!({})).await;
        Ok(())
    }

    async fn delete(&self) -> Able<KmsFault> {
        self.must("POST", "/config", json!({ "deletion_allowed": true })).await;
        self.must("DELETE", "", Value::Null).await;
        Ok(KmsFault::KeyMissing)
    }

    async fn rotate(&self) -> Able {
        self.must("POST", "/rotate", json!({})).await;
        Ok(())
    }

    /// With the administrator's token, which may create keys.
    async fn open_missing(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        Ok(self.opened("missing", self.all()).await)
    }

    async fn missing_is_there(&self) -> Able<bool> {
        Ok(self.direct.keys(&self.mount).await.iter().any(|key| key == "missing"))
    }

    async fn open_denied(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        let poor = self.direct.make_token(json!({ "policies": ["default"] })).await;
        Ok(self.opened("k", token(&poor)).await)
    }

    fn requests(&self) -> Able<usize> {
        Ok(self.proxy.requests())
    }

    async fn open_named(&self, name: &str) -> Able<Result<Arc<dyn KmsProvider>>> {
        Ok(self.opened(name, self.all()).await)
    }
}

llm_keys::kms_lab_conformance!(async |_name| Lab::start().await);

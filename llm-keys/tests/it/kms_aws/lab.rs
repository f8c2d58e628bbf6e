//! AWS KMS, as its administrator sees it: LocalStack, and MiniStack for who has which rights.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_kms::Client;
use llm_keys::Result;
use llm_keys::error::KmsFault;
use llm_keys::kms::KmsProvider;
use llm_keys::kms::aws::AwsKms;
use llm_keys::testing::kms_lab::{Able, Cannot, KmsLab};

use super::iam::{AccessKey, administrator, user};
use super::server::{config, create_key, variable};
use crate::fault_proxy::FaultProxy;

struct Lab {
    admin: Client,
    proxy: FaultProxy,
    /// Somebody who may do everything, by way of the proxy.
    all: SdkConfig,
    arn: String,
    has_iam: bool,
}

impl Lab {
    async fn localstack() -> Self {
        let access = AccessKey("test".to_owned(), "test".to_owned());
        Self::at(&variable("LLM_KEYS_TEST_LOCALSTACK"), &access, false).await
    }

    async fn ministack() -> Self {
        Self::at(&variable("LLM_KEYS_TEST_MINISTACK"), &administrator(), true).await
    }

    async fn at(server: &str, AccessKey(access, secret): &AccessKey, has_iam: bool) -> Self {
        let proxy = FaultProxy::start(server).await;
        let admin = Client::new(&config(server, access, secret));
        let all = config(&proxy.url(), access, secret);
        let arn = create_key(&admin).await;
        Self { admin, proxy, all, arn, has_iam }
    }

    async fn opened(&self, key: &str, config: &SdkConfig) -> Result<Arc<dyn KmsProvider>> {
        Ok(Arc::new(AwsKms::open_with(key, config).await?))
    }

    fn missing(&self) -> String {
        let (place, _) = self.arn.split_once(":key/").unwrap();
        format!("{place}:key/00000000-0000-4000-8000-000000000000")
    }
}

#[async_trait]
impl KmsLab for Lab {
    async fn open(&self) -> Result<Arc<dyn KmsProvider>> {
        self.opened(&self.arn, &self.all).await
    }

    async fn disable(&self) -> Able {
        self.admin.disable_key().key_id(&self.arn).send().await.unwrap();
        Ok(())
    }

    async fn enable(&self) -> Able {
        self.admin.enable_key().key_id(&self.arn).send().await.unwrap();
        Ok(())
    }

    async fn delete(&self) -> Able<KmsFault> {
        let request = self.admin.schedule_key_deletion().key_id(&self.arn);
        request.pending_window_in_days(7).send().await.unwrap();
        Ok(KmsFault::KeyDisabled)
    }

    async fn rotate(&self) -> Able {
        if self.has_iam {
            return Cannot::because("MiniStack has no RotateKeyOnDemand");
        }
        self.admin.enable_key_rotation().key_id(&self.arn).send().await.unwrap();
        self.admin.rotate_key_on_demand().key_id(&self.arn).send().await.unwrap();
        Ok(())
    }

    async fn open_missing(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        if self.has_iam {
            return Cannot::because("MiniStack decrypts whatever key is named");
        }
        Ok(self.opened(&self.missing(), &self.all).await)
    }

    async fn missing_is_there(&self) -> Able<bool> {
        Ok(self.admin.describe_key().key_id(self.missing()).send().await.is_ok())
    }

    async fn open_denied(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        if !self.has_iam {
            return Cannot::because("LocalStack lets everybody do everything");
        }
        let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Action":["sts:GetCallerIdentity"],"Resource":"*"}]}"#;
        let poor = tokio::task::spawn_blocking(|| user(policy)).await.unwrap();
        let poor = config(&self.proxy.url(), &poor.0, &poor.1);
        Ok(self.opened(&self.arn, &poor).await)
    }

    fn requests(&self) -> Able<usize> {
        Ok(self.proxy.requests())
    }

    async fn open_named(&self, name: &str) -> Able<Result<Arc<dyn KmsProvider>>> {
        Ok(self.opened(&format!("alias/{name}"), &self.all).await)
    }
}

mod localstack {
    use super::*;

    llm_keys::kms_lab_conformance!(async |_name| Lab::localstack().await, cannot: [
        denied_caller_is_denied,
        denial_is_not_retried,
    ]);
}

mod ministack {
    use super::*;

    llm_keys::kms_lab_conformance!(async |_name| Lab::ministack().await, cannot: [
        rotated_key_opens_old_and_new,
        missing_key_is_missing,
        missing_key_is_never_made,
    ]);
}

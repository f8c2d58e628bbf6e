//! The fake, as its administrator sees it.

use std::sync::Arc;

use async_trait::async_trait;
use llm_keys::Result;
use llm_keys::kms::KmsProvider;
use llm_keys::testing::kms_lab::{Able, KmsLab};

use super::credentials::credentials_of;
use super::*;

struct Lab(FakeGcpKms);

impl Lab {
    async fn start() -> Self {
        let fake = FakeGcpKms::start(0).await.unwrap();
        fake.add_key(KEY);
        Self(fake)
    }

    fn opened(&self, key: &str, options: GcpOptions) -> Result<Arc<dyn KmsProvider>> {
        let options = options.with_endpoint(self.0.endpoint());
        Ok(Arc::new(GcpKms::open(&format!("gcp-kms://{key}"), options)?))
    }
}

#[async_trait]
impl KmsLab for Lab {
    async fn open(&self) -> Result<Arc<dyn KmsProvider>> {
        self.opened(KEY, GcpOptions::default())
    }

    async fn disable(&self) -> Able {
        self.0.set_state(KEY, 1, State::Disabled);
        Ok(())
    }

    async fn enable(&self) -> Able {
        self.0.set_state(KEY, 1, State::Enabled);
        Ok(())
    }

    /// A key itself cannot be deleted in Cloud KMS, only its versions.
    async fn delete(&self) -> Able<KmsFault> {
        self.0.set_state(KEY, 1, State::DestroyScheduled);
        Ok(KmsFault::KeyDisabled)
    }

    async fn rotate(&self) -> Able {
        self.0.rotate(KEY);
        Ok(())
    }

    async fn open_missing(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        Ok(self.opened(OTHER, GcpOptions::default()))
    }

    async fn missing_is_there(&self) -> Able<bool> {
        Ok(self.0.has_key(OTHER))
    }

    async fn open_denied(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        let email = "stranger@p-1.iam.gserviceaccount.com";
        self.0.deny(email);
        Ok(self.opened(KEY, GcpOptions::default().with_credentials(credentials_of(email))))
    }

    fn requests(&self) -> Able<usize> {
        Ok(self.0.requests())
    }

    async fn open_named(&self, name: &str) -> Able<Result<Arc<dyn KmsProvider>>> {
        let key = KEY.replace("data", name);
        self.0.add_key(&key);
        Ok(self.opened(&key, GcpOptions::default()))
    }
}

llm_keys::kms_lab_conformance!(async |_name| Lab::start().await);

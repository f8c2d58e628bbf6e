//! The fake, as its administrator sees it.

use std::sync::Arc;

use async_trait::async_trait;
use llm_keys::Result;
use llm_keys::kms::KmsProvider;
use llm_keys::testing::kms_lab::{Able, KmsLab};
use testkit::azure::State;

use super::*;

struct Lab(FakeKeyVault);

impl Lab {
    async fn start() -> Self {
        Self(fake(&["main"]).await)
    }

    async fn opened(&self, key: &str, rights: &'static str) -> Result<Arc<dyn KmsProvider>> {
        Ok(Arc::new(AzureKms::open_with(&uri(key), options(&self.0, rights)).await?))
    }
}

#[async_trait]
impl KmsLab for Lab {
    async fn open(&self) -> Result<Arc<dyn KmsProvider>> {
        self.opened("main", ALL).await
    }

    async fn disable(&self) -> Able {
        self.0.vault().set_state("main", State::Disabled);
        Ok(())
    }

    async fn enable(&self) -> Able {
        self.0.vault().set_state("main", State::Enabled);
        Ok(())
    }

    async fn delete(&self) -> Able<KmsFault> {
        self.0.vault().delete("main");
        Ok(KmsFault::KeyMissing)
    }

    async fn rotate(&self) -> Able {
        self.0.vault().create("main").unwrap();
        Ok(())
    }

    async fn open_missing(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        Ok(self.opened("missing", ALL).await)
    }

    async fn missing_is_there(&self) -> Able<bool> {
        Ok(self.0.vault().has_key("missing"))
    }

    /// Who may look the key up, so that not only that is refused.
    async fn open_denied(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        Ok(self.opened("main", "known-get").await)
    }

    fn requests(&self) -> Able<usize> {
        Ok(self.0.vault().requests())
    }

    async fn open_named(&self, name: &str) -> Able<Result<Arc<dyn KmsProvider>>> {
        if !self.0.vault().has_key(name) {
            self.0.vault().create(name).unwrap();
        }
        Ok(self.opened(name, ALL).await)
    }
}

llm_keys::kms_lab_conformance!(async |_name| Lab::start().await);

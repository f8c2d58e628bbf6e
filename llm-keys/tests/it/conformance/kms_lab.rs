//! The local KMS, as far as a file on this machine has an administrator.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use llm_keys::Result;
use llm_keys::kms::KmsProvider;
use llm_keys::kms::local::{self, LocalKms};
use llm_keys::testing::kms_lab::{Able, Cannot, KmsLab};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.make("master.key");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn make(&self, name: &str) {
        local::create(self.path(name), &llm_keys::SystemRandom).unwrap();
    }

    fn open(&self, name: &str) -> Result<Arc<dyn KmsProvider>> {
        Ok(Arc::new(LocalKms::open(self.path(name))?))
    }
}

#[async_trait]
impl KmsLab for Folder {
    async fn open(&self) -> Result<Arc<dyn KmsProvider>> {
        self.open("master.key")
    }

    async fn rotate(&self) -> Able {
        local::rotate(self.path("master.key"), &llm_keys::SystemRandom).unwrap();
        Ok(())
    }

    /// A file that is not there is a matter of the settings, and is created by a command only.
    async fn open_missing(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        Cannot::because("a key file that is missing is Misconfigured")
    }

    async fn open_named(&self, name: &str) -> Able<Result<Arc<dyn KmsProvider>>> {
        if !self.path(name).exists() {
            self.make(name);
        }
        Ok(self.open(name))
    }
}

llm_keys::kms_lab_conformance!(async |_name| Folder::new(), cannot: [
    disabled_key_is_refused,
    enabled_key_works_again,
    deleted_key_is_refused,
    missing_key_is_missing,
    missing_key_is_never_made,
    denied_caller_is_denied,
    denial_is_not_retried,
]);

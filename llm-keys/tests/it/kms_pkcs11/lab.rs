//! A token, as its owner sees it.

use std::sync::Arc;

use async_trait::async_trait;
use cryptoki::object::Attribute;
use llm_keys::Result;
use llm_keys::error::KmsFault;
use llm_keys::kms::KmsProvider;
use llm_keys::testing::kms_lab::{Able, KmsLab};

use super::soft_hsm::SoftHsm;

struct Lab(SoftHsm);

impl Lab {
    fn start(hsm: SoftHsm) -> Self {
        hsm.add_token("llmkeys");
        hsm.add_key("llmkeys", "kek", &[1]);
        Self(hsm)
    }

    async fn opened(&self, path: &str) -> Result<Arc<dyn KmsProvider>> {
        Ok(Arc::new(self.0.open(path).await?))
    }

    /// Whether the key may be used.
    fn permit(&self, may: bool) {
        let session = self.0.session("llmkeys");
        for key in session.find_objects(&[Attribute::Label(b"kek".to_vec())]).unwrap() {
            let usage = [Attribute::Encrypt(may), Attribute::Decrypt(may)];
            session.update_attributes(key, &usage).unwrap();
        }
    }
}

#[async_trait]
impl KmsLab for Lab {
    async fn open(&self) -> Result<Arc<dyn KmsProvider>> {
        self.opened("token=llmkeys;object=kek").await
    }

    async fn disable(&self) -> Able {
        self.permit(false);
        Ok(())
    }

    async fn enable(&self) -> Able {
        self.permit(true);
        Ok(())
    }

    async fn delete(&self) -> Able<KmsFault> {
        self.0.delete_key("llmkeys", "kek");
        Ok(KmsFault::KeyMissing)
    }

    async fn open_missing(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        Ok(self.opened("token=llmkeys;object=missing").await)
    }

    async fn missing_is_there(&self) -> Able<bool> {
        let session = self.0.session("llmkeys");
        let label = Attribute::Label(b"missing".to_vec());
        Ok(!session.find_objects(&[label]).unwrap().is_empty())
    }

    /// Who has no PIN. A login is the whole process's, so the one there is has to end first.
    async fn open_denied(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        let uri = self.0.uri_with("token=llmkeys;object=kek", &self.0.pin_file("battery-staple"));
        self.0.session("llmkeys").logout().unwrap();
        let opened = llm_keys::kms::pkcs11::Pkcs11Kms::open(&uri).await;
        Ok(opened.map(|kms| Arc::new(kms) as Arc<dyn KmsProvider>))
    }

    /// Labels are UTF-8, and a URI has them percent-encoded.
    async fn open_named(&self, name: &str) -> Able<Result<Arc<dyn KmsProvider>>> {
        let session = self.0.session("llmkeys");
        let label = Attribute::Label(name.as_bytes().to_vec());
        if session.find_objects(&[label]).unwrap().is_empty() {
            self.0.add_key("llmkeys", name, name.as_bytes());
        }
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        Ok(self.opened(&format!("token=llmkeys;object={encoded}")).await)
    }
}

llm_keys::kms_lab_conformance!(
    async |name| match SoftHsm::of_test(module_path!(), name) {
        Some(hsm) => Lab::start(hsm),
        // It was tested in a process of its own.
        None => return,
    },
    cannot: [rotated_key_opens_old_and_new, denial_is_not_retried]
);

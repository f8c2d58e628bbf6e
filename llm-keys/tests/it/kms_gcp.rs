//! Google Cloud KMS: our client against the fake that Google's client judges.

mod answers;
mod credentials;
mod judge;
mod lab;
mod manager;

use llm_keys::error::KmsFault;
use llm_keys::kms::gcp::{GcpKms, GcpOptions};
use llm_keys::kms::{KmsContext, KmsProvider as _, WrappedKey};
use llm_keys::{DataKey, EncryptionContext, Error, ErrorKind, KeyId, SystemRandom, Version};
use testkit::gcp::{FakeGcpKms, State};

const KEY: &str = "projects/p-1/locations/europe-west1/keyRings/llm-keys/cryptoKeys/data";
const OTHER: &str = "projects/p-1/locations/europe-west1/keyRings/llm-keys/cryptoKeys/data2";

/// A provider, a fake with its key, and a data key that it wrapped.
struct Bed {
    fake: FakeGcpKms,
    kms: GcpKms,
    context: EncryptionContext,
    key: DataKey,
    wrapped: WrappedKey,
}

impl Bed {
    async fn new() -> Self {
        let fake = FakeGcpKms::start(0).await.unwrap();
        fake.add_key(KEY);
        let kms = client(&fake, KEY);
        let id = KeyId::user("zoe+x@example.com", "openai").unwrap().with_name("prod").unwrap();
        let context = EncryptionContext::of_key(&id, uuid::Uuid::nil(), Version::FIRST);
        let key = DataKey::generate(&SystemRandom).unwrap();
        let wrapped = kms.wrap_key(&key, with(&context)).await.unwrap();
        Self { fake, kms, context, key, wrapped }
    }

    async fn wrap(&self) -> Result<(), Error> {
        self.kms.wrap_key(&self.key, with(&self.context)).await.map(drop)
    }

    async fn unwrap(&self) -> Result<(), Error> {
        let key = self.kms.unwrap_key(&self.wrapped, with(&self.context)).await?;
        assert!(self.key.expose(|ours| key.expose(|theirs| ours == theirs)));
        Ok(())
    }
}

fn client(fake: &FakeGcpKms, key: &str) -> GcpKms {
    let options = GcpOptions::default().with_endpoint(fake.endpoint());
    GcpKms::open(&format!("gcp-kms://{key}"), options).unwrap()
}

fn with(context: &EncryptionContext) -> KmsContext<'_> {
    KmsContext { context, readable: false }
}

fn kind(fault: KmsFault) -> ErrorKind {
    ErrorKind::Kms(fault)
}

mod conformance {
    use std::sync::Arc;

    use async_trait::async_trait;
    use llm_keys::kms::{KeyUri, KmsCapabilities, KmsHealth};
    use llm_keys::testing::kms::TwoKeys;

    use super::*;

    /// Two providers at one fake, which lives as long as they do.
    async fn two() -> TwoKeys {
        let fake = Arc::new(FakeGcpKms::start(0).await.unwrap());
        let [kms, other] = [KEY, OTHER].map(|key| {
            fake.add_key(key);
            Alive { kms: client(&fake, key), _fake: Arc::clone(&fake) }
        });
        TwoKeys::new(kms, other)
    }

    #[derive(Debug)]
    struct Alive {
        kms: GcpKms,
        _fake: Arc<FakeGcpKms>,
    }

    #[async_trait]
    impl llm_keys::kms::KmsProvider for Alive {
        fn uri(&self) -> &KeyUri {
            self.kms.uri()
        }

        fn capabilities(&self) -> KmsCapabilities {
            self.kms.capabilities()
        }

        async fn wrap_key(
            &self,
            key: &DataKey,
            context: KmsContext<'_>,
        ) -> Result<WrappedKey, Error> {
            self.kms.wrap_key(key, context).await
        }

        async fn unwrap_key(
            &self,
            wrapped: &WrappedKey,
            context: KmsContext<'_>,
        ) -> Result<DataKey, Error> {
            self.kms.unwrap_key(wrapped, context).await
        }

        async fn check(&self) -> Result<KmsHealth, Error> {
            self.kms.check().await
        }
    }

    llm_keys::kms_conformance!(async |_name| two().await);
}

//! KMS backends that each break a rule.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use async_trait::async_trait;
use llm_keys::error::KmsFault;
use llm_keys::kms::local::LocalKms;
use llm_keys::kms::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey};
use llm_keys::model::SystemName;
use llm_keys::testing::kms::{self as rules, TwoKeys};
use llm_keys::{
    DataKey, EncryptionContext, Error, ErrorKind, Random, Result, SystemRandom, Tenant, Version,
};
use uuid::Uuid;

use super::panics;

/// What a [`Broken`] KMS does wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    MixesUpKeys,
    NamesAnotherKey,
    AcceptsNothing,
    AcceptsEverything,
    IgnoresTheContext,
    OpensAnything,
    CallsARefusalAnOutage,
    CallsAForeignKeyDamaged,
    RepeatsABlob,
    RepeatsAGeneratedKey,
    MakesHugeBlobs,
    TakesOneAtATime,
    BreaksOnADroppedCall,
    FailsItsCheck,
    ChecksAnotherKey,
    PrintsTheKey,
}

#[derive(Debug)]
struct Broken {
    inner: LocalKms,
    fault: Fault,
    elsewhere: KeyUri,
    context: EncryptionContext,
    busy: AtomicBool,
    last: Mutex<Option<([u8; 32], WrappedKey)>>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        let name = SystemName::new("any").unwrap();
        let tenant = Tenant::default();
        Self {
            inner: LocalKms::ephemeral().unwrap(),
            fault,
            elsewhere: KeyUri::new("local:elsewhere").unwrap(),
            context: EncryptionContext::of_system(&tenant, &name, Uuid::nil(), Version::FIRST),
            busy: AtomicBool::new(false),
            last: Mutex::default(),
        }
    }

    fn pair(fault: Fault) -> TwoKeys {
        TwoKeys::new(Self::new(fault), Self::new(fault))
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn context<'a>(&'a self, context: KmsContext<'a>) -> KmsContext<'a> {
        let own = KmsContext { context: &self.context, readable: false };
        if self.is(Fault::IgnoresTheContext) { own } else { context }
    }

    /// A moment in which a second call may come, or the caller may go away.
    async fn work(&self) -> Result<()> {
        if !self.is(Fault::TakesOneAtATime) && !self.is(Fault::BreaksOnADroppedCall) {
            return Ok(());
        }
        if self.busy.swap(true, SeqCst) {
            let kind = ErrorKind::Kms(KmsFault::Throttled);
            return Err(Error::new(kind, "kms.work", "one at a time"));
        }
        tokio::task::yield_now().await;
        self.busy.store(false, SeqCst);
        Ok(())
    }

    fn remember(&self, key: &DataKey, wrapped: &WrappedKey) {
        *self.last.lock().unwrap() = Some((key.expose(|key| *key), wrapped.clone()));
    }

    fn remembered(&self) -> Option<([u8; 32], WrappedKey)> {
        self.last.lock().unwrap().clone()
    }
}

#[async_trait]
impl KmsProvider for Broken {
    fn uri(&self) -> &KeyUri {
        self.inner.uri()
    }

    fn accepts(&self, wrapped: &WrappedKey) -> bool {
        match self.fault {
            Fault::AcceptsNothing => false,
            Fault::AcceptsEverything => true,
            _ => self.inner.accepts(wrapped),
        }
    }

    fn capabilities(&self) -> KmsCapabilities {
        self.inner.capabilities()
    }

    async fn generate_data_key(
        &self,
        context: KmsContext<'_>,
        random: &dyn Random,
    ) -> Result<(DataKey, WrappedKey)> {
        let mut key = DataKey::generate(random)?;
        if self.is(Fault::RepeatsAGeneratedKey) {
            key = DataKey::copy_from(&[7; 32]);
        }
        let wrapped = self.wrap_key(&key, context).await?;
        Ok((key, wrapped))
    }

    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        self.work().await?;
        if let Some((last, wrapped)) = self.remembered()
            && self.is(Fault::RepeatsABlob)
            && key.expose(|key| *key == last)
        {
            return Ok(wrapped);
        }
        let mut wrapped = self.inner.wrap_key(key, self.context(context)).await?;
        self.remember(key, &wrapped);
        match self.fault {
            Fault::NamesAnotherKey => wrapped.uri = self.elsewhere.clone(),
            Fault::MakesHugeBlobs => wrapped.blob.resize(5_000, 0),
            _ => {}
        }
        Ok(wrapped)
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        self.work().await?;
        let mut wrapped = wrapped.clone();
        if self.is(Fault::MakesHugeBlobs) && wrapped.blob.len() == 5_000 {
            wrapped.blob.truncate(93);
        }
        let answer = self.inner.unwrap_key(&wrapped, self.context(context)).await;
        let last = self.remembered().map_or([0; 32], |(key, _)| key);
        match (self.fault, answer) {
            (Fault::MixesUpKeys, Ok(_)) => Ok(DataKey::copy_from(&[9; 32])),
            (Fault::OpensAnything, Err(_)) => Ok(DataKey::copy_from(&last)),
            (Fault::CallsARefusalAnOutage, Err(error)) => {
                let kind = ErrorKind::Kms(KmsFault::Unavailable);
                Err(Error::new(kind, error.op(), error.detail().to_owned()))
            }
            (Fault::CallsAForeignKeyDamaged, Err(error)) => {
                let kind = ErrorKind::Kms(KmsFault::ContextMismatch);
                Err(Error::new(kind, error.op(), error.detail().to_owned()))
            }
            (Fault::PrintsTheKey, Err(error)) => {
                Err(error.with_source(std::io::Error::other(format!("{last:?}"))))
            }
            (_, answer) => answer,
        }
    }

    async fn check(&self) -> Result<KmsHealth> {
        let health = self.inner.check().await?;
        match self.fault {
            Fault::FailsItsCheck => Err(Error::invalid("kms.check", "not today")),
            Fault::ChecksAnotherKey => {
                Ok(KmsHealth::new(self.elsewhere.clone(), health.round_trip))
            }
            _ => Ok(health),
        }
    }
}

/// Without a fault the wrapper is a sound KMS, so that what fails below fails for its fault.
mod sound {
    llm_keys::kms_conformance!(async |_name| super::Broken::pair(super::Fault::None));
}

macro_rules! must_fail {
    ($($test:ident: $fault:ident => $($rule:ident),+;)*) => {
        $(
            #[test]
            fn $test() {
                $(
                    let keys = Broken::pair(Fault::$fault);
                    let stopped = panics(move || async move { rules::$rule(&keys).await });
                    assert!(stopped, "{} let it pass", stringify!($rule));
                )+
            }
        )*
    };
}

must_fail! {
    mixes_up_keys: MixesUpKeys => round_trip, many_at_once;
    names_another_key: NamesAnotherKey => wrapped_names_the_key;
    accepts_nothing: AcceptsNothing => wrapped_names_the_key;
    accepts_everything: AcceptsEverything => foreign_key_is_wrong_key;
    ignores_the_context: IgnoresTheContext => other_context_is_refused;
    opens_anything: OpensAnything => other_context_is_refused, damaged_blob_is_refused,
        foreign_key_is_wrong_key;
    calls_a_refusal_an_outage: CallsARefusalAnOutage => other_context_is_refused,
        damaged_blob_is_refused, foreign_key_is_wrong_key;
    calls_a_foreign_key_damaged: CallsAForeignKeyDamaged => foreign_key_is_wrong_key;
    repeats_a_blob: RepeatsABlob => wraps_differ;
    repeats_a_generated_key: RepeatsAGeneratedKey => wraps_differ;
    makes_huge_blobs: MakesHugeBlobs => sizes_fit_the_envelope;
    takes_one_at_a_time: TakesOneAtATime => many_at_once;
    breaks_on_a_dropped_call: BreaksOnADroppedCall => a_dropped_call_hurts_nobody;
    fails_its_check: FailsItsCheck => check_succeeds;
    checks_another_key: ChecksAnotherKey => check_succeeds;
    prints_the_key: PrintsTheKey => errors_hold_no_key;
}

/// What a backend says it cannot do is not asked of it.
#[tokio::test]
async fn capabilities_are_respected() {
    #[derive(Debug)]
    struct Modest(Broken);

    #[async_trait]
    impl KmsProvider for Modest {
        fn uri(&self) -> &KeyUri {
            self.0.uri()
        }

        fn capabilities(&self) -> KmsCapabilities {
            KmsCapabilities::FULL.without_context().without_wrong_key()
        }

        async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
            self.0.wrap_key(key, context).await
        }

        async fn unwrap_key(
            &self,
            wrapped: &WrappedKey,
            context: KmsContext<'_>,
        ) -> Result<DataKey> {
            self.0.unwrap_key(wrapped, context).await
        }

        async fn check(&self) -> Result<KmsHealth> {
            self.0.check().await
        }
    }

    let modest = |fault| TwoKeys::new(Modest(Broken::new(fault)), Modest(Broken::new(fault)));
    rules::other_context_is_refused(&modest(Fault::IgnoresTheContext)).await;
    rules::foreign_key_is_wrong_key(&modest(Fault::CallsAForeignKeyDamaged)).await;
    // The default of the trait makes data keys, too.
    let keys = modest(Fault::None);
    let context = KmsContext { context: &Broken::new(Fault::None).context, readable: false };
    let (key, wrapped) = keys.kms.generate_data_key(context, &SystemRandom).await.unwrap();
    let again = keys.kms.unwrap_key(&wrapped, context).await.unwrap();
    assert!(key.expose(|key| again.expose(|again| key == again)));
}

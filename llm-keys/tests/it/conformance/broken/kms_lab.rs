//! Services that each break a rule about their keys.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use llm_keys::error::KmsFault;
use llm_keys::kms::local::{LocalKms, MasterKey};
use llm_keys::kms::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey};
use llm_keys::testing::kms_lab::{self as rules, Able, KmsLab};
use llm_keys::{DataKey, EncryptionContext, Error, ErrorKind, Result, SystemRandom};

use super::panics;

/// What a [`Lab`] does wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    IgnoresThatItIsDisabled,
    StillReadsDisabled,
    CallsDisabledAnOutage,
    GivesNoHint,
    StaysDisabled,
    OutlivesItsDeletion,
    CallsDeletedDenied,
    ForgetsOlderVersions,
    WrapsUnderAGoneVersion,
    CallsMissingDenied,
    MakesWhatIsMissing,
    PermitsEverybody,
    CallsADenialAnOutage,
    RetriesDenials,
    PanicsAtOddSizes,
    OpensOddSizes,
    FailsAfterOddSizes,
    RefusesQuotes,
    CutsLongIds,
    LosesForeignNames,
    MixesUpForeignNames,
}

/// The service: one key of some versions, each a master key.
#[derive(Debug)]
struct Service {
    fault: Fault,
    versions: Mutex<Vec<[u8; 32]>>,
    state: Mutex<Option<KmsFault>>,
    made_missing: Mutex<bool>,
    requests: AtomicUsize,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Asks {
    Owner,
    ForMissing,
    Stranger,
    ByName(u8),
}

#[derive(Debug)]
struct Client {
    service: Arc<Service>,
    asks: Asks,
    uri: KeyUri,
}

impl Client {
    fn is(&self, fault: Fault) -> bool {
        self.service.fault == fault
    }

    fn refuse<T>(&self, fault: KmsFault) -> Result<T> {
        let outage = match fault {
            KmsFault::KeyDisabled => self.is(Fault::CallsDisabledAnOutage),
            KmsFault::Denied => self.is(Fault::CallsADenialAnOutage),
            _ => false,
        };
        let fault = if outage { KmsFault::Unavailable } else { fault };
        let error = Error::new(ErrorKind::Kms(fault), "kms.ask", "no");
        Err(if self.is(Fault::GivesNoHint) { error } else { error.with_hint("ask somebody") })
    }

    /// The key, if it may be used for that.
    fn key(&self, reads: bool) -> Result<LocalKms> {
        self.service.requests.fetch_add(1, SeqCst);
        match self.asks {
            Asks::Stranger if !self.is(Fault::PermitsEverybody) => {
                if self.is(Fault::RetriesDenials) {
                    self.service.requests.fetch_add(2, SeqCst);
                }
                return self.refuse(KmsFault::Denied);
            }
            Asks::ForMissing if self.is(Fault::CallsMissingDenied) => {
                return self.refuse(KmsFault::Denied);
            }
            Asks::ForMissing => {
                // It says the right thing, and then does this.
                *self.service.made_missing.lock().unwrap() = self.is(Fault::MakesWhatIsMissing);
                return self.refuse(KmsFault::KeyMissing);
            }
            _ => {}
        }
        match *self.service.state.lock().unwrap() {
            Some(KmsFault::KeyDisabled) if self.is(Fault::IgnoresThatItIsDisabled) => {}
            Some(KmsFault::KeyDisabled) if reads && self.is(Fault::StillReadsDisabled) => {}
            Some(KmsFault::KeyMissing) if self.is(Fault::OutlivesItsDeletion) => {}
            Some(KmsFault::KeyMissing) if self.is(Fault::CallsDeletedDenied) => {
                return self.refuse(KmsFault::Denied);
            }
            Some(fault) => return self.refuse(fault),
            None => {}
        }
        let mut versions = self.service.versions.lock().unwrap().clone();
        if self.is(Fault::ForgetsOlderVersions) {
            versions.drain(..versions.len() - 1);
        }
        if reads && self.is(Fault::WrapsUnderAGoneVersion) && versions.len() > 1 {
            versions.pop();
        }
        let mut masters: Vec<_> =
            versions.iter().map(|bytes| MasterKey::from_bytes(bytes).unwrap()).collect();
        let newest = masters.pop().unwrap();
        Ok(LocalKms::new(newest, masters))
    }

    /// The context as the service takes it.
    fn context(&self, context: KmsContext<'_>) -> Result<EncryptionContext> {
        let text = String::from_utf8_lossy(context.associated_data()).into_owned();
        if self.is(Fault::RefusesQuotes) && text.contains('"') {
            return self.refuse(KmsFault::ContextMismatch);
        }
        if self.is(Fault::CutsLongIds) && text.len() > 300 {
            let id = llm_keys::KeyId::global("cut").unwrap();
            return Ok(EncryptionContext::of_key(&id, uuid::Uuid::nil(), llm_keys::Version::FIRST));
        }
        Ok(context.context.clone())
    }
}

#[async_trait]
impl KmsProvider for Client {
    fn uri(&self) -> &KeyUri {
        &self.uri
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::FULL
    }

    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        let kms = self.key(false)?;
        let ours = self.context(context)?;
        let inner = kms.wrap_key(key, KmsContext { context: &ours, ..context }).await?;
        // The version stands in the blob, as services have it.
        let version = inner.uri.as_str().as_bytes();
        let blob = [version, b" ", &inner.blob].concat();
        Ok(WrappedKey { uri: self.uri.clone(), blob })
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        let kms = self.key(true)?;
        let odd = !(1..=WrappedKey::MAX_BLOB).contains(&wrapped.blob.len());
        match self.service.fault {
            Fault::PanicsAtOddSizes => assert!(!odd, "what a size"),
            Fault::OpensOddSizes if odd => return Ok(DataKey::copy_from(&[7; 32])),
            Fault::FailsAfterOddSizes if odd => {
                *self.service.state.lock().unwrap() = Some(KmsFault::Throttled);
            }
            _ => {}
        }
        let ours = self.context(context)?;
        let Some(at) = wrapped.blob.iter().position(|byte| *byte == b' ') else {
            return self.refuse(KmsFault::ContextMismatch);
        };
        let version = std::str::from_utf8(&wrapped.blob[..at]).ok();
        let Some(uri) = version.and_then(|text| KeyUri::new(text).ok()) else {
            return self.refuse(KmsFault::ContextMismatch);
        };
        let inner = WrappedKey { uri, blob: wrapped.blob[at + 1..].to_vec() };
        kms.unwrap_key(&inner, KmsContext { context: &ours, ..context }).await
    }

    async fn check(&self) -> Result<KmsHealth> {
        let health = self.key(false)?.check().await?;
        Ok(KmsHealth::new(self.uri.clone(), health.round_trip))
    }
}

struct Lab(Arc<Service>);

impl Lab {
    fn new(fault: Fault) -> Self {
        Self(Arc::new(Service {
            fault,
            versions: Mutex::new(vec![[1; 32]]),
            state: Mutex::default(),
            made_missing: Mutex::default(),
            requests: AtomicUsize::default(),
        }))
    }

    fn client(&self, asks: Asks) -> Arc<dyn KmsProvider> {
        let uri = KeyUri::new(match asks {
            Asks::ByName(number) => format!("lab:named-{number}"),
            _ => "lab:key".to_owned(),
        });
        Arc::new(Client { service: Arc::clone(&self.0), asks, uri: uri.unwrap() })
    }

    fn set(&self, state: Option<KmsFault>) {
        *self.0.state.lock().unwrap() = state;
    }
}

#[async_trait]
impl KmsLab for Lab {
    async fn open(&self) -> Result<Arc<dyn KmsProvider>> {
        Ok(self.client(Asks::Owner))
    }

    async fn disable(&self) -> Able {
        self.set(Some(KmsFault::KeyDisabled));
        Ok(())
    }

    async fn enable(&self) -> Able {
        if self.0.fault != Fault::StaysDisabled {
            self.set(None);
        }
        Ok(())
    }

    async fn delete(&self) -> Able<KmsFault> {
        self.set(Some(KmsFault::KeyMissing));
        Ok(KmsFault::KeyMissing)
    }

    async fn rotate(&self) -> Able {
        let mut versions = self.0.versions.lock().unwrap();
        let next = versions.last().unwrap()[0] + 1;
        versions.push([next; 32]);
        Ok(())
    }

    async fn open_missing(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        Ok(Ok(self.client(Asks::ForMissing)))
    }

    async fn missing_is_there(&self) -> Able<bool> {
        Ok(*self.0.made_missing.lock().unwrap())
    }

    async fn open_denied(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        Ok(Ok(self.client(Asks::Stranger)))
    }

    fn requests(&self) -> Able<usize> {
        Ok(self.0.requests.load(SeqCst))
    }

    async fn open_named(&self, name: &str) -> Able<Result<Arc<dyn KmsProvider>>> {
        if self.0.fault == Fault::LosesForeignNames {
            let kind = ErrorKind::Kms(KmsFault::KeyMissing);
            return Ok(Err(Error::new(kind, "kms.open", "no such key")));
        }
        // Some names are keys and some are refused, as rules of names go.
        if name.chars().count() > 3 {
            return Ok(Err(Error::invalid("kms.open", "this is no name of a key")));
        }
        let opened = self.0.requests.load(SeqCst);
        let mixed_up = self.0.fault == Fault::MixesUpForeignNames;
        let number = if mixed_up { opened % 256 } else { name.len() };
        Ok(Ok(self.client(Asks::ByName(u8::try_from(number).unwrap()))))
    }
}

/// Without a fault the service is sound, so that what fails below fails for its fault.
mod sound {
    use super::{Fault, Lab};

    llm_keys::kms_lab_conformance!(async |_name| Lab::new(Fault::None));
}

macro_rules! must_fail {
    ($($test:ident: $fault:ident => $($rule:ident),+;)*) => {
        $(
            #[test]
            fn $test() {
                $(
                    let lab = Lab::new(Fault::$fault);
                    let stopped = panics(move || async move {
                        rules::$rule(&lab).await.expect("a lab that can");
                    });
                    assert!(stopped, "{} let it pass", stringify!($rule));
                )+
            }
        )*
    };
}

must_fail! {
    ignores_that_it_is_disabled: IgnoresThatItIsDisabled => disabled_key_is_refused,
        enabled_key_works_again;
    still_reads_disabled: StillReadsDisabled => disabled_key_is_refused;
    calls_disabled_an_outage: CallsDisabledAnOutage => disabled_key_is_refused;
    gives_no_hint: GivesNoHint => disabled_key_is_refused, deleted_key_is_refused,
        missing_key_is_missing, denied_caller_is_denied, denial_is_not_retried;
    stays_disabled: StaysDisabled => enabled_key_works_again;
    outlives_its_deletion: OutlivesItsDeletion => deleted_key_is_refused;
    calls_deleted_denied: CallsDeletedDenied => deleted_key_is_refused;
    forgets_older_versions: ForgetsOlderVersions => rotated_key_opens_old_and_new;
    wraps_under_a_gone_version: WrapsUnderAGoneVersion => rotated_key_opens_old_and_new;
    calls_missing_denied: CallsMissingDenied => missing_key_is_missing;
    makes_what_is_missing: MakesWhatIsMissing => missing_key_is_never_made;
    permits_everybody: PermitsEverybody => denied_caller_is_denied, denial_is_not_retried;
    calls_a_denial_an_outage: CallsADenialAnOutage => denied_caller_is_denied;
    retries_denials: RetriesDenials => denial_is_not_retried;
    panics_at_odd_sizes: PanicsAtOddSizes => odd_sized_blob_is_refused;
    opens_odd_sizes: OpensOddSizes => odd_sized_blob_is_refused;
    fails_after_odd_sizes: FailsAfterOddSizes => odd_sized_blob_is_refused;
    refuses_quotes: RefusesQuotes => every_byte_of_an_id_is_bound;
    cuts_long_ids: CutsLongIds => every_byte_of_an_id_is_bound;
    loses_foreign_names: LosesForeignNames => non_ascii_name_works_or_is_invalid;
    mixes_up_foreign_names: MixesUpForeignNames => non_ascii_name_works_or_is_invalid;
}

/// A lab with no administrator at all: every ability is missing, and each rule says so.
mod without_an_administrator {
    use super::*;

    struct Alone;

    #[async_trait]
    impl KmsLab for Alone {
        async fn open(&self) -> Result<Arc<dyn KmsProvider>> {
            let master = MasterKey::generate(&SystemRandom)?;
            Ok(Arc::new(LocalKms::new(master, Vec::new())))
        }
    }

    llm_keys::kms_lab_conformance!(async |_name| Alone, cannot: [
        disabled_key_is_refused,
        enabled_key_works_again,
        deleted_key_is_refused,
        rotated_key_opens_old_and_new,
        missing_key_is_missing,
        missing_key_is_never_made,
        denied_caller_is_denied,
        denial_is_not_retried,
        non_ascii_name_works_or_is_invalid,
    ]);

    #[test]
    fn what_is_not_declared_fails_and_what_is_declared_must_be_so() {
        let cannot = rules::Cannot::because("no");
        let undeclared = std::panic::catch_unwind(|| rules::assert_able("a_rule", cannot));
        let said = undeclared.unwrap_err().downcast::<String>().unwrap();
        assert!(said.contains("cannot: [a_rule]"), "{said}");
        assert!(std::panic::catch_unwind(|| rules::assert_unable("a_rule", Ok(()))).is_err());
        rules::assert_able("a_rule", Ok(()));
        rules::assert_unable("a_rule", cannot);
    }
}

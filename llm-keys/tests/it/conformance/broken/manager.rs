//! Managers that each break a rule.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use llm_keys::event::{Action, Event, EventSink, FanOut, Outcome};
use llm_keys::manager::{CacheOptions, FollowOptions, Follows, ResolveOptions, Resolved};
use llm_keys::model::{Fallback, VersionState};
use llm_keys::store::{KeyStore, MemoryStore};
use llm_keys::testing::fakes::RecordingSink;
use llm_keys::testing::manager::{self as rules, Parts};
use llm_keys::{
    ApiKey, CacheStatistics, Caller, ChangeOptions, Cursor, DeleteOptions, EnvelopeKeyManager,
    Error, ErrorKind, Evict, KeyFilter, KeyId, KeyMetadata, OpenOptions, Opened, OwnerId, Page,
    PageSize, Result, RotateOptions, SecureKeyManager, Service, StoreOptions, Version,
    VersionMetadata,
};

use super::panics;

/// What a [`Broken`] manager does wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    ChangesAKey,
    FailsOnMissing,
    AlwaysSaysVersionOne,
    IgnoresTheExpectation,
    HidesWhyAKeyIsNotGivenOut,
    ServesWhatItHasSeen,
    ForgetsBeforeEachRead,
    TakesAnOutageForNone,
    IgnoresItsSink,
    HidesASinksFailure,
    DoesNotAskWhatIsWanted,
    RecordsTwice,
    RecordsAnotherCaller,
    CachesTooLong,
    CachesTooShort,
    DoesNotFlush,
    DeletesNothing,
    PurgesAtOnce,
    NeverPurges,
    ActivatesWhatItUndeletes,
    TellsTheHistoryBackwards,
    LeavesShreddedVersionsOut,
    SaysItRolledBackToTheOldNumber,
    RetiresAtOnce,
    KeepsOneMore,
    DoesNotFollow,
    TrustsASilentStorage,
}

#[derive(Debug)]
struct Broken {
    inner: EnvelopeKeyManager,
    fault: Fault,
    seen: Mutex<BTreeMap<KeyId, Vec<u8>>>,
}

impl Broken {
    async fn build(fault: Fault, mut parts: Parts) -> Self {
        match fault {
            Fault::IgnoresItsSink => parts.sink = Arc::new(RecordingSink::default()),
            Fault::HidesASinksFailure => parts.sink = Arc::new(Deaf(parts.sink)),
            Fault::DoesNotAskWhatIsWanted => parts.sink = Arc::new(Pushy(parts.sink)),
            Fault::RecordsTwice => {
                parts.sink = Arc::new(FanOut::new(vec![parts.sink.clone(), parts.sink]));
            }
            Fault::RecordsAnotherCaller => parts.caller = Caller::default(),
            Fault::DoesNotFollow => parts.follow = FollowOptions::default().follows(Follows::Never),
            Fault::TrustsASilentStorage => {
                parts.follow = parts.follow.max_revocation_lag(Duration::MAX);
            }
            Fault::CachesTooLong => parts.cache_ttl *= 2,
            Fault::CachesTooShort => parts.cache_ttl = parts.cache_ttl.saturating_sub(SECOND),
            _ => {}
        }
        let inner = EnvelopeKeyManager::builder()
            .kms(parts.kms)
            .store(parts.store)
            .event_sink(parts.sink)
            .clock(parts.clock)
            .random(parts.random)
            .cache(CacheOptions::default().ttl(parts.cache_ttl))
            .follow_changes(parts.follow)
            .caller(parts.caller)
            .build()
            .await
            .unwrap();
        Self { inner, fault, seen: Mutex::default() }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[async_trait]
impl SecureKeyManager for Broken {
    async fn store_api_key(
        &self,
        id: &KeyId,
        key: ApiKey,
        options: &StoreOptions,
    ) -> Result<Version> {
        let mut options = options.clone();
        if self.is(Fault::IgnoresTheExpectation) {
            options.expect_version = None;
        }
        let version = self.inner.store_api_key(id, key, &options).await?;
        Ok(if self.is(Fault::AlwaysSaysVersionOne) { Version::FIRST } else { version })
    }

    async fn get_api_key(&self, id: &KeyId) -> Result<Option<ApiKey>> {
        let seen = self.seen.lock().unwrap().get(id).cloned();
        if let Some(seen) = seen
            && self.is(Fault::ServesWhatItHasSeen)
        {
            return ApiKey::new(seen).map(Some);
        }
        if self.is(Fault::ForgetsBeforeEachRead) {
            self.inner.evict(&Evict::Key(id.clone())).await;
        }
        let answer = self.inner.get_api_key(id).await;
        if let Ok(Some(key)) = &answer {
            self.seen.lock().unwrap().insert(id.clone(), key.expose(<[u8]>::to_vec));
        }
        match (self.fault, answer) {
            (Fault::ChangesAKey, Ok(Some(key))) => {
                ApiKey::new(key.expose(<[u8]>::to_ascii_uppercase)).map(Some)
            }
            (Fault::FailsOnMissing, Ok(None)) => Err(Error::invalid("manager.get", "no such key")),
            (Fault::TakesAnOutageForNone, Err(error)) if error.is_retryable() => Ok(None),
            (Fault::HidesWhyAKeyIsNotGivenOut, Err(error))
                if matches!(error.kind(), ErrorKind::Inactive | ErrorKind::Expired) =>
            {
                Ok(None)
            }
            (_, answer) => answer,
        }
    }

    async fn open(&self, id: &KeyId, options: &OpenOptions) -> Result<Option<Opened>> {
        self.inner.open(id, options).await
    }

    async fn resolve(
        &self,
        user: &OwnerId,
        teams: &[OwnerId],
        service: &Service,
        policy: Fallback,
        options: &ResolveOptions,
    ) -> Result<Option<Resolved>> {
        self.inner.resolve(user, teams, service, policy, options).await
    }

    async fn list_api_keys(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyMetadata>> {
        self.inner.list_api_keys(filter, after, size).await
    }

    async fn key_metadata(&self, id: &KeyId) -> Result<Option<KeyMetadata>> {
        self.inner.key_metadata(id).await
    }

    async fn deactivate_api_key(
        &self,
        id: &KeyId,
        options: &ChangeOptions,
    ) -> Result<Option<KeyMetadata>> {
        self.inner.deactivate_api_key(id, options).await
    }

    async fn activate_api_key(
        &self,
        id: &KeyId,
        options: &ChangeOptions,
    ) -> Result<Option<KeyMetadata>> {
        self.inner.activate_api_key(id, options).await
    }

    async fn delete_api_key(&self, id: &KeyId, options: &DeleteOptions) -> Result<bool> {
        if self.is(Fault::DeletesNothing) {
            return Ok(self.inner.key_metadata(id).await?.is_some());
        }
        let mut options = options.clone();
        options.now |= self.is(Fault::PurgesAtOnce);
        options.now &= !self.is(Fault::NeverPurges);
        self.inner.delete_api_key(id, &options).await
    }

    async fn undelete_api_key(
        &self,
        id: &KeyId,
        options: &ChangeOptions,
    ) -> Result<Option<KeyMetadata>> {
        let key = self.inner.undelete_api_key(id, options).await?;
        if self.is(Fault::ActivatesWhatItUndeletes) {
            return self.inner.activate_api_key(id, options).await;
        }
        Ok(key)
    }

    async fn key_history(&self, id: &KeyId) -> Result<Option<Vec<VersionMetadata>>> {
        let mut history = self.inner.key_history(id).await?;
        if let Some(history) = &mut history {
            if self.is(Fault::TellsTheHistoryBackwards) {
                history.reverse();
            }
            if self.is(Fault::LeavesShreddedVersionsOut) {
                history.retain(|version| version.state != VersionState::Shredded);
            }
        }
        Ok(history)
    }

    async fn rollback_api_key(
        &self,
        id: &KeyId,
        to: Version,
        options: &ChangeOptions,
    ) -> Result<Option<Version>> {
        let version = self.inner.rollback_api_key(id, to, options).await?;
        Ok(if self.is(Fault::SaysItRolledBackToTheOldNumber) {
            version.map(|_| to)
        } else {
            version
        })
    }

    async fn rotate_api_key(
        &self,
        id: &KeyId,
        key: ApiKey,
        options: &RotateOptions,
    ) -> Result<Option<Version>> {
        let mut options = options.clone();
        if self.is(Fault::RetiresAtOnce) {
            options.overlap = Duration::ZERO;
        }
        if self.is(Fault::IgnoresTheExpectation) {
            options.store.expect_version = None;
        }
        self.inner.rotate_api_key(id, key, &options).await
    }

    async fn prune_api_key(
        &self,
        id: &KeyId,
        keep: u32,
        options: &ChangeOptions,
    ) -> Result<Option<u32>> {
        let keep = keep.saturating_add(u32::from(self.is(Fault::KeepsOneMore)));
        self.inner.prune_api_key(id, keep, options).await
    }

    async fn evict(&self, what: &Evict) -> u64 {
        self.inner.evict(what).await
    }

    async fn refresh(&self, id: &KeyId) -> Result<Option<Version>> {
        self.inner.refresh(id).await
    }

    async fn prewarm(&self, ids: &[KeyId]) -> Vec<(KeyId, Result<bool>)> {
        self.inner.prewarm(ids).await
    }

    fn cache_statistics(&self) -> CacheStatistics {
        self.inner.cache_statistics()
    }

    async fn shutdown(&self) -> Result<()> {
        if self.is(Fault::DoesNotFlush) {
            self.inner.evict(&Evict::All).await;
            return Ok(());
        }
        self.inner.shutdown().await
    }
}

/// Hides that its sink fails.
#[derive(Debug)]
struct Deaf(Arc<dyn EventSink>);

#[async_trait]
impl EventSink for Deaf {
    async fn emit(&self, event: &Event) -> Result<()> {
        let _ = self.0.emit(event).await;
        Ok(())
    }
}

/// Emits whatever the sink wants.
#[derive(Debug)]
struct Pushy(Arc<dyn EventSink>);

#[async_trait]
impl EventSink for Pushy {
    fn wants(&self, _action: Action, _outcome: Outcome) -> bool {
        true
    }

    async fn emit(&self, event: &Event) -> Result<()> {
        self.0.emit(event).await
    }
}

/// Without a fault the wrapper is a sound manager, so that what fails below fails for its fault.
mod sound {
    use super::{Broken, Fault};

    llm_keys::manager_conformance!(async |parts| Broken::build(Fault::None, parts).await);
}

async fn memory() -> Arc<dyn KeyStore> {
    Arc::new(MemoryStore::new())
}

macro_rules! must_fail {
    ($($test:ident: $fault:ident => $($rule:ident),+;)*) => {
        $(
            #[test]
            fn $test() {
                $(
                    let stopped = panics(|| {
                        rules::$rule(async |parts| Broken::build(Fault::$fault, parts).await, memory)
                    });
                    assert!(stopped, "{} let it pass", stringify!($rule));
                )+
            }
        )*
    };
}

must_fail! {
    changes_a_key: ChangesAKey => stored_is_read_back, a_second_store_is_version_two;
    fails_on_missing: FailsOnMissing => missing_is_none;
    always_says_version_one: AlwaysSaysVersionOne => a_second_store_is_version_two,
        expect_version_is_compare_and_swap;
    ignores_the_expectation: IgnoresTheExpectation => expect_version_is_compare_and_swap,
        one_event_each, a_rotation_has_two_phases;
    hides_why_a_key_is_not_given_out: HidesWhyAKeyIsNotGivenOut => inactive_and_expired_are_typed,
        changes_beat_the_cache;
    serves_what_it_has_seen: ServesWhatItHasSeen => changes_beat_the_cache,
        inactive_and_expired_are_typed, a_moved_envelope_is_refused, deleted_and_stored_is_new,
        a_failing_sink_stops_everything, the_cache_lives_its_ttl;
    forgets_before_each_read: ForgetsBeforeEachRead => a_stampede_is_one_call,
        the_cache_lives_its_ttl;
    takes_an_outage_for_none: TakesAnOutageForNone => an_outage_is_never_none,
        a_stampede_is_one_call;
    ignores_its_sink: IgnoresItsSink => a_failing_sink_stops_everything, one_event_each,
        a_sink_that_wants_nothing_gets_nothing;
    hides_a_sinks_failure: HidesASinksFailure => a_failing_sink_stops_everything;
    does_not_ask_what_is_wanted: DoesNotAskWhatIsWanted => a_sink_that_wants_nothing_gets_nothing;
    records_twice: RecordsTwice => one_event_each;
    records_another_caller: RecordsAnotherCaller => one_event_each;
    caches_too_long: CachesTooLong => the_cache_lives_its_ttl;
    caches_too_short: CachesTooShort => the_cache_lives_its_ttl;
    does_not_flush: DoesNotFlush => last_use_is_flushed;
    deletes_nothing: DeletesNothing => deleted_and_stored_is_new, missing_is_none,
        changes_beat_the_cache, a_deleted_key_can_come_back;
    purges_at_once: PurgesAtOnce => a_deleted_key_can_come_back, history_tells_every_version;
    never_purges: NeverPurges => a_deleted_key_can_come_back, one_event_each;
    activates_what_it_undeletes: ActivatesWhatItUndeletes => a_deleted_key_can_come_back;
    tells_the_history_backwards: TellsTheHistoryBackwards => history_tells_every_version;
    leaves_shredded_versions_out: LeavesShreddedVersionsOut => history_tells_every_version;
    says_it_rolled_back_to_the_old_number: SaysItRolledBackToTheOldNumber =>
        a_rollback_is_a_new_version;
    retires_at_once: RetiresAtOnce => a_rotation_has_two_phases;
    keeps_one_more: KeepsOneMore => pruning_keeps_the_newest;
    does_not_follow: DoesNotFollow => changes_by_others_are_seen,
        without_word_from_the_storage_nothing_is_served;
    trusts_a_silent_storage: TrustsASilentStorage =>
        without_word_from_the_storage_nothing_is_served;
}

//! Whose key is used: the rules of `manager/resolve.rs`, and the table of `docs/reference/resolve.md`.

use std::sync::Arc;

use llm_keys::envelope::Envelope;
use llm_keys::error::{IntegrityFault, KmsFault, StoreFault};
use llm_keys::event::Outcome;
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::{ResolveOptions, Resolved};
use llm_keys::model::{EnvName, Fallback, Gave, Source};
use llm_keys::store::{Change, Expect, KeyStore as _, MemoryStore};
use llm_keys::testing::fakes::{
    FailingSink, FakeKms, FakeStore, FixedEnvironment, ManualClock, RecordingSink,
};
use llm_keys::{
    Actor, ApiKey, Caller, ChangeOptions, DeleteOptions, EnvelopeKeyManager, Environment as _,
    Error, ErrorKind, KeyId, Micros, OpenedContent, Owner, OwnerId, ProcessEnvironment,
    SecureKeyManager as _, Service, StoreOptions, Tenant,
};

use Fallback::{Never, Prefer, Require};

const VARIABLE: &str = "OPENAI_API_KEY";
const KMS_DOWN: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);
const DAMAGED: ErrorKind = ErrorKind::Integrity(IntegrityFault::Magic);

struct Bed {
    manager: EnvelopeKeyManager,
    kms: Arc<FakeKms<LocalKms>>,
    store: Arc<FakeStore<MemoryStore>>,
    sink: Arc<RecordingSink>,
    clock: Arc<ManualClock>,
}

async fn bed() -> Bed {
    let kms = Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()));
    let store = Arc::new(FakeStore::new(MemoryStore::new()));
    let sink = Arc::new(RecordingSink::default());
    let clock = Arc::new(ManualClock::default());
    let manager = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(Arc::clone(&kms)))
        .store(Arc::clone(&store))
        .event_sink(Arc::clone(&sink))
        .clock(Arc::clone(&clock))
        .environment(FixedEnvironment::new([(VARIABLE, "sk-env"), ("EMPTY", ""), ("NUL", "a\0")]))
        .build()
        .await
        .unwrap();
    Bed { manager, kms, store, sink, clock }
}

fn ids(names: &[&str]) -> Vec<OwnerId> {
    names.iter().map(|name| OwnerId::new(name).unwrap()).collect()
}

fn user() -> KeyId {
    KeyId::user("alice", "openai").unwrap()
}

fn team(name: &str) -> KeyId {
    KeyId::team(name, "openai").unwrap()
}

fn global() -> KeyId {
    KeyId::global("openai").unwrap()
}

fn with_variable(name: &str) -> ResolveOptions {
    ResolveOptions::default().environment(EnvName::new(name).unwrap())
}

/// The key and whose it is.
type Answer = Result<Option<(String, String)>, ErrorKind>;

fn from(key: &str, source: &str) -> Answer {
    Ok(Some((key.to_owned(), source.to_owned())))
}

impl Bed {
    /// Stores `sk-` and the owner as the key of `id`.
    async fn put(&self, id: &KeyId) {
        let key = ApiKey::new(format!("sk-{}", id.owner)).unwrap();
        self.manager.store_api_key(id, key, &StoreOptions::default()).await.unwrap();
    }

    async fn put_all(&self) {
        for id in [user(), team("red"), team("blue"), global()] {
            self.put(&id).await;
        }
    }

    async fn ask(
        &self,
        policy: Fallback,
        options: &ResolveOptions,
    ) -> Result<Option<Resolved>, Error> {
        let (users, teams) = (ids(&["alice"]), ids(&["red", "blue"]));
        let service = Service::new("openai").unwrap();
        self.manager.resolve(&users[0], &teams, &service, policy, options).await
    }

    async fn resolve(&self, policy: Fallback) -> Answer {
        let resolved = self.ask(policy, &with_variable(VARIABLE)).await;
        let resolved = resolved.map_err(|error| error.kind())?;
        Ok(resolved.map(|resolved| (text(&resolved), resolved.receipt.source.to_string())))
    }
}

fn text(resolved: &Resolved) -> String {
    let OpenedContent::Raw(key) = &resolved.content else { panic!("raw keys only") };
    key.expose_str(str::to_owned).unwrap()
}

/// Puts wrong bytes where the envelope of `id` was.
async fn damage(store: &FakeStore<MemoryStore>, id: &KeyId) {
    let (key, version) = store.key_find(id).await.unwrap().unwrap();
    let mut version = version.unwrap();
    version.envelope = Some(Envelope::from_bytes(vec![0; 500]));
    let expect = Expect::Generation { record: key.record, generation: key.generation };
    let change = Change { expect: vec![expect], versions: vec![version], ..Change::default() };
    store.inner().commit(change).await.unwrap();
}

#[derive(Clone, Copy, Debug)]
enum State {
    Missing,
    Deleted,
    Active,
    Inactive,
    Expired,
    Damaged,
    KmsOut,
    StoreOut,
}

#[tokio::test]
async fn each_state_of_the_users_key_under_each_policy() {
    let own = || from("sk-user:alice", "user:alice");
    let red = || from("sk-team:red", "team:red");
    let all = || from("sk-global", "global");
    let down = ErrorKind::Store(StoreFault::Unavailable);
    let table: [(State, [Answer; 3]); 8] = [
        // The user's key       Require                        Prefer                         Never
        (State::Missing, [Ok(None), red(), all()]),
        (State::Deleted, [Ok(None), red(), all()]),
        (State::Active, [own(), own(), all()]),
        (State::Inactive, [Err(ErrorKind::Inactive), Err(ErrorKind::Inactive), all()]),
        (State::Expired, [Err(ErrorKind::Expired), Err(ErrorKind::Expired), all()]),
        (State::Damaged, [Err(DAMAGED), Err(DAMAGED), all()]),
        (State::KmsOut, [Err(KMS_DOWN), Err(KMS_DOWN), Err(KMS_DOWN)]),
        (State::StoreOut, [Err(down), Err(down), Err(down)]),
    ];
    for (state, row) in table {
        for (policy, expected) in [Require, Prefer, Never].into_iter().zip(row) {
            let bed = bed().await;
            bed.put_all().await;
            let change = ChangeOptions::default();
            match state {
                State::Active => {}
                State::Missing => {
                    let (row, _) = bed.store.key_find(&user()).await.unwrap().unwrap();
                    let expect =
                        Expect::Generation { record: row.record, generation: row.generation };
                    let purge = vec![row.record];
                    let change = Change { expect: vec![expect], purge, ..Change::default() };
                    bed.store.commit(change).await.unwrap();
                }
                State::Deleted => {
                    assert!(
                        bed.manager
                            .delete_api_key(&user(), &DeleteOptions::default())
                            .await
                            .unwrap()
                    );
                }
                State::Inactive => {
                    bed.manager.deactivate_api_key(&user(), &change).await.unwrap();
                }
                State::Expired => {
                    let at = Micros(ManualClock::START.0 + 10);
                    let options = StoreOptions::default().expires_at(at);
                    let key = ApiKey::new("sk-late").unwrap();
                    bed.manager.store_api_key(&user(), key, &options).await.unwrap();
                    bed.clock.jump_to(at);
                }
                State::Damaged => damage(&bed.store, &user()).await,
                State::KmsOut => bed.kms.unwraps().fail(KMS_DOWN),
                State::StoreOut => bed.store.fail(down),
            }
            assert_eq!(bed.resolve(policy).await, expected, "{state:?} and {policy}");
        }
    }
}

#[tokio::test]
async fn require_is_the_users_own_or_nothing() {
    let bed = bed().await;
    for id in [team("red"), team("blue"), global()] {
        bed.put(&id).await;
    }
    bed.put(&KeyId::user("bob", "openai").unwrap()).await;
    let reads = bed.store.reads().calls();
    assert_eq!(bed.resolve(Require).await, Ok(None));
    assert_eq!(bed.store.reads().calls(), reads + 1, "no other key is even looked for");
}

#[tokio::test]
async fn never_is_the_global_key_or_nothing() {
    let bed = bed().await;
    for id in [user(), team("red"), team("blue")] {
        bed.put(&id).await;
    }
    let reads = bed.store.reads().calls();
    assert_eq!(bed.resolve(Never).await, Ok(None));
    assert_eq!(bed.store.reads().calls(), reads + 1, "no other key is even looked for");
    bed.put(&global()).await;
    assert_eq!(bed.resolve(Never).await, from("sk-global", "global"));
    // A user, or a team, who is called so is not it.
    let bed = self::bed().await;
    bed.put(&KeyId::user("global", "openai").unwrap()).await;
    bed.put(&team("global")).await;
    assert_eq!(bed.resolve(Never).await, Ok(None));
}

#[tokio::test]
async fn prefer_goes_down_the_line() {
    let bed = bed().await;
    bed.put_all().await;
    for (id, source) in [
        (user(), "user:alice"),
        (team("red"), "team:red"),
        (team("blue"), "team:blue"),
        (global(), "global"),
    ] {
        assert_eq!(bed.resolve(Prefer).await, from(&format!("sk-{source}"), source));
        bed.manager.delete_api_key(&id, &DeleteOptions::default()).await.unwrap();
    }
    assert_eq!(bed.resolve(Prefer).await, from("sk-env", "environment:OPENAI_API_KEY"));
    assert!(bed.ask(Prefer, &ResolveOptions::default()).await.unwrap().is_none(), "only if named");
    for name in ["EMPTY", "NOT_SET"] {
        assert!(bed.ask(Prefer, &with_variable(name)).await.unwrap().is_none(), "{name}");
    }
    let error = bed.ask(Prefer, &with_variable("NUL")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "what is no key is not passed by");
}

#[tokio::test]
async fn a_key_that_fails_never_falls_back() {
    let line = [user(), team("red"), team("blue"), global()];
    for at in 0..line.len() {
        let bed = bed().await;
        for id in &line[at..] {
            bed.put(id).await;
        }
        bed.manager.deactivate_api_key(&line[at], &ChangeOptions::default()).await.unwrap();
        let error = bed.ask(Prefer, &with_variable(VARIABLE)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Inactive, "{}", line[at]);
        assert!(error.to_string().contains(&line[at].owner.to_string()), "it says whose: {error}");
        assert_eq!(error.hint(), Some("activate it first"));
    }
}

#[tokio::test]
async fn the_receipt_says_whose_and_why() {
    let bed = bed().await;
    bed.put(&team("blue")).await;
    bed.put(&team("blue")).await;
    let resolved = bed.ask(Prefer, &with_variable(VARIABLE)).await.unwrap().unwrap();
    let receipt = &resolved.receipt;
    let (row, _) = bed.store.key_find(&team("blue")).await.unwrap().unwrap();
    assert_eq!(receipt.source, Source::Owner(Owner::Team(ids(&["blue"])[0].clone())));
    assert_eq!(receipt.version.unwrap().get(), 2);
    assert_eq!(receipt.record, Some(row.record));
    assert_eq!(
        receipt.trail.to_string(),
        "prefer user:alice, user:alice: missing, team:red: missing, team:blue: key"
    );
    assert!(!format!("{resolved:?}").contains("sk-"), "and never the key");

    let bed = self::bed().await;
    let receipt = bed.ask(Prefer, &with_variable(VARIABLE)).await.unwrap().unwrap().receipt;
    assert_eq!((receipt.version, receipt.record, receipt.served), (None, None, None));
    assert_eq!(receipt.trail.steps.len(), 5);
}

#[tokio::test]
async fn the_event_says_it_too() {
    let bed = bed().await;
    let options = with_variable(VARIABLE).caller(Caller::new(Actor::new("gateway").unwrap()));
    let one = || {
        let mut events = bed.sink.take();
        assert_eq!(events.len(), 1, "one search, one event: {events:?}");
        events.remove(0)
    };
    // A stored key.
    bed.put(&global()).await;
    bed.sink.take();
    let receipt = bed.ask(Prefer, &options).await.unwrap().unwrap().receipt;
    let event = one();
    assert_eq!((&*event.key, event.outcome), (&global(), Outcome::Ok));
    assert_eq!((event.record, event.version), (receipt.record, receipt.version));
    assert_eq!(event.resolution.as_deref(), Some(&receipt.trail));
    assert_eq!(event.caller.actor.as_str(), "gateway");
    // A key that fails: the event is about that key.
    bed.manager.deactivate_api_key(&global(), &ChangeOptions::default()).await.unwrap();
    bed.sink.take();
    bed.ask(Prefer, &options).await.unwrap_err();
    let event = one();
    assert_eq!((&*event.key, event.outcome), (&global(), Outcome::Failed(ErrorKind::Inactive)));
    let steps = &event.resolution.as_ref().unwrap().steps;
    assert_eq!(steps.last().unwrap().gave, Gave::Failed(ErrorKind::Inactive));
    // The environment: about the key that was asked for, of which there is no record.
    bed.manager.delete_api_key(&global(), &DeleteOptions::default()).await.unwrap();
    bed.sink.take();
    bed.ask(Prefer, &options).await.unwrap();
    let event = one();
    assert_eq!((&*event.key, event.outcome, event.record), (&user(), Outcome::Ok, None));
    let last = event.resolution.as_ref().unwrap().steps.last().unwrap().clone();
    assert_eq!(last.from, Source::Environment(EnvName::new(VARIABLE).unwrap()));
    // Nothing.
    for (policy, id) in [(Require, user()), (Never, global())] {
        assert!(bed.ask(policy, &options).await.unwrap().is_none());
        let event = one();
        assert_eq!((&*event.key, event.outcome), (&id, Outcome::Missing));
        assert_eq!(event.resolution.as_ref().unwrap().policy, policy);
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_revealed() {
    let sink = Arc::new(FailingSink::default());
    sink.set_broken(false);
    let manager = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(LocalKms::ephemeral().unwrap()))
        .store(MemoryStore::new())
        .event_sink(Arc::clone(&sink))
        .environment(FixedEnvironment::new([(VARIABLE, "sk-env")]))
        .build()
        .await
        .unwrap();
    let (user, service) = (ids(&["alice"]).remove(0), Service::new("openai").unwrap());
    let ask = async |policy| {
        let options = with_variable(VARIABLE);
        let resolved = manager.resolve(&user, &[], &service, policy, &options).await;
        resolved.map(|resolved| resolved.is_some()).map_err(|error| error.kind())
    };
    sink.set_broken(true);
    assert_eq!(ask(Prefer).await, Err(ErrorKind::EventSink), "of the environment");
    assert_eq!(ask(Never).await, Err(ErrorKind::EventSink), "that there is none");
    sink.set_broken(false);
    let key = ApiKey::new("sk-a").unwrap();
    manager.store_api_key(&global(), key, &StoreOptions::default()).await.unwrap();
    sink.set_broken(true);
    assert_eq!(ask(Never).await, Err(ErrorKind::EventSink), "of the storage");
    sink.set_broken(false);
    assert_eq!(ask(Never).await, Ok(true));
}

#[tokio::test]
async fn tenants_are_apart() {
    let bed = bed().await;
    bed.put_all().await;
    let other = ResolveOptions::default().tenant(Tenant::new("other").unwrap());
    for policy in [Require, Prefer, Never] {
        assert!(bed.ask(policy, &other).await.unwrap().is_none(), "{policy}");
    }
    bed.put(&global().with_tenant("other").unwrap()).await;
    let resolved = bed.ask(Prefer, &other).await.unwrap().unwrap();
    assert_eq!(resolved.receipt.source, Source::Owner(Owner::Global));
    let name = ResolveOptions::default().name("prod".parse().unwrap());
    assert!(bed.ask(Prefer, &name).await.unwrap().is_none(), "and so are names");
}

#[tokio::test]
async fn teams_are_bounded() {
    let bed = bed().await;
    let service = Service::new("openai").unwrap();
    let (user, options) = (ids(&["alice"]).remove(0), ResolveOptions::default());
    let ask = async |count: usize| {
        let teams: Vec<_> = (0..count).map(|n| OwnerId::new(format!("t{n}")).unwrap()).collect();
        let resolved = bed.manager.resolve(&user, &teams, &service, Prefer, &options).await;
        resolved.map(|resolved| resolved.is_some()).map_err(|error| error.kind())
    };
    assert_eq!(ask(100).await, Ok(false));
    assert_eq!(ask(101).await, Err(ErrorKind::InvalidInput));
}

#[test]
fn the_environment_of_the_process_is_read_as_it_is() {
    let key = |name| ProcessEnvironment.key(&EnvName::new(name).unwrap()).unwrap();
    let path = std::env::var("PATH").unwrap();
    assert_eq!(key("PATH").unwrap().expose_str(str::to_owned).unwrap(), path);
    assert!(key("LLM_KEYS_TEST_IS_NOT_SET").is_none());
}

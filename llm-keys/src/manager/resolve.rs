//! Finding whose key to use, and saying so.
//!
//! | # | Rule | Checked by |
//! |---|------|------------|
//! | 1 | `Require` asks for the user's own key, and never for another | `resolve::require_is_the_users_own_or_nothing` |
//! | 2 | `Prefer` asks for the user's own, then the teams' in the order given, then the global one, then the named environment variable | `resolve::prefer_goes_down_the_line` |
//! | 3 | `Never` asks for the global key, and never for another | `resolve::never_is_the_global_key_or_nothing` |
//! | 4 | Only "there is no such key" leads to the next source. A key that is there and cannot be used is the answer: its error | `resolve::a_key_that_fails_never_falls_back` |
//! | 5 | The answer says whose key it is, its version, and what each source gave that was asked | `resolve::the_receipt_says_whose_and_why` |
//! | 6 | One event, with the same; recorded before the key is revealed | `resolve::the_event_says_it_too`, `resolve::what_cannot_be_recorded_is_not_revealed` |
//! | 7 | A tenant's search never leaves it; the variable is the program's, of no tenant | `resolve::tenants_are_apart` |
//!
//! What becomes of a user's key in each state under each policy is a table of its own:
//! `resolve::each_state_of_the_users_key_under_each_policy`.

use std::sync::Arc;

use super::envelope_manager::Core;
use super::options::{OpenedContent, Receipt, ResolveOptions, Resolved, Served};
use crate::cache::Entry;
use crate::error::{Error, Result};
use crate::event::{Action, Event, Outcome};
use crate::model::{
    Caller, EnvName, Fallback, Gave, KeyId, Owner, OwnerId, Service, Source, Step, Trail,
};
use crate::secret::ApiKey;

/// Each team is a read of the storage.
const MAX_TEAMS: usize = 100;

enum Found {
    Stored(Arc<Entry>, Served),
    InEnvironment(ApiKey),
}

impl Core {
    pub(super) async fn resolve(
        core: &Arc<Self>,
        user: &OwnerId,
        teams: &[OwnerId],
        service: &Service,
        policy: Fallback,
        options: &ResolveOptions,
    ) -> Result<Option<Resolved>> {
        if teams.len() > MAX_TEAMS {
            let detail = format!("there are more than {MAX_TEAMS} teams");
            return Err(Error::invalid("manager.resolve", detail));
        }
        let caller = core.caller(options.caller.as_ref());
        let id_of = |owner: &Owner| KeyId {
            tenant: options.tenant.clone(),
            owner: owner.clone(),
            service: service.clone(),
            name: options.name.clone(),
        };
        let mut trail = Trail { user: user.clone(), policy, steps: Vec::new() };
        let sources = sources(user, teams, policy, options.environment.as_ref());
        // What the event is about that no stored key answers: the key that was asked for first.
        let asked_for = match policy {
            Fallback::Require | Fallback::Prefer => id_of(&Owner::User(user.clone())),
            Fallback::Never => id_of(&Owner::Global),
        };
        for source in sources {
            let (id, found) = match &source {
                Source::Owner(owner) => {
                    let id = id_of(owner);
                    let found = Self::find(core, &id).await;
                    (id, found.map(|it| it.map(|(entry, served)| Found::Stored(entry, served))))
                }
                Source::Environment(name) => {
                    let found = core.environment.key(name);
                    (asked_for.clone(), found.map(|key| key.map(Found::InEnvironment)))
                }
            };
            let mut note = |gave| trail.steps.push(Step { from: source.clone(), gave });
            match found {
                Ok(None) => note(Gave::Missing),
                Ok(Some(found)) => {
                    note(Gave::Key);
                    return core.receipt(id, found, source, trail, &caller).await.map(Some);
                }
                Err(error) => {
                    note(Gave::Failed(error.kind()));
                    return Err(core.failed_to_resolve(id, &source, trail, &caller, error).await);
                }
            }
        }
        core.record(&core.resolved(asked_for, trail, &caller, Outcome::Missing)).await?;
        Ok(None)
    }

    /// Records who is given what, and gives it.
    async fn receipt(
        &self,
        id: KeyId,
        found: Found,
        source: Source,
        trail: Trail,
        caller: &Arc<Caller>,
    ) -> Result<Resolved> {
        let event = self.resolved(id, trail.clone(), caller, Outcome::Ok);
        let (key, entry) = match found {
            Found::Stored(entry, served) => {
                self.record(&event.of(entry.used.record, Some(entry.used.version))).await?;
                self.uses.note(&entry.used, self.clock.now());
                (entry.secret.copy()?, Some((entry, served)))
            }
            Found::InEnvironment(key) => {
                self.record(&event).await?;
                (key, None)
            }
        };
        let entry = entry.as_ref();
        Ok(Resolved {
            content: OpenedContent::Raw(key),
            receipt: Receipt {
                source,
                version: entry.map(|(entry, _)| entry.used.version),
                record: entry.map(|(entry, _)| entry.used.record),
                expires_at: entry.and_then(|(entry, _)| entry.expires_at),
                served: entry.map(|(_, served)| *served),
                trail,
            },
        })
    }

    /// That the event is lost, too, must not hide why it failed.
    async fn failed_to_resolve(
        &self,
        id: KeyId,
        source: &Source,
        trail: Trail,
        caller: &Arc<Caller>,
        error: Error,
    ) -> Error {
        let event = self.resolved(id, trail, caller, Outcome::Failed(error.kind()));
        if let Err(lost) = self.record(&event).await {
            tracing::warn!(error = ?lost, "a failure could not be recorded");
        }
        let detail = format!("the key of {source} cannot be used, and none stands in for it");
        let said = Error::new(error.kind(), "manager.resolve", detail);
        match error.hint().map(str::to_owned) {
            Some(hint) => said.with_hint(hint).with_source(error),
            None => said.with_source(error),
        }
    }

    fn resolved(&self, id: KeyId, trail: Trail, caller: &Arc<Caller>, outcome: Outcome) -> Event {
        let (id, caller) = (Arc::new(id), Arc::clone(caller));
        Event::new(self.clock.now(), Action::KeyGet, id, caller, outcome).resolved(trail)
    }
}

/// What is asked, in this order.
fn sources(
    user: &OwnerId,
    teams: &[OwnerId],
    policy: Fallback,
    environment: Option<&EnvName>,
) -> Vec<Source> {
    let user = Owner::User(user.clone());
    let owners: Vec<Owner> = match policy {
        Fallback::Require => vec![user],
        Fallback::Never => vec![Owner::Global],
        Fallback::Prefer => {
            let teams = teams.iter().cloned().map(Owner::Team);
            [user].into_iter().chain(teams).chain([Owner::Global]).collect()
        }
    };
    let environment = environment.filter(|_| policy == Fallback::Prefer).cloned();
    let owners = owners.into_iter().map(Source::Owner);
    owners.chain(environment.map(Source::Environment)).collect()
}

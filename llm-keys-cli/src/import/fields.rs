//! One row of a CSV or JSONL file, before it is known to be good.

use std::collections::BTreeMap;

use jiff::Timestamp;
use llm_keys::model::{Days, Settings, TemplateRef};
use llm_keys::{
    ApiKey, KeyId, KeyName, Labels, Micros, Owner, OwnerId, SecretBytes, Service, Tenant,
};
use zeroize::Zeroizing;

use super::found::{About, Row};
use crate::args::GlobalUserId;
use crate::known;

/// What a row says; a field that is empty is not said.
#[derive(Default)]
pub(crate) struct Fields {
    pub(super) service: Option<String>,
    /// The key, or what another program made of it.
    pub(super) secret: Option<Zeroizing<Vec<u8>>>,
    pub(super) user: Option<String>,
    pub(super) team: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) name: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) expires_at: Option<String>,
    pub(super) labels: Option<Labels>,
    pub(super) settings: Option<BTreeMap<String, String>>,
    pub(super) template: Option<String>,
    pub(super) rotate_every_days: Option<u32>,
    pub(super) active: Option<bool>,
}

/// What holds for rows that do not say otherwise, and how to read them.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) owner: Owner,
    pub(crate) tenant: Tenant,
    pub(crate) global_user_id: Option<GlobalUserId>,
    pub(crate) ignore_unknown: bool,
    pub(crate) now: Micros,
}

/// Why a row is not stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// It is bad.
    Bad(String),
    /// It is passed over.
    Skip(&'static str),
}

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Bad(error.to_string())
    }
}

fn bad<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Bad(reason.into()))
}

/// What another program calls a row: the parts of its encryption context, as they stood there.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) service: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) bytes: SecretBytesBox,
}

/// The sealed bytes, which are the key itself where nothing is sealed.
pub(crate) type SecretBytesBox = std::sync::Arc<SecretBytes>;

/// A row that is good but for its key, which is still sealed.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) line: u64,
    pub(crate) sealed: Sealed,
    owner: Owner,
    tenant: Tenant,
    service: Option<Service>,
    name: KeyName,
    about: About,
}

impl Fields {
    /// Checks all but the key.
    pub(super) fn check(mut self, line: u64, defaults: &Defaults) -> Result<Draft, Refusal> {
        if self.active == Some(false) {
            return Err(Refusal::Skip("it is inactive there"));
        }
        let Some(secret) = self.secret.take() else { return bad("there is no key in it") };
        let service = self.service.as_deref().map(Service::new).transpose()?;
        let owner = self.owner(defaults)?;
        let tenant = match &self.tenant {
            Some(tenant) => Tenant::new(tenant)?,
            None => defaults.tenant.clone(),
        };
        let name = self.name.as_deref().map_or(Ok(KeyName::default()), KeyName::new)?;
        let expires_at = self.expires_at.as_deref().map(moment).transpose()?;
        if expires_at.is_some_and(|at| at <= defaults.now) {
            return Err(Refusal::Skip("it has expired"));
        }
        let about = About {
            expires_at,
            labels: self.labels,
            settings: self.settings.map(Settings),
            template: self.template.map(TemplateRef),
            rotate_every: self.rotate_every_days.map(Days),
        };
        let bytes = SecretBytesBox::new(SecretBytes::copy_from(&secret));
        let sealed = Sealed { service: self.service, user_id: self.user, bytes };
        Ok(Draft { line, sealed, owner, tenant, service, name, about })
    }

    fn owner(&self, defaults: &Defaults) -> Result<Owner, Refusal> {
        match (&self.owner, &self.user, &self.team) {
            (None, None, None) => Ok(defaults.owner.clone()),
            (None, None, Some(team)) => Ok(Owner::Team(OwnerId::new(team)?)),
            (None, Some(user), None) if user == "global" => match defaults.global_user_id {
                Some(GlobalUserId::Everybody) => Ok(Owner::Global),
                Some(GlobalUserId::User) => Ok(Owner::User(OwnerId::new(user)?)),
                None => {
                    bad("the user id `global` may be nobody's or that of a user who is called so; \
                     `--global-user-id` decides")
                }
            },
            (None, Some(user), None) => Ok(Owner::User(OwnerId::new(user)?)),
            (Some(owner), None, None) => match owner.split_once(':') {
                None if owner == "global" => Ok(Owner::Global),
                Some(("user", id)) => Ok(Owner::User(OwnerId::new(id)?)),
                Some(("team", id)) => Ok(Owner::Team(OwnerId::new(id)?)),
                _ => bad("an owner is `global`, `user:ID` or `team:ID`"),
            },
            _ => bad("it has more than one owner"),
        }
    }
}

impl Draft {
    /// The row with its key, now that it is open.
    pub(crate) fn with_key(self, key: ApiKey) -> Result<Row, Refusal> {
        let (service, why) = match self.service {
            Some(service) => (service, "as it says"),
            None => match known::looks_like(&key) {
                Some(service) => (Service::new(service)?, "looks"),
                None => return bad("it names no service, and the key looks like none"),
            },
        };
        let id = KeyId { tenant: self.tenant, owner: self.owner, service, name: self.name };
        let (variable, why) = (String::new(), why.to_owned());
        Ok(Row { line: self.line, variable, id, key, why, about: self.about })
    }
}

fn moment(text: &str) -> Result<Micros, Refusal> {
    match text.parse::<Timestamp>() {
        Ok(at) => Ok(Micros(at.as_microsecond())),
        Err(_) => bad("a moment is written like `2030-01-31T12:00:00Z`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(global_user_id: Option<GlobalUserId>) -> Defaults {
        let (owner, tenant) = (Owner::Global, Tenant::default());
        Defaults { owner, tenant, global_user_id, ignore_unknown: false, now: Micros(1_000_000) }
    }

    fn fields(set: impl FnOnce(&mut Fields)) -> Fields {
        let mut fields = Fields {
            service: Some("openai".to_owned()),
            secret: Some(Zeroizing::new(b"sk-1".to_vec())),
            ..Fields::default()
        };
        set(&mut fields);
        fields
    }

    fn id(set: impl FnOnce(&mut Fields), whose: Option<GlobalUserId>) -> Result<String, Refusal> {
        let draft = fields(set).check(1, &defaults(whose))?;
        Ok(draft.with_key(ApiKey::new("sk-1")?)?.id.to_string())
    }

    #[test]
    fn owners() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(id(|_| {}, None).unwrap(), "default/global/openai/default");
        assert_eq!(id(|f| f.user = some("al"), None).unwrap(), "default/user:al/openai/default");
        assert_eq!(id(|f| f.team = some("x"), None).unwrap(), "default/team:x/openai/default");
        let said = |text| id(|f| f.owner = some(text), None);
        assert_eq!(said("global").unwrap(), "default/global/openai/default");
        assert_eq!(said("user:global").unwrap(), "default/user:global/openai/default");
        assert!(said("al").is_err() && said("user:").is_err());
        assert!(id(|f| (f.user, f.team) = (some("a"), some("b")), None).is_err());
    }

    #[test]
    fn a_user_called_global_is_decided_by_who_imports() {
        let global = |f: &mut Fields| f.user = Some("global".to_owned());
        assert!(id(global, None).is_err());
        let everybody = id(global, Some(GlobalUserId::Everybody)).unwrap();
        assert_eq!(everybody, "default/global/openai/default");
        let user = id(global, Some(GlobalUserId::User)).unwrap();
        assert_eq!(user, "default/user:global/openai/default");
    }

    #[test]
    fn what_is_dead_is_passed_over_and_what_is_wrong_is_bad() {
        let refusal = |set: fn(&mut Fields)| id(set, None).unwrap_err();
        assert!(matches!(refusal(|f| f.active = Some(false)), Refusal::Skip(_)));
        let expired = |f: &mut Fields| f.expires_at = Some("1970-01-01T00:00:01Z".to_owned());
        assert!(matches!(refusal(expired), Refusal::Skip(_)));
        let wrong: [fn(&mut Fields); 6] = [
            |f: &mut Fields| f.secret = None,
            |f: &mut Fields| f.service = None,
            |f: &mut Fields| f.service = Some("Open AI".to_owned()),
            |f: &mut Fields| f.name = Some("Prod Key".to_owned()),
            |f: &mut Fields| f.expires_at = Some("soon".to_owned()),
            |f: &mut Fields| f.tenant = Some(String::new()),
        ];
        for set in wrong {
            assert!(matches!(refusal(set), Refusal::Bad(_)));
        }
    }
}

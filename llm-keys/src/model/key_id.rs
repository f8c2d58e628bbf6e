//! The identity of a stored key.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{KeyName, OwnerId, Service, Tenant};
use crate::error::Result;

/// Who a key belongs to. An enum everywhere, so that a user called `global` is just a user.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "lowercase")]
pub enum Owner {
    /// Everybody of the tenant.
    Global,
    /// One user.
    User(OwnerId),
    /// One team.
    Team(OwnerId),
}

impl Owner {
    /// `global`, `user` or `team`: the word in columns, contexts and JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::User(_) => "user",
            Self::Team(_) => "team",
        }
    }

    /// The user's or team's id; empty for [`Owner::Global`].
    pub fn id(&self) -> &str {
        match self {
            Self::Global => "",
            Self::User(id) | Self::Team(id) => id.as_str(),
        }
    }

    /// The owner of those two columns; `None` if no owner has them.
    pub fn from_columns(kind: &str, id: &str) -> Option<Self> {
        match (kind, id) {
            ("global", "") => Some(Self::Global),
            ("user", id) => OwnerId::new(id).ok().map(Self::User),
            ("team", id) => OwnerId::new(id).ok().map(Self::Team),
            _ => None,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Team(id) => write!(f, "team:{id}"),
        }
    }
}

/// The identity of a stored key. Two keys are the same if all four parts are the same bytes.
///
/// ```
/// use llm_keys::KeyId;
///
/// let shared = KeyId::global("openai")?;
/// let own = KeyId::user("alice", "openai")?.with_name("prod")?;
/// assert_eq!(own.to_string(), "default/user:alice/openai/prod");
/// assert_ne!(KeyId::user("global", "openai")?, shared);
/// # Ok::<(), llm_keys::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct KeyId {
    /// The outermost wall.
    pub tenant: Tenant,
    /// Who the key belongs to.
    pub owner: Owner,
    /// What it opens.
    pub service: Service,
    /// What tells it from the owner's other keys of that service.
    pub name: KeyName,
}

impl KeyId {
    /// The key of `owner` for `service`, named `default`, of the tenant `default`.
    pub fn new(owner: Owner, service: Service) -> Self {
        Self { tenant: Tenant::default(), owner, service, name: KeyName::default() }
    }

    /// Everybody's key for `service`.
    pub fn global(service: &str) -> Result<Self> {
        Ok(Self::new(Owner::Global, Service::new(service)?))
    }

    /// A user's key for `service`.
    pub fn user(id: &str, service: &str) -> Result<Self> {
        Ok(Self::new(Owner::User(OwnerId::new(id)?), Service::new(service)?))
    }

    /// A team's key for `service`.
    pub fn team(id: &str, service: &str) -> Result<Self> {
        Ok(Self::new(Owner::Team(OwnerId::new(id)?), Service::new(service)?))
    }

    /// The same key under another name.
    pub fn with_name(self, name: &str) -> Result<Self> {
        Ok(Self { name: KeyName::new(name)?, ..self })
    }

    /// The same key of another tenant.
    pub fn with_tenant(self, tenant: &str) -> Result<Self> {
        Ok(Self { tenant: Tenant::new(tenant)?, ..self })
    }

    /// Service, owner and name as one text whose byte order is the order of the parts: what a
    /// storage sorts and pages by, within a tenant. The separator sorts before every character
    /// that a part may have.
    pub fn path(&self) -> String {
        let Self { owner, service, name, .. } = self;
        format!("{service}\u{1f}{}\u{1f}{}\u{1f}{name}", owner.kind(), owner.id())
    }
}

/// For people and logs; not for parsing, since an owner id may hold a slash.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.tenant, self.owner, self.service, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_survive_their_columns() {
        for owner in [
            Owner::Global,
            Owner::User(OwnerId::new("global").unwrap()),
            Owner::Team(OwnerId::new("a b").unwrap()),
        ] {
            assert_eq!(Owner::from_columns(owner.kind(), owner.id()), Some(owner));
        }
        for (kind, id) in [("global", "x"), ("user", ""), ("team", " "), ("User", "x"), ("", "")] {
            assert_eq!(Owner::from_columns(kind, id), None, "{kind} {id}");
        }
    }

    #[test]
    fn paths_never_collide_and_sort_like_their_parts() {
        let ids = [
            KeyId::user("a_b", "c").unwrap(),
            KeyId::user("a", "b_c").unwrap(),
            KeyId::user("global", "c").unwrap(),
            KeyId::global("c").unwrap(),
            KeyId::team("global", "c").unwrap(),
            KeyId::user("a", "c").unwrap().with_name("b").unwrap(),
            KeyId::user("a b", "c").unwrap(),
            KeyId::user("a", "c-").unwrap(),
        ];
        let parts = |id: &KeyId| {
            let owner = (id.owner.kind(), id.owner.id().to_owned());
            (id.service.clone(), owner.0, owner.1, id.name.clone())
        };
        for a in &ids {
            for b in &ids {
                assert_eq!(a.path().cmp(&b.path()), parts(a).cmp(&parts(b)), "{a} {b}");
            }
        }
    }
}

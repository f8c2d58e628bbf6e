//! Which key is meant.

use clap::Args;
use llm_keys::{KeyId, KeyName, Owner, OwnerId, Result, Service, Tenant};

/// A whole key id: service, owner, name, tenant.
#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    /// What the key opens, such as `anthropic`.
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) whose: WhoseArgs,
}

/// All of a key id but the service.
#[derive(Args, Debug)]
pub(crate) struct WhoseArgs {
    #[command(flatten)]
    pub(crate) owner: OwnerArgs,
    /// What tells the key from the owner's other keys for that service.
    #[arg(long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    pub(crate) name: String,
    /// Whose installation the key belongs to, where several share one database.
    #[arg(long, value_name = "TENANT", default_value = "default", hide_default_value = true)]
    pub(crate) tenant: String,
}

/// A user or a team.
#[derive(Args, Debug)]
pub(crate) struct OwnerArgs {
    /// The key of this user.
    #[arg(long, value_name = "ID", conflicts_with = "team")]
    pub(crate) user: Option<String>,
    /// The key of this team.
    #[arg(long, value_name = "ID")]
    pub(crate) team: Option<String>,
}

impl KeyArgs {
    /// The id these arguments name.
    ///
    /// # Errors
    /// `InvalidInput` that says which character is wrong.
    pub(crate) fn id(&self) -> Result<KeyId> {
        self.whose.id(&self.service)
    }
}

impl WhoseArgs {
    /// The id of the key for `service`.
    ///
    /// # Errors
    /// `InvalidInput` that says which character is wrong.
    pub(crate) fn id(&self, service: &str) -> Result<KeyId> {
        Ok(KeyId {
            tenant: Tenant::new(&self.tenant)?,
            owner: self.owner.owner()?.unwrap_or(Owner::Global),
            service: Service::new(service)?,
            name: KeyName::new(&self.name)?,
        })
    }
}

impl WhoseArgs {
    /// Whether any of them was given another value than it has by itself.
    pub(crate) fn is_said(&self) -> bool {
        let own = |text: &str| text != "default";
        self.owner.user.is_some()
            || self.owner.team.is_some()
            || own(&self.name)
            || own(&self.tenant)
    }
}

impl OwnerArgs {
    /// The user or team; `None` if neither was given.
    ///
    /// # Errors
    /// `InvalidInput` that says which character is wrong.
    pub(crate) fn owner(&self) -> Result<Option<Owner>> {
        match (&self.user, &self.team) {
            (Some(user), _) => Ok(Some(Owner::User(OwnerId::new(user)?))),
            (None, Some(team)) => Ok(Some(Owner::Team(OwnerId::new(team)?))),
            (None, None) => Ok(None),
        }
    }
}

//! Whose key is looked for, and how far.

use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct ResolveArgs {
    /// What the key opens, such as `anthropic`.
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// For this user.
    #[arg(long, value_name = "ID", required = true)]
    pub(crate) user: String,
    /// A team of the user; may be given several times. The first that has a key counts.
    #[arg(long = "team", value_name = "ID")]
    pub(crate) teams: Vec<String>,
    /// `require`: the user's own key and no other. `prefer`: the user's own, else a team's, else the
    /// global one, else the variable of `--env`. `never`: the global one and no other.
    #[arg(long, value_name = "POLICY", required = true)]
    pub(crate) policy: String,
    /// The environment variable that is looked at last, with `--policy prefer`.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) env: Option<String>,
    /// Among the keys of this name.
    #[arg(long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    pub(crate) name: String,
    /// Among the keys of this tenant.
    #[arg(long, value_name = "TENANT", default_value = "default", hide_default_value = true)]
    pub(crate) tenant: String,
}

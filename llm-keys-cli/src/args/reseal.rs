//! `reseal`.

use clap::Args;

use super::key::WhoseArgs;
use super::kms::WalkArgs;

#[derive(Args, Debug)]
pub(crate) struct ResealArgs {
    /// What the key opens, such as `anthropic`.
    #[arg(value_name = "SERVICE", required_unless_present = "all")]
    pub(crate) service: Option<String>,
    #[command(flatten)]
    pub(crate) whose: WhoseArgs,
    /// Every key of every tenant.
    #[arg(long, conflicts_with_all = ["service", "user", "team", "name", "tenant"])]
    pub(crate) all: bool,
    /// Only the current version, and not all that are kept.
    #[arg(long)]
    pub(crate) current: bool,
    #[command(flatten)]
    pub(crate) walk: WalkArgs,
}

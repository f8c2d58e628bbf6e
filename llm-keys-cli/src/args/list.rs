//! `list` and `show`.

use clap::Args;

use super::key::{KeyArgs, OwnerArgs};

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only keys for this service.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    #[command(flatten)]
    pub(crate) owner: OwnerArgs,
    /// Only keys that belong to everybody.
    #[arg(long, conflicts_with_all = ["user", "team"])]
    pub(crate) global: bool,
    /// Keys of this tenant.
    #[arg(long, value_name = "TENANT", default_value = "default", hide_default_value = true)]
    pub(crate) tenant: String,
    /// Only keys that something falls due for within this time, such as `14d`, the most urgent
    /// first: they expire, are to be rotated, or are deleted and to be purged.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) due: Option<String>,
    /// Only deleted keys that can be undeleted.
    #[arg(long, conflicts_with = "due")]
    pub(crate) deleted: bool,
    /// Verify the rows although that asks the KMS, and fail if one is not as it was written. With a
    /// master key file they are verified anyway.
    #[arg(long)]
    pub(crate) verify: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Verify the rows although that asks the KMS, and fail if one is not as it was written. With a
    /// master key file they are verified anyway.
    #[arg(long)]
    pub(crate) verify: bool,
}

//! `verify`.

use std::path::PathBuf;

use clap::Args;

use super::key::WhoseArgs;
use super::kms::WalkArgs;

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Compare with this checkpoint if it is there; if all is well, make a new one in its place.
    ///
    /// Rows that fit each other may all be old; only what is kept elsewhere can tell. So keep the file
    /// on another machine. It holds no names and no secrets, and only this database's row MAC keys
    /// can make one.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Make the checkpoint without comparing: after something old was put back on purpose.
    #[arg(long, requires = "checkpoint")]
    pub(crate) anew: bool,
    /// Open each envelope, too: one call of the KMS for each version that is kept.
    #[arg(long)]
    pub(crate) open: bool,
    /// Sign the rows of the key for this service anew, as they are now, if they are refused.
    ///
    /// Shows them and asks; needs `--yes` where nobody can be asked. Only if what they hold opens.
    #[arg(long, value_name = "SERVICE", conflicts_with_all = ["checkpoint", "accept_all"])]
    pub(crate) accept: Option<String>,
    #[command(flatten)]
    pub(crate) whose: WhoseArgs,
    /// The same for every key that is refused, of every tenant. Where the record of row MAC keys is
    /// lost, it is made anew.
    #[arg(long, conflicts_with_all = ["checkpoint", "user", "team", "name", "tenant"])]
    pub(crate) accept_all: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) walk: WalkArgs,
}

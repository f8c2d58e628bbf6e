//! The life of a key: its history, and what becomes of its versions.

use clap::Args;
use llm_keys::{ChangeOptions, Reason, Result};

use super::StoreHowArgs;
use super::key::KeyArgs;
use crate::actor;

/// Why something is done.
#[derive(Args, Debug)]
pub(crate) struct ReasonArgs {
    /// Why, for the history and the events; it must hold no secret.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// The version to go back to.
    #[arg(value_name = "VERSION")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) why: ReasonArgs,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// How long the service still takes the old version, such as `24h` or `30m`; 0 if it is revoked
    /// already.
    #[arg(long, value_name = "TIME", default_value = "24h", allow_hyphen_values = true)]
    pub(crate) overlap: String,
    #[command(flatten)]
    pub(crate) how: StoreHowArgs,
}

#[derive(Args, Debug)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// How many versions keep their secret, the current one among them; `keep_versions` of the
    /// settings, or 10, if left out.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) keep: Option<String>,
    #[command(flatten)]
    pub(crate) why: ReasonArgs,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// At once and for good: what sealed it is shredded. Otherwise it can be undeleted for as long
    /// as `keep_deleted` of the settings says, or 30 days.
    #[arg(long)]
    pub(crate) now: bool,
    #[command(flatten)]
    pub(crate) why: ReasonArgs,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct UndeleteArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Give it out again at once; otherwise it is inactive until `activate`.
    #[arg(long)]
    pub(crate) activate: bool,
    #[command(flatten)]
    pub(crate) why: ReasonArgs,
}

impl ReasonArgs {
    /// Who changes something, and why.
    ///
    /// # Errors
    /// `InvalidInput` if the reason is too long, or more than one line.
    pub(crate) fn caller(&self) -> Result<llm_keys::Caller> {
        let mut caller = actor::caller();
        caller.reason = self.reason.as_ref().map(Reason::new).transpose()?;
        Ok(caller)
    }

    /// The same, for a change with nothing more to say.
    ///
    /// # Errors
    /// As [`Self::caller`].
    pub(crate) fn options(&self) -> Result<ChangeOptions> {
        Ok(ChangeOptions::default().caller(self.caller()?))
    }
}

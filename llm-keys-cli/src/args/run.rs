//! `run …`.

use std::ffi::OsString;

use clap::Args;

use super::OwnerArgs;

#[derive(Args, Debug)]
#[group(id = "keys", required = true, multiple = true, args = ["services", "env"])]
pub(crate) struct RunArgs {
    /// Give the key for this service in the variables that its clients read, such as
    /// `ANTHROPIC_API_KEY`; may be given several times.
    #[arg(long = "service", value_name = "SERVICE[/NAME]")]
    pub(crate) services: Vec<String>,
    /// Give a key in this variable; may be given several times.
    #[arg(long, value_name = "VAR=SERVICE[/NAME]")]
    pub(crate) env: Vec<String>,
    #[command(flatten)]
    pub(crate) owner: OwnerArgs,
    /// Whose installation the keys belong to, where several share one database.
    #[arg(long, value_name = "TENANT", default_value = "default", hide_default_value = true)]
    pub(crate) tenant: String,
    /// The program and its arguments.
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

//! `copy`.

use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct CopyArgs {
    /// The database to copy; if left out, the one of the settings.
    #[arg(long, value_name = "URL")]
    pub(crate) from: Option<String>,
    /// The database to copy into, which is made where its file or its tables are missing; if left
    /// out, `LLM_KEYS_COPY_TO`. Put a URL with a password there: other users of this machine can see
    /// options.
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// Read, and write in one transaction, so many keys at a time: 1 to 1000.
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) batch: String,
}

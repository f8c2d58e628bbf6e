//! `cargo xtask nightly`: the long runs.

use crate::failure::Result;
use crate::{crash, fuzz};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long to run each fuzz target, in seconds
    #[arg(long, default_value_t = 2400)]
    fuzz_seconds: u32,
}

/// What is worth doing but too slow for every change. A new long run is a line here.
pub(crate) fn run_all(args: &Args) -> Result {
    crash::nightly()?;
    fuzz::run_all(&fuzz::Args { seconds: args.fuzz_seconds, target: None })
}

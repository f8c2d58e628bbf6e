//! `cargo xtask test`: all tests.

use crate::failure::Result;
use crate::process::{cargo, require, run};
use crate::services::Services;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the doctests
    #[arg(long)]
    no_doc: bool,
    /// Passed on to `cargo nextest run`, such as a filter
    #[arg(last = true)]
    nextest: Vec<String>,
}

/// Runs doctests, then the rest: nextest is last, because its closing line is the result.
pub(crate) fn run_all(args: &Args) -> Result {
    require("nextest")?;
    let _services = Services::start()?;
    if !args.no_doc {
        run(&mut cargo(["test", "--doc", "--workspace", "--all-features"])?)?;
    }
    run(cargo(["nextest", "run", "--workspace", "--all-features"])?.args(&args.nextest))
}

//! `cargo xtask test`: all tests.

use crate::failure::Result;
use crate::process::{cargo, require, run};
use crate::services::Services;
use crate::workspace::FEATURES;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the doctests
    #[arg(long)]
    no_doc: bool,
    /// Test the KMS backends instead, on real servers, which are started and stopped
    #[arg(long)]
    kms: bool,
    /// Start no servers: tests that need one fail, unless variables say where it is
    #[arg(long, requires = "kms")]
    no_servers: bool,
    /// Passed on to `cargo nextest run`, such as a filter
    #[arg(last = true)]
    nextest: Vec<String>,
}

/// Runs doctests, then the rest: nextest is last, because its closing line is the result.
pub(crate) fn run_all(args: &Args) -> Result {
    require("nextest")?;
    if args.kms {
        return run_kms(args);
    }
    if !args.no_doc {
        run(&mut cargo(["test", "--doc", "--workspace", FEATURES])?)?;
    }
    run(cargo(["nextest", "run", "--workspace", FEATURES])?.args(&args.nextest))
}

/// The backends' own tests, with every feature.
fn run_kms(args: &Args) -> Result {
    let mut nextest = cargo(["nextest", "run", "--package", "llm-keys", "--all-features"])?;
    nextest.args(&args.nextest);
    if args.no_servers {
        return run(&mut nextest);
    }
    let services = Services::start()?;
    run(services.introduce(&mut nextest))
}

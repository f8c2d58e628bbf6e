//! `cargo xtask fuzz`: every fuzz target for a while.

use std::path::Path;

use crate::failure::{Failure, Result};
use crate::process::{cargo, require, run, stdout};
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long to run each target, in seconds
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u32,
    /// Only this target
    #[arg(long)]
    pub(crate) target: Option<String>,
}

/// Finds the targets, and runs each from its seeds and from what earlier runs found.
pub(crate) fn run_all(args: &Args) -> Result {
    require("fuzz")?;
    let listed = stdout(&mut fuzz(["list"])?)?;
    let wanted = |name: &&str| args.target.as_deref().is_none_or(|target| target == *name);
    let targets: Vec<&str> = listed.lines().filter(wanted).collect();
    if targets.is_empty() {
        return Err(Failure::new(format!("no such fuzz target; there are:\n{}", listed.trim())));
    }
    targets.iter().try_for_each(|target| run_one(target, args.seconds))
}

fn run_one(target: &str, seconds: u32) -> Result {
    let folder = workspace::root()?.join("fuzz");
    let (corpus, seeds) = (folder.join("corpus").join(target), folder.join("seeds").join(target));
    std::fs::create_dir_all(&corpus)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", corpus.display())))?;
    let mut command = fuzz(["run", target])?;
    // New findings go to the first folder; the seeds are only read.
    command.args([&corpus, &seeds].into_iter().filter(|folder| Path::is_dir(folder)));
    run(command.args([
        "--",
        &format!("-max_total_time={seconds}"),
        "-verbosity=0",
        "-print_final_stats=1",
    ]))
}

/// `cargo fuzz`, with the compiler flags that only a nightly compiler takes unasked.
fn fuzz<const N: usize>(args: [&str; N]) -> Result<std::process::Command> {
    let mut command = cargo(["fuzz"])?;
    command.args(args).env("RUSTC_BOOTSTRAP", "1");
    Ok(command)
}

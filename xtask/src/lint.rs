//! `cargo xtask lint`: everything that is checked without running the product.

use crate::failure::Result;
use crate::process::{cargo, run};
use crate::{generate, workspace};

mod dependencies;
mod links;
mod release;
mod sizes;
mod tree;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Use no network: dependencies must be there, and advisories are those of the last time
    #[arg(long)]
    offline: bool,
    /// Fail if the advisories cannot be fetched
    #[arg(long)]
    require_advisories: bool,
}

/// Cheap checks first.
pub(crate) fn run_all(args: &Args) -> Result {
    let root = workspace::root()?;
    sizes::check(&root)?;
    links::check(&root)?;
    run(&mut cargo(["fmt", "--all", "--check"])?)?;
    run(&mut cargo(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"])?)?;
    tree::check()?;
    release::check()?;
    dependencies::check(args.offline, args.require_advisories)?;
    let strict = ["--", "-D", "warnings"];
    let clippy = ["clippy", "--workspace", "--all-targets", "--all-features"];
    run(cargo(clippy)?.args(strict))?;
    run(cargo(["clippy", "--package", "llm-keys", "--no-default-features"])?.args(strict))?;
    let doc = ["doc", "--no-deps", "--workspace", "--all-features"];
    run(cargo(doc)?.env("RUSTDOCFLAGS", "-D warnings"))?;
    generate::check()
}

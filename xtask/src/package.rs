//! `cargo xtask package`: each crate builds from what its package holds.

use std::path::Path;

use crate::failure::{Failure, Result};
use crate::process::{cargo, run, stdout};
use crate::workspace;

/// Packages the crates that are published, checks what is in them, and builds them from there, in
/// the order of their dependencies, each against the packages of the others.
pub(crate) fn run_all() -> Result {
    check_migrations(&workspace::root()?)?;
    // A new build folder each time: cargo takes a package of the same version for the same package,
    // and would check against those of the last run.
    let target = workspace::target()?;
    let fresh = std::fs::create_dir_all(&target)
        .and_then(|()| tempfile::Builder::new().prefix("package-").tempdir_in(&target))
        .map_err(|error| Failure::new(format!("cannot make a folder for packages: {error}")))?;
    let mut command = cargo(["package", "--allow-dirty", "--target-dir"])?;
    command.arg(fresh.path());
    for name in PUBLISHED {
        command.args(["--package", name]);
    }
    run(&mut command)
}

/// The migrations stand at the top of the checkout and must travel with `llm-keys-diesel`.
fn check_migrations(root: &Path) -> Result {
    let list = ["package", "--allow-dirty", "--list", "--package", "llm-keys-diesel"];
    let packaged = stdout(&mut cargo(list)?)?;
    for file in workspace::files(&root.join("migrations"))? {
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        if name.ends_with(".sql") && !packaged.lines().any(|line| line == name) {
            return Err(Failure::new(format!("the package of llm-keys-diesel lacks {name}")));
        }
    }
    Ok(())
}

pub(crate) const PUBLISHED: [&str; 3] = ["llm-keys", "llm-keys-diesel", "llm-keys-cli"];

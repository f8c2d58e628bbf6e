//! `cargo xtask gen`: files that come from code.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::process::{cargo, run};
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail if a file is not what the code says
    #[arg(long)]
    check: bool,
}

/// Regenerates, or checks.
pub(crate) fn run_all(args: &Args) -> Result {
    if args.check {
        return check();
    }
    let fresh = fresh_reference()?;
    let stale = differences(fresh.path(), &reference()?)?;
    for Difference { path, content } in &stale {
        write(path, content.as_deref())?;
        println!("{}", workspace::relative(path)?);
    }
    Ok(())
}

/// Fails if a generated file is not what the code says.
pub(crate) fn check() -> Result {
    let fresh = fresh_reference()?;
    let stale = differences(fresh.path(), &reference()?)?;
    if stale.is_empty() {
        return Ok(());
    }
    let names: Result<Vec<_>> =
        stale.iter().map(|stale| Ok(format!("  {}", workspace::relative(&stale.path)?))).collect();
    let names = names?.join("\n");
    Err(Failure::new(format!("run `cargo xtask gen` and commit; these files are stale:\n{names}")))
}

/// Where the command reference is: `cli.md`, and all of the folder `man`.
fn reference() -> Result<PathBuf> {
    Ok(workspace::root()?.join("docs/reference"))
}

/// The command reference as the program writes it now.
fn fresh_reference() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::new(format!("cannot make a temporary folder: {error}")))?;
    let mut command = cargo(["run", "--quiet", "--package", "llm-keys-cli", "--", "__reference"])?;
    run(command.arg(folder.path()))?;
    Ok(folder)
}

/// A file that is not as it should be.
struct Difference {
    path: PathBuf,
    /// What it should hold; `None`: it should not be there.
    content: Option<String>,
}

fn differences(fresh: &Path, kept: &Path) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    let wanted = relative_files(fresh)?;
    for name in &wanted {
        let content = workspace::read(&fresh.join(name))?;
        let path = kept.join(name);
        if !path.is_file() || workspace::read(&path)? != content {
            found.push(Difference { path, content: Some(content) });
        }
    }
    let there = if kept.is_dir() { relative_files(kept)? } else { Vec::new() };
    // Pages beside the generated ones are written by hand; a folder of them is not.
    let left_over =
        there.into_iter().filter(|name| name.components().count() > 1 && !wanted.contains(name));
    found.extend(left_over.map(|name| Difference { path: kept.join(name), content: None }));
    Ok(found)
}

fn relative_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = workspace::files(folder)?;
    Ok(files.iter().filter_map(|file| Some(file.strip_prefix(folder).ok()?.to_owned())).collect())
}

fn write(path: &Path, content: Option<&str>) -> Result {
    let done = match content {
        Some(content) => path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(path, content)),
        None => std::fs::remove_file(path),
    };
    done.map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_missing_and_left_over_files_are_found() {
        let (fresh, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let put = |folder: &tempfile::TempDir, name: &str, content: &str| {
            write(&folder.path().join(name), Some(content)).unwrap();
        };
        put(&fresh, "same.md", "1");
        put(&kept, "same.md", "1");
        put(&fresh, "changed.md", "2");
        put(&kept, "changed.md", "1");
        put(&fresh, "man/missing.1", "1");
        put(&kept, "man/left-over.1", "1");
        put(&kept, "by-hand.md", "1");

        let found = differences(fresh.path(), kept.path()).unwrap();
        let names: Vec<_> =
            found.iter().map(|stale| stale.path.strip_prefix(kept.path()).unwrap()).collect();
        assert_eq!(names, ["changed.md", "man/missing.1", "man/left-over.1"].map(Path::new),);

        for Difference { path, content } in &found {
            write(path, content.as_deref()).unwrap();
        }
        assert!(differences(fresh.path(), kept.path()).unwrap().is_empty());
    }
}

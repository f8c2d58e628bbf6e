//! Where things are in the checkout.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

/// The top folder of the checkout that this was started in.
pub(crate) fn root() -> Result<PathBuf> {
    // Asked at run time: a build folder may be shared by several checkouts.
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .ok_or_else(|| Failure::new("run this as `cargo xtask`"))?;
    let root = Path::new(&xtask).parent();
    root.map(Path::to_owned).ok_or_else(|| Failure::new("the xtask crate has no parent folder"))
}

/// Where cargo builds.
pub(crate) fn target() -> Result<PathBuf> {
    let root = root()?;
    // An absolute path stays as it is.
    Ok(root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())))
}

/// A path as seen from the root, for people.
pub(crate) fn relative(path: &Path) -> Result<String> {
    let root = root()?;
    Ok(path.strip_prefix(&root).unwrap_or(path).display().to_string())
}

/// Every file under `folder`, sorted, without hidden folders, build folders and what links lead to.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), &error))?;
            let name = entry.file_name();
            let skipped = name == "target" || name.to_string_lossy().starts_with('.');
            if kind.is_dir() && !skipped {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The content of a text file.
pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read {}: {error}", path.display()))
}

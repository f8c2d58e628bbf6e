//! Source files stay short.

use std::path::Path;

use crate::failure::{Failure, Result};
use crate::workspace;

/// Fails if a Rust file that people write is too long.
pub(crate) fn check(root: &Path) -> Result {
    let mut long = Vec::new();
    for path in workspace::files(root)? {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let lines = workspace::read(&path)?.lines().count();
        let name = path.strip_prefix(root).unwrap_or(&path);
        if lines > MAX_LINES && !GENERATED.iter().any(|generated| name == Path::new(generated)) {
            long.push(format!("  {} has {lines} lines", name.display()));
        }
    }
    if long.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "split these files (more than {MAX_LINES} lines):\n{}",
        long.join("\n")
    )))
}

const MAX_LINES: usize = 400;

/// Files that no one writes by hand.
const GENERATED: &[&str] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let file = folder.path().join("src/long.rs");
        std::fs::write(&file, "//\n".repeat(MAX_LINES)).unwrap();
        check(folder.path()).unwrap();
        std::fs::write(&file, "//\n".repeat(MAX_LINES + 1)).unwrap();
        let Err(Failure::Said(message)) = check(folder.path()) else { panic!("not found") };
        assert!(message.contains("src/long.rs has 401 lines"), "{message}");
    }
}

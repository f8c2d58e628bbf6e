//! What a release must not have: the places where tests kill the program.

use crate::failure::{Failure, Result};
use crate::package::PUBLISHED;
use crate::process::{cargo, stdout};

/// Fails if a published crate, built as it is released, brings fail points along.
pub(crate) fn check() -> Result {
    for package in PUBLISHED {
        let found = tree(&["--package", package])?;
        if has_fail_points(&found) {
            let text = format!("a release of {package} would have fail points");
            return Err(Failure::new(text));
        }
    }
    Ok(())
}

/// What is built for a program, with these options of cargo.
fn tree(options: &[&str]) -> Result<String> {
    let form = ["--target", "all", "--prefix", "none", "--no-dedupe", "--locked"];
    stdout(cargo(["tree", "--edges", "normal,build"])?.args(form).args(options))
}

fn has_fail_points(tree: &str) -> bool {
    tree.lines().any(|line| line.starts_with("fail v"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn a_release_has_no_fail_points_and_a_test_has() {
        check().unwrap();
        let tested = tree(&["--package", "llm-keys-cli", "--features", "fail-points"]).unwrap();
        assert!(has_fail_points(&tested), "{tested}");
    }

    #[test]
    fn a_build_without_debug_assertions_refuses_them() {
        let folder = tempfile::tempdir().unwrap();
        let output = std::process::Command::new("rustc")
            .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata"])
            .args(["--cfg", "feature=\"fail-points\"", "-C", "debug-assertions=off", "-o"])
            .arg(folder.path().join("built"))
            .arg(workspace::root().unwrap().join("llm-keys/src/fail_points.rs"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("is for tests"), "{said}");
    }
}

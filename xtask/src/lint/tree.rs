//! How many crates the library brings along without a KMS of others: the price of `--no-default-features`.

use std::collections::BTreeSet;

use crate::failure::{Failure, Result};
use crate::process::{cargo, stdout};

/// Counts them, and fails if they are too many.
pub(crate) fn check() -> Result {
    let count = count(&tree()?);
    println!(
        "llm-keys without `kms-*` features: {count} crates, itself and what builds them among them \
         (at most {MOST})"
    );
    if (2..=MOST).contains(&count) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`cargo tree` shows {count} crates under llm-keys without its features, not 2 to {MOST}"
    )))
}

/// What is built for a program that uses it, and what runs while it is built; not what tests need.
fn tree() -> Result<String> {
    let arguments = ["tree", "--package", "llm-keys", "--no-default-features"];
    // One platform, so that the number is the same on each.
    let form = ["--target", PLATFORM, "--prefix", "none", "--no-dedupe", "--locked"];
    stdout(cargo(arguments)?.args(["--edges", "normal,build"]).args(form))
}

/// The lines that differ: a crate is listed for each that needs it.
fn count(tree: &str) -> usize {
    tree.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<BTreeSet<_>>().len()
}

const MOST: usize = 120;
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_counts_once_and_two_versions_twice() {
        assert_eq!(count("a v1.0.0 (/x)\nb v2.0.0\nb v2.0.0\n\nb v3.0.0\n"), 3);
        assert_eq!(count(""), 0);
    }

    #[test]
    fn what_builds_a_crate_counts_and_what_tests_it_does_not() {
        let tree = tree().unwrap();
        let has = |name: &str| tree.lines().any(|line| line.starts_with(&format!("{name} v")));
        assert!(has("zeroize"), "{tree}");
        assert!(has("cc"), "the ciphers are C: {tree}");
        assert!(!has("mockall") && !has("proptest"), "{tree}");
    }
}

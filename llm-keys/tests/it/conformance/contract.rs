//! The tables in the traits' documentation and the rules that the macros run are the same.

use std::collections::BTreeSet;

/// The sources with tables, the suite they name, and the source with its macro.
const SUITES: [(&[&str], &str, &str); 3] = [
    (
        &[include_str!("../../../src/store.rs")],
        "store",
        include_str!("../../../src/testing/store.rs"),
    ),
    (&[include_str!("../../../src/kms.rs")], "kms", include_str!("../../../src/testing/kms.rs")),
    (
        &[include_str!("../../../src/manager.rs"), include_str!("../../../src/event.rs")],
        "manager",
        include_str!("../../../src/testing/manager.rs"),
    ),
];

#[test]
fn each_numbered_rule_is_run_and_each_rule_run_is_numbered() {
    for (tables, suite, source) in SUITES {
        let mark = format!("`testing::{suite}::");
        let numbered: BTreeSet<&str> = tables
            .iter()
            .flat_map(|source| source.lines())
            .filter(|line| line.starts_with("/// | "))
            .flat_map(|line| line.split(&mark).skip(1))
            .map(|rest| rest.split('`').next().unwrap())
            .collect();
        let (_, rules) = source.split_once("($open),").or(source.split_once("($build),")).unwrap();
        let (rules, _) = rules.split_once('}').unwrap();
        let run: BTreeSet<&str> = rules.split_whitespace().collect();
        assert!(run.len() > 10, "{suite}: {run:?}");
        assert_eq!(numbered, run, "{suite}");
    }
}

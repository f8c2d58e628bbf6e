//! The tables in the traits' documentation and the rules that the macros run are the same.

use std::collections::BTreeSet;

/// The sources with tables, the suite they name, and the source with its macro.
const SUITES: [(&[&str], &str, &str); 4] = [
    (
        &[include_str!("../../../src/store.rs")],
        "store",
        include_str!("../../../src/testing/store.rs"),
    ),
    (&[include_str!("../../../src/kms.rs")], "kms", include_str!("../../../src/testing/kms.rs")),
    (
        &[include_str!("../../../src/testing/kms_lab.rs")],
        "kms_lab",
        include_str!("../../../src/testing/kms_lab.rs"),
    ),
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

/// The labs in the table of the guide, and the sources that declare the same.
const LABS: [(&str, &str, usize); 7] = [
    ("local", include_str!("kms_lab.rs"), 0),
    ("LocalStack", include_str!("../kms_aws/lab.rs"), 0),
    ("MiniStack", include_str!("../kms_aws/lab.rs"), 1),
    ("SoftHSM2", include_str!("../kms_pkcs11/lab.rs"), 0),
    ("OpenBao", include_str!("../kms_vault/lab.rs"), 0),
    ("Google Cloud KMS", include_str!("../kms_gcp/lab.rs"), 0),
    ("Azure Key Vault", include_str!("../kms_azure/lab.rs"), 0),
];

#[test]
fn what_a_lab_cannot_stands_in_the_guide() {
    let guide = include_str!("../../../../docs/guides/add-a-kms.md");
    for (lab, source, number) in LABS {
        let declared: BTreeSet<&str> = source
            .split("cannot: [")
            .nth(number + 1)
            .map(|rest| rest.split(']').next().unwrap())
            .into_iter()
            .flat_map(|rules| rules.split(','))
            .map(str::trim)
            .filter(|rule| !rule.is_empty())
            .collect();
        let row = guide.lines().find_map(|line| line.strip_prefix(&format!("| {lab} | ")));
        let cell = row.map(|row| row.split(" | ").next().unwrap()).unwrap_or_default();
        let listed: BTreeSet<&str> =
            cell.split(['`', ' ']).filter(|rule| !rule.is_empty()).collect();
        assert_eq!(listed, declared, "{lab}");
        assert!(guide.contains(lab), "{lab}");
    }
}

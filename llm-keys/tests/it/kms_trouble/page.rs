//! The page about these rules names tests that exist, and leaves no rule out.

use std::path::Path;

#[test]
fn the_page_names_what_is_here() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../docs/reference/kms-faults.md")).unwrap();
    let mut sources = String::new();
    read_all(&root.join("tests/it/kms_trouble"), &mut sources);
    // What is measured on a clock that the test moves.
    sources += &std::fs::read_to_string(root.join("tests/it/kms_guarded.rs")).unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| KM")).collect();
    for rule in 1..=8 {
        let name = format!("KM{rule}");
        assert!(rows.iter().any(|row| row.contains(&name)), "{name} is not on the page");
        assert!(sources.contains(&format!("//! {name}:")), "{name} has no file");
    }
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in tests.split('`').skip(1).step_by(2).filter(|name| !name.contains('.')) {
            assert!(sources.contains(&format!("async fn {name}(")), "there is no {name}");
        }
    }
}

fn read_all(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read_all(&path, into),
            false => into.push_str(&std::fs::read_to_string(path).unwrap()),
        }
    }
}

//! The generated reference pages are those of this program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::sandbox::Sandbox;

#[test]
fn the_reference_pages_are_fresh() {
    let sandbox = Sandbox::new();
    let made = sandbox.path().join("reference");
    sandbox.must(&["__reference", made.to_str().unwrap()], "");
    let made = pages(&made);
    let mut committed =
        pages(&Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/reference"));
    // Written by hand, beside the generated ones.
    committed.retain(|name, _| name == "cli.md" || name.starts_with("man/"));
    assert!(made.len() > 15, "{:?}", made.keys());
    assert_eq!(
        made.keys().collect::<Vec<_>>(),
        committed.keys().collect::<Vec<_>>(),
        "run `cargo xtask gen`"
    );
    for (name, page) in made {
        assert!(page == committed[&name], "{name} is stale: run `cargo xtask gen`");
    }
}

fn pages(folder: &Path) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for (prefix, folder) in [("", folder.to_owned()), ("man/", folder.join("man"))] {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
                pages.insert(name, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    pages
}

//! The local master key: who may read its file.

use std::path::Path;

use super::{Policy, Purpose};

pub(super) fn policy(path: &Path, purpose: Purpose) -> Option<Policy> {
    let shown = path.to_str()?.replace('\'', r"'\''");
    let notes = match purpose {
        Purpose::Seals | Purpose::SealsWithOthers => vec![OWNER, ROTATE],
        Purpose::Reads => vec![OWNER],
    };
    Some(Policy { rights: Vec::new(), text: format!("chmod 0400 '{shown}'\n"), notes })
}

const OWNER: &str = "the file belongs to the user who runs the program; 0600 is accepted, too";
const ROTATE: &str = "`kms local rotate` needs to write in its folder";

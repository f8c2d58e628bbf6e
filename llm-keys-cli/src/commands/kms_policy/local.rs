//! The local master key: who may read its file.

use std::path::Path;

use super::Policy;

pub(super) fn policy(path: &Path) -> Option<Policy> {
    let shown = path.to_str()?.replace('\'', r"'\''");
    Some(Policy {
        text: format!("chmod 0400 '{shown}'\n"),
        notes: vec![
            "the file belongs to the user who runs the program; 0600 is accepted, too, and \
             `kms local rotate` needs to write in its folder",
        ],
    })
}

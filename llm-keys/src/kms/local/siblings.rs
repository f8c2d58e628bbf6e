//! The older master keys beside the current one: `master.key.<first 16 digits of its id>`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::MasterKey;
use super::file::{PURPOSE, load};
use crate::error::{Error, Result};
use crate::private_file::folder_of;

/// The file of an older master key, by its name.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Sibling {
    pub(super) path: PathBuf,
    tag: String,
}

impl Sibling {
    /// Where `master` stands once it is an older key of the file `path`.
    pub(super) fn of(path: &Path, master: &MasterKey) -> Self {
        let tag = tag_of(master).to_owned();
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(&tag);
        Self { path: name.into(), tag }
    }

    /// The key in it.
    ///
    /// # Errors
    /// As [`load`], and `Kms(Misconfigured)` if the key is not the one of the name.
    pub(super) fn load(&self) -> Result<MasterKey> {
        let master = load(&self.path)?;
        if tag_of(&master) == self.tag {
            return Ok(master);
        }
        let uri = master.uri();
        Err(PURPOSE
            .unusable(&self.path, format_args!("holds another key than its name says: {uri}"))
            .with_hint("give the file back its name, or move it away"))
    }
}

/// The older keys of the file `path`, sorted by name. Other files are nobody's business here.
pub(super) fn siblings(path: &Path) -> Result<Vec<Sibling>> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::invalid(PURPOSE.op, format!("{} names no file", path.display())))?;
    let mut prefix = OsString::from(name);
    prefix.push(".");
    let folder = folder_of(path);
    let failed = |error| {
        PURPOSE
            .unusable(path, "cannot be used, because older keys beside it cannot be listed")
            .with_source(error)
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let tag = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        if let Some(tag) = tag.filter(|tag| is_tag(tag)) {
            let tag = String::from_utf8_lossy(tag).into_owned();
            found.push(Sibling { path: folder.join(&name), tag });
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn is_tag(tag: &[u8]) -> bool {
    tag.len() == TAG_LEN && tag.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn tag_of(master: &MasterKey) -> &str {
    let id = master.id();
    id.get(..TAG_LEN).unwrap_or(id)
}

const TAG_LEN: usize = 16;

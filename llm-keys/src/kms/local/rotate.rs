//! A new master key in the place of the old one, which stays readable beside it.

use std::path::{Path, PathBuf};

use super::file::{PURPOSE, draft, read};
use super::siblings::{Sibling, siblings};
use super::{KeyUri, LocalKms, MasterKey};
use crate::error::{Error, Result};
use crate::private_file::{PrivateFile, link, sweep};
use crate::random::Random;

/// What [`rotate`] did.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Rotated {
    /// The master key that data keys are wrapped under from now on.
    pub uri: KeyUri,
    /// The one before it.
    pub older: KeyUri,
    /// Where that one stays, for reading.
    pub kept: PathBuf,
}

impl LocalKms {
    /// Writes under the master key of the file `path`, and reads with its older keys, too: those in
    /// `master.key.<first 16 digits of the id>` beside it, as [`rotate`] leaves them. Where `path`
    /// is a symbolic link, that is beside what it points to; beside a pipe there are none.
    ///
    /// # Errors
    /// `Kms(Misconfigured)` as [`load`](super::load) says it, for every one of the files, and if an
    /// older key is not the one that its name says.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut file = PURPOSE.open(path)?;
        let current = read(&mut file, path)?;
        let older = match place_of(&file, path)? {
            Some(place) => older_keys(&place, &current)?,
            None => Vec::new(),
        };
        Ok(Self::new(current, older))
    }
}

/// Makes a new master key and puts it in the place of the one at `path`, which becomes an older key
/// beside it. What is sealed stays readable; to have it wrapped under the new key is another step.
/// A running process uses the new key once it opens the file again.
///
/// A crash at any point leaves a file at `path` that opens, and every key that ever was there; the
/// next call starts over. Two calls at once are two rotations, one after the other.
///
/// # Errors
/// As [`LocalKms::open`]; `Io` if a file cannot be made; `InvalidInput` for a pipe.
pub fn rotate(path: impl AsRef<Path>, random: &dyn Random) -> Result<Rotated> {
    let path = path.as_ref();
    let mut file = PURPOSE.open(path)?;
    let place = place_of(&file, path)?.ok_or_else(|| {
        Error::invalid(PURPOSE.op, format!("{} is no file that can be replaced", path.display()))
    })?;
    loop {
        let failed = |error| PURPOSE.failed(&place, "locked", error);
        file.lock().map_err(failed)?;
        if file.is_at(&place).map_err(failed)? {
            break;
        }
        // Another process rotated while we waited.
        file = PURPOSE.open(&place)?;
    }
    let current = read(&mut file, &place)?;
    older_keys(&place, &current)?;
    sweep(&place, PURPOSE)?;

    let new = MasterKey::generate(random)?;
    let draft = draft(&new, &place, random)?;
    fail_point!("local-rotate.drafted");
    // The old key gets its second name, on disk, before it loses its first one.
    let sibling = Sibling::of(&place, &current);
    link(&place, &sibling.path, PURPOSE)?;
    fail_point!("local-rotate.linked");
    sibling.load()?;
    draft.replace(&place)?;
    fail_point!("local-rotate.replaced");
    Ok(Rotated { uri: new.uri, older: current.uri, kept: sibling.path })
}

/// The older keys beside `place`. The current one may be among them when a rotation did not come to
/// its end.
pub(super) fn older_keys(place: &Path, current: &MasterKey) -> Result<Vec<MasterKey>> {
    let mut older = Vec::new();
    for sibling in siblings(place)? {
        let master = sibling.load()?;
        if master.uri != current.uri {
            older.push(master);
        }
    }
    Ok(older)
}

/// Where the open file really is; `None` for a pipe and for a file without a name.
pub(super) fn place_of(file: &PrivateFile, path: &Path) -> Result<Option<PathBuf>> {
    if file.is_pipe() {
        return Ok(None);
    }
    match std::fs::canonicalize(path) {
        Ok(place) => Ok(Some(place)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PURPOSE.unusable(path, "cannot be found").with_source(error)),
    }
}

#[cfg(test)]
mod tests;

//! Master keys as one text file, to be kept somewhere else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use self::text::Backup;
use super::file::{PURPOSE, load, place};
use super::passphrase::{PassphraseCost, Recipe};
use super::rotate::{older_keys, place_of};
use super::siblings::Sibling;
use super::{KeyUri, LocalKms, MasterKey};
use crate::error::{Error, ErrorKind, Result};
use crate::private_file::{folder_of, shell_word, sweep};
use crate::random::Random;
use crate::secret::SecretBytes;

mod text;

/// What [`restore`] did.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Restored {
    /// The master key that is in its place now.
    pub uri: KeyUri,
    /// The files that this call made; none if everything was there.
    pub made: Vec<PathBuf>,
}

/// Writes the master key of the file `path` and its older keys to the new file `to`, mode 0600; with
/// a passphrase they are sealed by it. Returns how many keys that are.
///
/// # Errors
/// `Conflict` if `to` is there; `Io` if it cannot be written, or if it is not sealed and stands on
/// a file system that keeps no modes; else as [`LocalKms::open`].
pub fn backup(
    path: impl AsRef<Path>,
    to: impl AsRef<Path>,
    seal: Option<(&SecretBytes, PassphraseCost)>,
    random: &dyn Random,
) -> Result<usize> {
    let to = to.as_ref();
    let LocalKms { current, older } = LocalKms::open(path)?;
    let keys: Vec<_> = std::iter::once(current).chain(older).collect();
    let text = match seal {
        None => text::plain(&keys)?,
        Some((passphrase, cost)) => {
            let recipe = Recipe::new(cost, random)?;
            text::sealed(&keys, &recipe, &*recipe.derive(passphrase)?, random)?
        }
    };
    if text.len() > MAX_LEN {
        return Err(Error::invalid(OP, "there are too many older keys for one backup"));
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(|error| {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return unwritten(to, error);
            }
            let to = to.display();
            Error::new(ErrorKind::Conflict, OP, format!("{to} is there already"))
                .with_hint("a backup never replaces a file: choose another name")
        })?;
    write(&mut file, to, &text, seal.is_some()).inspect_err(|_| {
        // Half a backup is worse than none.
        let _ = fs::remove_file(to);
    })?;
    Ok(keys.len())
}

fn write(file: &mut File, to: &Path, text: &[u8], sealed: bool) -> Result<()> {
    let mode = file.metadata().map_err(|error| unwritten(to, error))?.permissions().mode();
    if !sealed && mode & 0o077 != 0 {
        return Err(unwritten(to, io::Error::other("the file system keeps no modes"))
            .with_hint("give a passphrase, or write the backup elsewhere"));
    }
    file.write_all(text)
        .and_then(|()| file.sync_all())
        .and_then(|()| File::open(folder_of(to))?.sync_all())
        .map_err(|error| unwritten(to, error))
}

/// Puts the keys of the backup `from` back: the current one into the file `path`, older ones beside
/// it. `passphrase` is asked only if the backup is sealed. What is there already stays, so that a
/// call after a crash completes the rest.
///
/// # Errors
/// `Conflict` if `path` holds another master key; `Kms(Misconfigured)` if the backup is damaged or
/// none, or a file that is there is not usable; `Kms(WrongKey)` if this is not its passphrase; `Io`
/// if a file cannot be read or made.
pub fn restore(
    from: impl AsRef<Path>,
    path: impl AsRef<Path>,
    passphrase: &dyn Fn() -> Result<SecretBytes>,
    random: &dyn Random,
) -> Result<Restored> {
    let (from, path) = (from.as_ref(), path.as_ref());
    let (current, older) = match text::parse(&read(from)?, from)? {
        Backup::Plain(keys) => keys,
        Backup::Sealed(sealed) => sealed.open(&passphrase()?, from)?,
    };
    // Beside the file itself, where a symbolic link points to it.
    let path = match PURPOSE.find(path)? {
        None => path.to_owned(),
        Some(file) => {
            let place = place_of(&file, path)?
                .ok_or_else(|| PURPOSE.unusable(path, "is a pipe, which keeps nothing"))?;
            let there = load(&place)?;
            if there.uri != current.uri {
                return Err(conflict(&place, &there, &current));
            }
            older_keys(&place, &current)?;
            place
        }
    };
    sweep(&path, PURPOSE)?;
    let mut made = Vec::new();
    // The current key comes last: with it the file opens, and then everything is there.
    for master in older {
        let sibling = Sibling::of(&path, &master);
        if place(&master, &sibling.path, random)? {
            made.push(sibling.path);
        } else {
            sibling.load()?;
        }
    }
    if place(&current, &path, random)? {
        made.push(path);
    } else {
        let there = load(&path)?;
        if there.uri != current.uri {
            return Err(conflict(&path, &there, &current));
        }
    }
    Ok(Restored { uri: current.uri, made })
}

fn read(from: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |error: io::Error| {
        let from = from.display();
        Error::new(ErrorKind::Io, OP, format!("the backup {from} cannot be read"))
            .with_source(error)
    };
    let file = File::open(from).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    // At its final size, so that growing leaves no copy behind; a pipe does not tell its size.
    let len = match usize::try_from(metadata.len()) {
        Ok(len) if metadata.is_file() => len.min(MAX_LEN),
        _ => MAX_LEN,
    };
    let mut text = Zeroizing::new(Vec::with_capacity(len + 1));
    let limit = u64::try_from(MAX_LEN).unwrap_or(u64::MAX) + 1;
    file.take(limit).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

fn conflict(path: &Path, master: &MasterKey, backup: &MasterKey) -> Error {
    let (shown, there, backup) = (path.display(), master.uri(), backup.uri());
    // Under this name it is read as an older key.
    let kept = Sibling::of(path, master).path;
    let (from, to) = (shell_word(path), shell_word(&kept));
    Error::new(
        ErrorKind::Conflict,
        OP,
        format!("{shown} holds the master key {there}, and the backup {backup}"),
    )
    .with_hint(format!(
        "nothing was changed; to go back to the backup and still read what was sealed since, \
         `mv {from} {to}` first"
    ))
}

fn unwritten(to: &Path, error: io::Error) -> Error {
    let to = to.display();
    Error::new(ErrorKind::Io, OP, format!("the backup {to} cannot be written")).with_source(error)
}

const OP: &str = "kms.backup";
const MAX_LEN: usize = 1024 * 1024;

#[cfg(test)]
mod tests;

//! The master key file: 32 raw bytes that only their owner may read.

use std::path::Path;

use zeroize::Zeroizing;

use super::MasterKey;
use super::siblings::siblings;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::private_file::{Draft, PrivateFile, Purpose, shell_word, sweep};
use crate::random::Random;
use crate::secret::DataKey;

/// A master key and whether it was made just now.
#[derive(Debug)]
pub struct Created {
    /// The key, which is in the file.
    pub master: MasterKey,
    /// Whether this call made it; else it was there.
    pub fresh: bool,
}

/// Reads the master key file at `path`: exactly 32 bytes, mode 0600 or 0400, owned by the effective
/// user or root, a regular file. Symbolic links are followed.
///
/// `/dev/fd/N` and the credentials of a service manager are files like others. A pipe is read to
/// its end, once, so that a shell can hand over a key that is on no disk:
/// `llm-keys --kms local:/dev/fd/3 … 3< <(command)`.
///
/// # Errors
/// `Kms(Misconfigured)` with a command to run where one helps.
pub fn load(path: impl AsRef<Path>) -> Result<MasterKey> {
    let path = path.as_ref();
    read(&mut PURPOSE.open(path)?, path)
}

/// The master key of the file at `path`, which is made if it is missing. Nothing is overwritten: of
/// several processes one makes the key, and the others load that one.
///
/// # Errors
/// As [`load`]; `Kms(Misconfigured)` if older master keys stand there without a current one, which
/// means that it was lost; `Io` if the file cannot be made.
pub fn create(path: impl AsRef<Path>, random: &dyn Random) -> Result<Created> {
    let path = path.as_ref();
    if let Some(mut file) = PURPOSE.find(path)? {
        return Ok(Created { master: read(&mut file, path)?, fresh: false });
    }
    sweep(path, PURPOSE)?;
    if let Some(older) = siblings(path)?.first() {
        let older = older.path.display();
        return Err(PURPOSE
            .unusable(path, format_args!("is missing, but an older master key {older} is there"))
            .with_hint(PURPOSE.missing));
    }
    let master = MasterKey::generate(random)?;
    let fresh = place(&master, path, random)?;
    // The one in the file, whoever made it.
    Ok(Created { master: if fresh { master } else { load(path)? }, fresh })
}

/// Writes `master` to a new file at `path`, unless something is there; says whether it did.
pub(super) fn place(master: &MasterKey, path: &Path, random: &dyn Random) -> Result<bool> {
    draft(master, path, random)?.link(path)
}

/// The file of `master`, ready to be put at `path`.
pub(super) fn draft(master: &MasterKey, path: &Path, random: &dyn Random) -> Result<Draft> {
    master.expose(|bytes| Draft::write(path, bytes, random, PURPOSE))
}

/// The key in `file`, which was opened at `path`.
pub(super) fn read(file: &mut PrivateFile, path: &Path) -> Result<MasterKey> {
    // One byte more than a key has, to see that it ends there.
    let mut buffer = Zeroizing::new([0; DataKey::LEN + 1]);
    let len = file
        .read(buffer.as_mut())
        .map_err(|error| PURPOSE.unusable(path, "cannot be read").with_source(error))?;
    match buffer.split_first_chunk::<{ DataKey::LEN }>() {
        Some((key, _)) if len == DataKey::LEN => MasterKey::from_bytes(key),
        _ => Err(wrong_size(path, len)),
    }
}

fn wrong_size(path: &Path, len: usize) -> Error {
    let size = match len {
        len if len > DataKey::LEN => "more".to_owned(),
        len => len.to_string(),
    };
    let error = PURPOSE.unusable(path, format_args!("must hold 32 bytes, not {size}"));
    let shown = shell_word(path);
    error.with_hint(format!("move it away and run `llm-keys kms local restore FILE` for {shown}"))
}

/// What a master key file is to its user.
pub(super) const PURPOSE: Purpose = Purpose {
    name: "master key file",
    kind: ErrorKind::Kms(KmsFault::Misconfigured),
    op: "kms.local",
    missing: "run `llm-keys init` to make a new one, or `llm-keys kms local restore FILE` if keys \
              were sealed before",
};

#[cfg(test)]
mod tests;

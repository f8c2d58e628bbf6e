//! How a private file comes to be: written whole beside its place, then given its name in one
//! step, so that no reader and no crash ever sees half of it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{Purpose, folder_of, shell_word};
use crate::context::hex;
use crate::error::{Error, Result};
use crate::random::Random;

/// A whole file of mode 0600, on disk under a passing name beside its place. The passing name goes
/// when this is dropped; [`sweep`] removes what a crash left.
pub(crate) struct Draft {
    path: PathBuf,
    purpose: Purpose,
    // Locked as long as it is open, which tells a draft in use from a leftover.
    file: File,
}

impl Draft {
    /// Writes `content` beside `target`, down to the disk.
    ///
    /// # Errors
    /// `Io` if the folder is missing or cannot be written; `InvalidInput` if `target` has no name.
    pub(crate) fn write(
        target: &Path,
        content: &[u8],
        random: &dyn Random,
        purpose: Purpose,
    ) -> Result<Self> {
        let prefix = prefix(target, purpose)?;
        loop {
            let mut tag = [0; 8];
            random.fill(&mut tag)?;
            let mut name = prefix.clone();
            name.push(hex(&tag));
            name.push(SUFFIX);
            let path = folder_of(target).join(name);
            let failed = |error| unwritten(&path, purpose, error);
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(failed)?;
            let draft = Self { path: path.clone(), purpose, file };
            match draft.file.lock() {
                // A file system without locks has no sweep either.
                Err(error) if error.kind() != io::ErrorKind::Unsupported => {
                    return Err(failed(error));
                }
                _ => {}
            }
            // Swept away between making and locking it.
            if draft.file.metadata().map_err(failed)?.nlink() == 0 {
                continue;
            }
            draft.fill(content).map_err(failed)?;
            return Ok(draft);
        }
    }

    fn fill(&self, content: &[u8]) -> io::Result<()> {
        // The umask may have taken bits away.
        self.file.set_permissions(fs::Permissions::from_mode(0o600))?;
        (&self.file).write_all(content)?;
        self.file.sync_all()
    }

    /// Writes more at its end. It is down on the disk after [`sync`](Self::sync).
    pub(crate) fn append(&mut self, content: &[u8]) -> Result<()> {
        self.file.write_all(content).map_err(|error| unwritten(&self.path, self.purpose, error))
    }

    /// Writes `content` over what stands at `place`.
    pub(crate) fn overwrite(&mut self, place: usize, content: &[u8]) -> Result<()> {
        let place = u64::try_from(place).unwrap_or(u64::MAX);
        self.file
            .write_all_at(content, place)
            .map_err(|error| unwritten(&self.path, self.purpose, error))
    }

    /// Brings all of it down to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| unwritten(&self.path, self.purpose, error))
    }

    /// Gives it the name `target` unless something has that name; says whether it did. Of several
    /// processes exactly one succeeds.
    pub(crate) fn link(&self, target: &Path) -> Result<bool> {
        link(&self.path, target, self.purpose)
    }

    /// Puts it in the place of `target`.
    pub(crate) fn replace(self, target: &Path) -> Result<()> {
        fs::rename(&self.path, target)
            .map_err(|error| self.purpose.failed(target, "replaced", error))?;
        sync_folder(target, self.purpose)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already after `replace`.
        let _ = fs::remove_file(&self.path);
    }
}

/// Gives the file `path` a second name unless something has that name; says whether it did.
pub(crate) fn link(path: &Path, target: &Path, purpose: Purpose) -> Result<bool> {
    match fs::hard_link(path, target) {
        Ok(()) => {
            sync_folder(target, purpose)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Whoever made it may not have come to this yet, and we are about to rely on it.
            sync_folder(target, purpose)?;
            Ok(false)
        }
        Err(error) => Err(purpose
            .failed(target, "made", error)
            .with_hint("the folder must be writable, on a file system with hard links")),
    }
}

/// Brings the names in the folder of `path` down to the disk.
fn sync_folder(path: &Path, purpose: Purpose) -> Result<()> {
    let folder = folder_of(path);
    File::open(&folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| purpose.failed(&folder, "synced", error))
}

/// Removes drafts of `target` that a crash left. What cannot be removed is left, because it harms
/// nobody: it is private and its name is never read.
pub(crate) fn sweep(target: &Path, purpose: Purpose) -> Result<()> {
    let prefix = prefix(target, purpose)?;
    let Ok(folder) = fs::read_dir(folder_of(target)) else { return Ok(()) };
    for entry in folder.flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let is_draft = name
            .strip_prefix(prefix.as_encoded_bytes())
            .and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()))
            .is_some_and(|tag| tag.len() == 16 && tag.iter().all(u8::is_ascii_hexdigit));
        if is_draft && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn prefix(target: &Path, purpose: Purpose) -> Result<OsString> {
    let name = target
        .file_name()
        .ok_or_else(|| Error::invalid(purpose.op, format!("{} names no file", target.display())))?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    Ok(prefix)
}

fn unwritten(path: &Path, purpose: Purpose, error: io::Error) -> Error {
    let missing = error.kind() == io::ErrorKind::NotFound;
    let error = purpose.failed(path, "written", error);
    if missing {
        let folder = folder_of(path);
        return error.with_hint(format!("mkdir -p -m 700 {}", shell_word(&folder)));
    }
    error
}

const SUFFIX: &str = ".tmp";

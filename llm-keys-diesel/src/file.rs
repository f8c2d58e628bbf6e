//! The database file: made by us, readable by nobody else.

use std::fs::{self, OpenOptions};
use std::io::{Error as IoError, ErrorKind as IoKind};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use llm_keys::error::{Error, ErrorKind, Result, StoreFault};

const OP: &str = "store.connect";

/// Makes the file with mode 0600 where it is missing (SQLite would ask for 0644), and says clearly
/// what is wrong where SQLite would only say that it cannot open it. The `-wal` and `-shm` files
/// get the mode of the database file from SQLite.
///
/// A file that is there keeps its mode. A looser one is reported by a warning and used: what is
/// secret in it is sealed, and an operator may share it with a group on purpose.
pub(crate) fn prepare(path: &str, read_only: bool) -> Result<()> {
    // Closing a file drops the locks that this process holds on it through other handles. So
    // nobody else in this process may open the new file until our handle is closed.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if !read_only {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match made {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == IoKind::AlreadyExists => {}
            Err(error) => return Err(cannot_open(path, error)),
        }
    }
    let about = fs::metadata(path).map_err(|error| cannot_open(path, error))?;
    if !about.is_file() {
        let what = if about.is_dir() { "a folder" } else { "not a regular file" };
        let detail = format!("{path} is {what}, not a database file");
        return Err(Error::new(ErrorKind::Store(StoreFault::NotADatabase), OP, detail)
            .with_hint("name a file, such as keys.db in that folder"));
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            path,
            mode = %format_args!("{mode:04o}"),
            "others can open the database file; to keep names and times private: chmod 600"
        );
    }
    Ok(())
}

fn cannot_open(path: &str, error: IoError) -> Error {
    let folder = || {
        let parent = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).display().to_string()
    };
    let (fault, hint) = match error.kind() {
        IoKind::NotFound => (StoreFault::Unavailable, format!("is {} there?", folder())),
        IoKind::NotADirectory => (StoreFault::Unavailable, format!("{} is not a folder", folder())),
        IoKind::PermissionDenied => {
            (StoreFault::Denied, format!("check the permissions of {}", folder()))
        }
        IoKind::ReadOnlyFilesystem => {
            (StoreFault::ReadOnly, "its file system may only be read".to_owned())
        }
        IoKind::StorageFull | IoKind::QuotaExceeded => {
            (StoreFault::Full, "make room on its disk".to_owned())
        }
        _ => (StoreFault::Unavailable, "check its path".to_owned()),
    };
    Error::new(ErrorKind::Store(fault), OP, format!("the database file {path} cannot be opened"))
        .with_hint(hint)
        .with_source(error)
}

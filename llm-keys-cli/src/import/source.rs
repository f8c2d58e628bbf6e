//! The bytes of a file of keys.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::{Failure, Result};

/// The longest file that is read: millions of keys.
const MAX_LEN: usize = 256 * 1024 * 1024;

/// A file's bytes, and whether others may read it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) others_may_read: bool,
}

/// Reads `path` to its end.
///
/// # Errors
/// `Usage` if it is neither a regular file nor a pipe, cannot be read, or is too long.
pub(crate) fn read(path: &Path) -> Result<Source> {
    let bad = |what: String| Failure::usage(format!("the file {} {what}", path.display()));
    let failed = |error: io::Error| bad(format!("cannot be read: {error}"));
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if found.is_dir() {
        return Err(bad("is a directory".to_owned()));
    }
    let hint = usize::try_from(found.len()).unwrap_or(MAX_LEN).min(MAX_LEN);
    let bytes = read_all(file, hint + 1, MAX_LEN).map_err(failed)?;
    let bytes = bytes.ok_or_else(|| {
        bad("is longer than 256 MiB".to_owned()).with_hint("split it; each part can be imported")
    })?;
    let others_may_read = found.is_file() && found.mode() & 0o077 != 0;
    Ok(Source { bytes, others_may_read })
}

/// All of `reader`; `None` if there is more than `max`. A buffer that is too small is wiped after
/// its content moved to a larger one.
pub(crate) fn read_all(
    mut reader: impl Read,
    hint: usize,
    max: usize,
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut buffer = Zeroizing::new(vec![0; hint.max(4096)]);
    let mut len = 0;
    loop {
        if len == buffer.len() {
            if len > max {
                return Ok(None);
            }
            let mut larger = Zeroizing::new(vec![0; (len * 2).min(max + 1)]);
            larger[..len].copy_from_slice(&buffer);
            buffer = larger;
        }
        match reader.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(len);
    Ok((len <= max).then_some(buffer))
}

/// The bytes without the mark that some editors put before UTF-8.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_up_to_the_limit_is_read() {
        for len in [0, 1, 4095, 4096, 4097, 10_000] {
            let bytes = vec![b'x'; len];
            let read = |max| read_all(bytes.as_slice(), 1, max).unwrap();
            assert!(read(20_000).is_some_and(|read| *read == bytes), "{len}");
            assert!(read(len).is_some_and(|read| *read == bytes), "{len}");
            assert!(len == 0 || read(len - 1).is_none(), "{len}");
        }
    }

    #[test]
    fn folders_and_missing_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_err());
        assert!(read(&folder.path().join("none")).is_err());
    }
}

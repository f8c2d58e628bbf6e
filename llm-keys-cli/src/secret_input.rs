//! Where a key to store comes from: the terminal, standard input, a file, a variable, or (against
//! our advice) the command line. Buffers never grow and are wiped.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use llm_keys::ApiKey;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use crate::args::KeySourceArgs;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// Reads the key from where `source` says.
///
/// # Errors
/// `Usage` if there is nothing to read or it is no key; `Io` if reading fails.
pub(crate) fn read_key(source: KeySourceArgs, output: &Output) -> Result<ApiKey> {
    if let Some(key) = source.key {
        output.warn(
            "`--key` shows the key to everybody who can list processes, and leaves it in the \
             history of your shell; better pipe it in or use `--key-file`",
        );
        return Ok(ApiKey::new(key.0.as_bytes().to_vec())?);
    }
    if let Some(variable) = source.from_env {
        let value = std::env::var_os(&variable)
            .map(OsString::into_vec)
            .ok_or_else(|| Failure::usage("the environment variable of `--from-env` is not set"))?;
        return Ok(ApiKey::new(value)?);
    }
    if let Some(path) = source.key_file {
        return Ok(ApiKey::new(read_file(&path)?)?);
    }
    if io::stdin().is_terminal() {
        let key = prompt("Key (hidden): ")?;
        return Ok(ApiKey::new(key.as_bytes().to_vec())?);
    }
    // Not `io::stdin()` itself: its buffer is never wiped.
    let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let bytes = stdin.and_then(read_limited).map_err(|error| {
        Failure::io("cli.read_key", "standard input cannot be read".into(), error)
    })?;
    Ok(ApiKey::new(bytes)?)
}

/// Asks on the terminal, without showing what is typed. Call it inside the runtime.
///
/// # Errors
/// `Usage` if there is no terminal, `Interrupted` on Ctrl-C.
pub(crate) fn prompt(text: &str) -> Result<Zeroizing<String>> {
    // Ctrl-C must not end the process before the terminal shows again what is typed.
    let _caught = signal(SignalKind::interrupt())
        .map_err(|error| Failure::io("cli.prompt", "signals cannot be caught".into(), error))?;
    rpassword::prompt_password(text).map(Zeroizing::new).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => Failure::Interrupted,
        io::ErrorKind::UnexpectedEof => Failure::usage("nothing was typed"),
        _ => Failure::usage(format!("the terminal cannot be asked: {error}")),
    })
}

/// The bytes of a small regular file, without one newline at the end.
///
/// # Errors
/// `Usage` if it is not a regular file that can be read.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let bad = |what: String| Failure::usage(format!("the file {} {what}", path.display()));
    // Looked at before it is opened: opening a named pipe would wait for a writer.
    let found = std::fs::metadata(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
    if !found.is_file() {
        return Err(bad("is not a regular file".to_owned()));
    }
    File::open(path).and_then(read_limited).map_err(|error| bad(format!("cannot be read: {error}")))
}

/// All of `reader` without one newline at the end; of an input that is too long only so much that
/// [`ApiKey::new`] sees that it is.
fn read_limited(mut reader: impl Read) -> io::Result<Vec<u8>> {
    // The longest key, `\r\n`, and one more to tell that it is too long.
    let mut buffer = Zeroizing::new(vec![0; ApiKey::MAX_LEN + 3]);
    let mut len = 0;
    while len < buffer.len() {
        match reader.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // A full buffer is a key that is too long, whatever it ends with.
    let key = if len < buffer.len() { without_newline(&buffer[..len]) } else { &buffer };
    Ok(key.to_vec())
}

fn without_newline(bytes: &[u8]) -> &[u8] {
    match bytes {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n'] => rest,
        all => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<u8> {
        read_limited(bytes).unwrap()
    }

    #[test]
    fn one_newline_is_dropped_and_no_more() {
        assert_eq!(read(b"sk-1\n"), b"sk-1");
        assert_eq!(read(b"sk-1\r\n"), b"sk-1");
        assert_eq!(read(b"sk-1\n\n"), b"sk-1\n");
        assert_eq!(read(b"sk-1\r"), b"sk-1\r");
        assert_eq!(read(b" sk-1 "), b" sk-1 ");
        assert_eq!(read(b"\n"), b"");
    }

    #[test]
    fn the_limit_is_exact() {
        let longest = vec![b'x'; ApiKey::MAX_LEN];
        for end in ["", "\n", "\r\n"] {
            let input = [longest.as_slice(), end.as_bytes()].concat();
            assert!(ApiKey::new(read(&input)).is_ok(), "{end:?}");
        }
        for more in [1, 2, 3, 4, 1000] {
            let input = vec![b'x'; ApiKey::MAX_LEN + more];
            assert!(ApiKey::new(read(&input)).is_err(), "{more}");
            let input = [input.as_slice(), b"\n"].concat();
            assert!(ApiKey::new(read(&input)).is_err(), "{more} and a newline");
        }
    }

    #[test]
    fn only_regular_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read_file(folder.path()), Err(Failure::Usage { .. })));
        assert!(matches!(read_file(&folder.path().join("none")), Err(Failure::Usage { .. })));
        assert!(matches!(read_file(Path::new("/dev/zero")), Err(Failure::Usage { .. })));
    }
}

//! The file that holds the PIN.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{ErrorKind, KmsFault, Result};
use crate::private_file::Purpose;
use crate::secret::SecretBytes;

/// Reads the PIN in `path`, which only its owner may read, without a line end. It is read at each
/// login and not kept.
///
/// # Errors
/// `Kms(Misconfigured)` with a command to run where one helps.
pub(super) fn read(path: &Path) -> Result<SecretBytes> {
    let mut buffer = Zeroizing::new([0; MAX_LEN + 3]);
    let len = PURPOSE
        .open(path)?
        .read(buffer.as_mut())
        .map_err(|error| PURPOSE.unusable(path, "cannot be read").with_source(error))?;
    let pin = &buffer[..len];
    let pin = pin.strip_suffix(b"\n").unwrap_or(pin);
    let pin = pin.strip_suffix(b"\r").unwrap_or(pin);
    match pin.len() {
        0 => Err(PURPOSE.unusable(path, "is empty")),
        len if len > MAX_LEN => Err(PURPOSE.unusable(path, "is too long for a PIN")),
        _ => Ok(SecretBytes::copy_from(pin)),
    }
}

const MAX_LEN: usize = 255;
const PURPOSE: Purpose = Purpose {
    name: "PIN file",
    kind: ErrorKind::Kms(KmsFault::Misconfigured),
    op: "kms.pkcs11.pin",
    missing: "write the token's user PIN to it, with mode 0600",
};

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn of(bytes: &[u8]) -> Result<SecretBytes> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path())
    }

    #[test]
    fn one_line_end_is_not_part_of_it() {
        for text in [&b"12 34"[..], b"12 34\n", b"12 34\r\n"] {
            assert!(of(text).unwrap().expose(|pin| pin == b"12 34"));
        }
        assert!(of(b"1\n\n").unwrap().expose(|pin| pin == b"1\n"));
    }

    #[test]
    fn sizes_at_the_edges() {
        assert!(of(b"").is_err());
        assert!(of(b"\n").is_err());
        assert!(of(&[b'1'; MAX_LEN]).is_ok());
        let error = of(&[b'1'; MAX_LEN + 1]).unwrap_err();
        assert!(!format!("{error:?}").contains("111"));
    }

    #[test]
    fn others_must_not_read_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read(file.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured));
        assert!(error.hint().unwrap().starts_with("chmod 600 "), "{error:?}");
    }
}

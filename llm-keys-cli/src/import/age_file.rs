//! Age files: JSONL that age sealed. What they hold is never written anywhere.

use std::path::Path;

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Identity, IdentityFile};
use llm_keys::SecretBytes;
use zeroize::Zeroizing;

use super::source::read_all;
use crate::failure::{Failure, Result};
use crate::secret_input;

/// The most that is unpacked.
const MAX_LEN: usize = 256 * 1024 * 1024;

/// The identities in `file`.
///
/// # Errors
/// `Usage` if it cannot be read or holds none.
pub(crate) fn identities(file: &Path) -> Result<Vec<Box<dyn Identity>>> {
    let bytes = Zeroizing::new(secret_input::read_file(file)?);
    let bad = || Failure::usage(format!("the file {} holds no age identities", file.display()));
    let identities = IdentityFile::from_buffer(bytes.as_slice()).map_err(|_| bad())?;
    let identities = identities.into_identities().map_err(|_| bad())?;
    if identities.is_empty() {
        return Err(bad());
    }
    Ok(identities.into_iter().map(|identity| identity as Box<dyn Identity>).collect())
}

/// What `sealed` holds; `passphrase` is asked only for a file that has one.
///
/// # Errors
/// `Usage` if it is no age file, is for others, or was changed.
pub(crate) fn open_age(
    sealed: &[u8],
    identities: Option<Vec<Box<dyn Identity>>>,
    passphrase: impl FnOnce() -> Result<SecretBytes>,
) -> Result<Zeroizing<Vec<u8>>> {
    let decryptor = Decryptor::new(sealed).map_err(unopened)?;
    let identities = match identities {
        Some(identities) => identities,
        None if decryptor.is_scrypt() => {
            let identity = age::scrypt::Identity::new(secret_string(&passphrase()?)?);
            vec![Box::new(identity) as Box<dyn Identity>]
        }
        None => {
            return Err(Failure::usage("the age file has recipients, and no passphrase")
                .with_hint("`--identity FILE` names the file with the identity of one of them"));
        }
    };
    let reader = decryptor.decrypt(identities.iter().map(|one| &**one)).map_err(unopened)?;
    let opened = read_all(reader, sealed.len(), MAX_LEN).map_err(|_| {
        Failure::usage("the age file was changed or cut off; nothing of it was stored")
    })?;
    opened.ok_or_else(|| Failure::usage("the age file holds more than 256 MiB"))
}

/// A passphrase as age takes it.
///
/// # Errors
/// `Usage` if it is not text.
pub(crate) fn secret_string(passphrase: &SecretBytes) -> Result<SecretString> {
    passphrase.expose(|bytes| match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() => Ok(SecretString::from(text.to_owned())),
        _ => Err(Failure::usage("the passphrase is empty, or not UTF-8 text")),
    })
}

fn unopened(error: DecryptError) -> Failure {
    Failure::usage(match error {
        DecryptError::NoMatchingKeys => "none of the identities opens the age file",
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            "the passphrase does not open the age file"
        }
        DecryptError::ExcessiveWork { .. } => "the age file asks for too much work to open it",
        DecryptError::InvalidMac => "the age file was changed",
        DecryptError::Io(_) | DecryptError::InvalidHeader | DecryptError::UnknownFormat => {
            "this is no age file, or it is in the text form, which is not read"
        }
        _ => "the age file cannot be opened",
    })
}

//! The lines of a backup (`docs/spec/local-master-key.md`, "Backup").

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;
use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

use super::OP;
use crate::context::hex;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::kms::local::passphrase::Recipe;
use crate::kms::local::{MasterKey, broken};
use crate::random::Random;
use crate::secret::{DataKey, SecretBytes};

/// What a backup holds: the current key and the older ones, or the same under a passphrase.
pub(super) enum Backup {
    Plain((MasterKey, Vec<MasterKey>)),
    Sealed(Sealed),
}

/// Sealed keys.
pub(super) struct Sealed {
    recipe: Recipe,
    nonce: [u8; NONCE_LEN],
    header: String,
    ciphertext: Vec<u8>,
}

impl Sealed {
    /// The keys, by their passphrase.
    pub(super) fn open(
        mut self,
        passphrase: &SecretBytes,
        from: &Path,
    ) -> Result<(MasterKey, Vec<MasterKey>)> {
        let key = self.recipe.derive(passphrase)?;
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let mut buffer = Zeroizing::new(std::mem::take(&mut self.ciphertext));
        let lines = sealing_key(&key)?
            .open_in_place(nonce, Aad::from(self.header.as_bytes()), &mut buffer)
            .map_err(|_| {
                // The checksum was right, so the bytes are those that were written.
                Error::new(
                    ErrorKind::Kms(KmsFault::WrongKey),
                    OP,
                    format!("the passphrase is not the one of the backup {}", from.display()),
                )
            })?;
        std::str::from_utf8(lines).ok().and_then(parse_keys).ok_or_else(|| damaged(from))
    }
}

/// A backup of `keys` that anybody can open.
pub(super) fn plain(keys: &[MasterKey]) -> Result<Zeroizing<Vec<u8>>> {
    // At its final size, so that growing leaves no copy behind.
    let size = HEADER.len() + 1 + keys.len() * KEY_LINE_LEN + CHECKSUM_LINE_LEN;
    let mut text = Zeroizing::new(Vec::with_capacity(size));
    text.extend_from_slice(HEADER.as_bytes());
    text.push(b'\n');
    push_keys(&mut text, keys)?;
    push_checksum(&mut text);
    Ok(text)
}

/// A backup of `keys` under `key`, which came out of `recipe`.
pub(super) fn sealed(
    keys: &[MasterKey],
    recipe: &Recipe,
    key: &[u8; DataKey::LEN],
    random: &dyn Random,
) -> Result<Zeroizing<Vec<u8>>> {
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut nonce)?;
    let shown = Base64::encode_string(&nonce);
    let header = format!("{SEALED_HEADER}\n{}nonce {shown}\n", recipe.to_text());
    let mut lines = Zeroizing::new(Vec::with_capacity(keys.len() * KEY_LINE_LEN));
    push_keys(&mut lines, keys)?;
    let tag = sealing_key(key)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(header.as_bytes()),
            &mut lines,
        )
        .map_err(|_| broken())?;
    let ciphertext = [lines.as_slice(), tag.as_ref()].concat();
    let mut text = Zeroizing::new(header.into_bytes());
    text.extend_from_slice(format!("keys {}\n", Base64::encode_string(&ciphertext)).as_bytes());
    push_checksum(&mut text);
    Ok(text)
}

/// Reads a backup.
///
/// # Errors
/// `Kms(Misconfigured)` if it is damaged, of another version, or something else.
pub(super) fn parse(text: &[u8], from: &Path) -> Result<Backup> {
    let is = |what: &str| unusable(from, what);
    let text = std::str::from_utf8(text).map_err(|_| is("is no backup of master keys"))?;
    let (header, _) = text.split_once('\n').unwrap_or((text, ""));
    if header != HEADER && header != SEALED_HEADER {
        return Err(is(if header.starts_with(ANY_HEADER) {
            "has a version that this program does not know"
        } else {
            "is no backup of master keys"
        }));
    }
    let backup = match text.len().checked_sub(CHECKSUM_LINE_LEN) {
        Some(end)
            if text.is_char_boundary(end)
                && text[end..] == checksum_line(&text.as_bytes()[..end]) =>
        {
            parse_body(&text[..end])
        }
        _ => None,
    };
    backup.ok_or_else(|| damaged(from))
}

fn parse_body(body: &str) -> Option<Backup> {
    let (header, rest) = body.split_once('\n')?;
    if header == HEADER {
        return parse_keys(rest).map(Backup::Plain);
    }
    let lines: Vec<_> = rest.strip_suffix('\n')?.split('\n').collect();
    let &[cost, salt, nonce_line, keys] = lines.as_slice() else { return None };
    let mut nonce = [0; NONCE_LEN];
    let nonce_len = Base64::decode(nonce_line.strip_prefix("nonce ")?, &mut nonce).ok()?.len();
    if nonce_len != NONCE_LEN {
        return None;
    }
    Some(Backup::Sealed(Sealed {
        recipe: Recipe::parse(cost, salt)?,
        nonce,
        header: body[..body.len() - keys.len() - 1].to_owned(),
        ciphertext: Base64::decode_vec(keys.strip_prefix("keys ")?).ok()?,
    }))
}

/// One line a key: `key`, its URI, its bytes.
fn push_keys(out: &mut Vec<u8>, keys: &[MasterKey]) -> Result<()> {
    for master in keys {
        let mut buffer = Zeroizing::new([0; KEY_TEXT_LEN]);
        let text =
            master.expose(|bytes| Base64::encode(bytes, buffer.as_mut())).map_err(|_| broken())?;
        for part in ["key ", master.uri().as_str(), " ", text, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    Ok(())
}

fn parse_keys(lines: &str) -> Option<(MasterKey, Vec<MasterKey>)> {
    let mut keys = lines.strip_suffix('\n')?.split('\n').map(|line| {
        let (uri, text) = line.strip_prefix("key ")?.split_once(' ')?;
        let mut bytes = Zeroizing::new([0; DataKey::LEN]);
        let len = Base64::decode(text, bytes.as_mut()).ok()?.len();
        let master = MasterKey::from_bytes(&bytes).ok()?;
        (len == DataKey::LEN && master.uri().as_str() == uri).then_some(master)
    });
    let current = keys.next()??;
    Some((current, keys.collect::<Option<_>>()?))
}

fn push_checksum(text: &mut Vec<u8>) {
    let line = checksum_line(text);
    text.extend_from_slice(line.as_bytes());
}

fn checksum_line(before: &[u8]) -> String {
    let checksum = digest::digest(&digest::SHA256, before);
    format!("sha256 {}\n", hex(checksum.as_ref()))
}

fn sealing_key(key: &[u8; DataKey::LEN]) -> Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| broken())
}

fn damaged(from: &Path) -> Error {
    unusable(from, "is damaged").with_hint("use another copy of it; nothing was changed")
}

fn unusable(from: &Path, what: &str) -> Error {
    Error::new(
        ErrorKind::Kms(KmsFault::Misconfigured),
        OP,
        format!("the backup {} {what}", from.display()),
    )
}

const ANY_HEADER: &str = "llm-keys master key backup ";
const HEADER: &str = "llm-keys master key backup 1";
const SEALED_HEADER: &str = "llm-keys master key backup 1 sealed";
const NONCE_LEN: usize = 12;
/// Base64 of 32 bytes.
const KEY_TEXT_LEN: usize = 44;
/// `key local:<32 digits> <base64>` and the end of the line.
const KEY_LINE_LEN: usize = "key local:".len() + 32 + 1 + KEY_TEXT_LEN + 1;
/// `sha256 <64 digits>` and the end of the line.
const CHECKSUM_LINE_LEN: usize = "sha256 ".len() + 64 + 1;

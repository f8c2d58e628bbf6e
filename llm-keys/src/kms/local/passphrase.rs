//! A master key out of a passphrase, by Argon2id (RFC 9106), and the file of its parameters.

use std::path::Path;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

use super::{KeyUri, MasterKey, broken};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::private_file::{Draft, Purpose, sweep};
use crate::random::Random;
use crate::secret::{DataKey, SecretBytes};

/// How much work a passphrase costs, for us and for whoever guesses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassphraseCost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl PassphraseCost {
    /// `memory` in KiB (8 per lane to 2 GiB), `passes` (1 to 16) over it, in `lanes` (1 to 16).
    /// The bounds hold for files, too, so that a file cannot ask for more than the machine has.
    ///
    /// # Errors
    /// `InvalidInput` outside of the bounds.
    pub fn new(memory: u32, passes: u32, lanes: u32) -> Result<Self> {
        let fine = (1..=16).contains(&lanes)
            && (1..=16).contains(&passes)
            && (8 * lanes..=MAX_MEMORY).contains(&memory);
        if !fine {
            return Err(Error::invalid(
                OP,
                "a passphrase cost is 8 KiB per lane to 2 GiB, 1 to 16 passes, 1 to 16 lanes",
            ));
        }
        Ok(Self { memory, passes, lanes })
    }
}

/// Memory and passes of the second recommended option of RFC 9106, §4: 64 MiB, 3 passes. One lane
/// instead of four, since we fill it by one thread: the work is the same, and nobody who guesses
/// can divide it.
impl Default for PassphraseCost {
    fn default() -> Self {
        Self { memory: 64 * 1024, passes: 3, lanes: 1 }
    }
}

/// How a key comes out of a passphrase: two lines of a file, `argon2id m=… t=… p=…` and `salt …`.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Recipe {
    cost: PassphraseCost,
    salt: [u8; SALT_LEN],
}

impl Recipe {
    /// A recipe with a fresh salt.
    pub(super) fn new(cost: PassphraseCost, random: &dyn Random) -> Result<Self> {
        let mut salt = [0; SALT_LEN];
        random.fill(&mut salt)?;
        Ok(Self { cost, salt })
    }

    /// The key that `passphrase` gives. Takes the time and the memory that the cost says.
    ///
    /// # Errors
    /// `InvalidInput` if the passphrase is too short; `Io` if there is not enough memory.
    pub(super) fn derive(&self, passphrase: &SecretBytes) -> Result<Zeroizing<[u8; DataKey::LEN]>> {
        check(passphrase)?;
        let PassphraseCost { memory, passes, lanes } = self.cost;
        let params =
            Params::new(memory, passes, lanes, Some(DataKey::LEN)).map_err(|_| broken())?;
        // Ours, so that it is wiped: the key can be computed from the last blocks.
        let count = params.block_count();
        let mut blocks = Zeroizing::new(Vec::new());
        blocks.try_reserve_exact(count).map_err(|error| {
            Error::new(ErrorKind::Io, OP, format!("there are no {memory} KiB of memory"))
                .with_source(error)
        })?;
        blocks.resize(count, Block::default());
        let mut key = Zeroizing::new([0; DataKey::LEN]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        passphrase
            .expose(|passphrase| {
                let (key, blocks) = (key.as_mut(), blocks.as_mut_slice());
                argon2.hash_password_into_with_memory(passphrase, &self.salt, key, blocks)
            })
            .map_err(|_| broken())?;
        Ok(key)
    }

    /// The two lines.
    pub(super) fn to_text(&self) -> String {
        let PassphraseCost { memory, passes, lanes } = self.cost;
        let salt = Base64::encode_string(&self.salt);
        format!("argon2id m={memory} t={passes} p={lanes}\nsalt {salt}\n")
    }

    /// Reads the two lines, without their ends; `None` if they are anything else.
    pub(super) fn parse(cost: &str, salt: &str) -> Option<Self> {
        let mut words = cost.strip_prefix("argon2id ")?.split(' ');
        let mut number = |name| u32::from_str(words.next()?.strip_prefix(name)?).ok();
        let cost = PassphraseCost::new(number("m=")?, number("t=")?, number("p=")?).ok()?;
        let mut bytes = [0; SALT_LEN];
        let len = Base64::decode(salt.strip_prefix("salt ")?, &mut bytes).ok()?.len();
        (len == SALT_LEN).then_some(Self { cost, salt: bytes })
    }
}

/// Makes a master key out of `passphrase`, and the file `path` of what is needed to make it again:
/// salt, cost and key id, nothing secret, but of mode 0600. Blocks the thread for the cost.
///
/// The passphrase is taken byte for byte. Who loses it or the file loses the key.
///
/// # Errors
/// `Conflict` if `path` is there; `InvalidInput` if the passphrase has less than 8 bytes; `Io` if
/// the file cannot be made.
pub fn create_passphrase(
    path: impl AsRef<Path>,
    passphrase: &SecretBytes,
    cost: PassphraseCost,
    random: &dyn Random,
) -> Result<MasterKey> {
    let path = path.as_ref();
    sweep(path, PURPOSE)?;
    let recipe = Recipe::new(cost, random)?;
    let master = MasterKey::from_bytes(&*recipe.derive(passphrase)?)?;
    let text = file_text(&recipe, master.uri());
    if Draft::write(path, text.as_bytes(), random, PURPOSE)?.link(path)? {
        return Ok(master);
    }
    let shown = path.display();
    Err(Error::new(ErrorKind::Conflict, OP, format!("{shown} is there already"))
        .with_hint("use it, or choose another path"))
}

/// The master key of the parameter file `path`, by its passphrase. Blocks the thread for the cost
/// in the file.
///
/// # Errors
/// `Kms(WrongKey)` if this is not the passphrase; `Kms(Misconfigured)` if the file is missing, not
/// private or not a parameter file; `InvalidInput` if the passphrase has less than 8 bytes.
pub fn open_passphrase(path: impl AsRef<Path>, passphrase: &SecretBytes) -> Result<MasterKey> {
    let path = path.as_ref();
    check(passphrase)?;
    let mut text = [0; MAX_FILE + 1];
    let len = PURPOSE
        .open(path)?
        .read(&mut text)
        .map_err(|error| PURPOSE.unusable(path, "cannot be read").with_source(error))?;
    let (recipe, uri) = std::str::from_utf8(&text[..len])
        .ok()
        .and_then(parse_file)
        .ok_or_else(|| PURPOSE.unusable(path, "does not hold what `llm-keys` writes there"))?;
    let master = MasterKey::from_bytes(&*recipe.derive(passphrase)?)?;
    if master.uri == uri {
        return Ok(master);
    }
    Err(Error::new(
        ErrorKind::Kms(KmsFault::WrongKey),
        OP,
        format!("the passphrase is not the one of {}", path.display()),
    ))
}

fn check(passphrase: &SecretBytes) -> Result<()> {
    if passphrase.len() < MIN_PASSPHRASE {
        return Err(Error::invalid(OP, format!("a passphrase has {MIN_PASSPHRASE} bytes or more")));
    }
    Ok(())
}

fn file_text(recipe: &Recipe, uri: &KeyUri) -> String {
    format!("{HEADER}\n{}key {uri}\n", recipe.to_text())
}

fn parse_file(text: &str) -> Option<(Recipe, KeyUri)> {
    let mut lines = text.lines();
    if lines.next()? != HEADER {
        return None;
    }
    let recipe = Recipe::parse(lines.next()?, lines.next()?)?;
    let uri = KeyUri::new(lines.next()?.strip_prefix("key ")?).ok()?;
    // One text per meaning: nothing more, no other spelling.
    (file_text(&recipe, &uri) == text).then_some((recipe, uri))
}

const OP: &str = "kms.passphrase";
const HEADER: &str = "llm-keys passphrase 1";
const SALT_LEN: usize = 16;
const MIN_PASSPHRASE: usize = 8;
const MAX_FILE: usize = 1024;
const MAX_MEMORY: u32 = 2 * 1024 * 1024;

const PURPOSE: Purpose = Purpose {
    name: "passphrase file",
    kind: ErrorKind::Kms(KmsFault::Misconfigured),
    op: OP,
    missing: "check the path, or put a copy of the file there; without it the passphrase is worth \
              nothing",
};

#[cfg(test)]
mod tests;

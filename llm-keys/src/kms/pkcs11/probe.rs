//! Finding out whether a token that refused to decrypt still works: some give one code for bad bytes
//! and for their own failure.

use cryptoki::error::{Error as Cryptoki, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;

use super::{Failure, IV_LEN, seal, unseal};
use crate::secret::DataKey;

/// Whether the token still uses the key.
pub(super) fn works(session: &Session, key: ObjectHandle) -> Result<bool, Failure> {
    if may_encrypt(session, key)? {
        return opens_its_own(session, key);
    }
    decrypts(session, key)
}

/// Whether the key may encrypt now; a key to read with only has lost that, and asking it to would
/// be a failure of its own. Many tokens let the attribute be changed, so it is read each time.
fn may_encrypt(session: &Session, key: ObjectHandle) -> Result<bool, Failure> {
    let asked = session.get_attributes(key, &[AttributeType::Encrypt])?;
    // A token that does not say has the attribute at its default.
    Ok(!asked.contains(&Attribute::Encrypt(false)))
}

/// Whether the token opens what it has sealed just now.
fn opens_its_own(session: &Session, key: ObjectHandle) -> Result<bool, Failure> {
    let blob = seal(session, key, &[0; DataKey::LEN], PROBE)?;
    let (iv, sealed) = blob[1..].split_at(IV_LEN);
    let data = unseal(session, key, iv, sealed, PROBE)?;
    Ok(data.expose(|data| *data == [0; DataKey::LEN]))
}

/// Whether the token decrypts a block for which there is no wrong answer: a single one has no
/// padding and no tag. It says nothing about other blocks: GCM never uses this direction of AES.
fn decrypts(session: &Session, key: ObjectHandle) -> Result<bool, Failure> {
    match session.decrypt(&Mechanism::AesEcb, key, &[0; BLOCK]) {
        Ok(block) => Ok(block.len() == BLOCK),
        // The key is for GCM only. The token has looked at it to say so, and is alive.
        Err(Cryptoki::Pkcs11(
            RvError::MechanismInvalid
            | RvError::MechanismParamInvalid
            | RvError::KeyTypeInconsistent
            | RvError::KeyFunctionNotPermitted,
            _,
        )) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

const BLOCK: usize = 16;
const PROBE: &[u8] = b"llm-keys probe";

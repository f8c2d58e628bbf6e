//! The way to the key: which slot, logged in, which object.

use std::sync::Mutex;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error as Cryptoki, RvError};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Limit, Slot, TokenInfo};
use cryptoki::types::RawAuthPin;

use super::super::KeyUri;
use super::fault::fault;
use super::module::{Module, lock};
use super::pin;
use super::uri::{Identity, Pkcs11Uri, TokenMatch};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::secret::{DataKey, SecretBytes};

/// A connection to one key: valid until the token goes away or somebody logs out.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) uri: KeyUri,
    pub(super) key: ObjectHandle,
    slot: Slot,
    /// How many sessions the token allows, if it says so.
    pub(super) session_limit: Option<u64>,
    /// Sessions that nobody uses now.
    idle: Mutex<Vec<Session>>,
    /// Keeps the login: a token logs out when its last session is closed.
    _anchor: Mutex<Session>,
}

impl Link {
    /// Finds the token, logs in and finds the key. Blocks.
    ///
    /// # Errors
    /// `Kms(Unavailable)` if no such token is there; `Denied` for the PIN; `KeyMissing`;
    /// `Misconfigured` if the URI fits several tokens or keys.
    pub(super) fn connect(module: &Module, wanted: &Pkcs11Uri) -> Result<Self> {
        let (slot, info) = find_token(&module.pkcs11, &wanted.token)?;
        let anchor = module.pkcs11.open_ro_session(slot).map_err(|error| fault(OP, error))?;
        log_in(module, &anchor, &info, wanted)?;
        let (key, uri) = find_key(&anchor, &info, wanted)?;
        let session_limit = match info.max_session_count() {
            Limit::Max(max) => Some(max),
            Limit::Unavailable | Limit::Infinite => None,
        };
        let idle = Mutex::default();
        Ok(Self { uri, key, slot, session_limit, idle, _anchor: Mutex::new(anchor) })
    }

    /// A session for one caller, who gives it back with [`put_back`](Self::put_back) if it went
    /// well; else it is closed, and nothing of what failed is left in it.
    pub(super) fn session(&self, module: &Module) -> Result<Session, Cryptoki> {
        let idle = lock(&self.idle).pop();
        idle.map_or_else(|| module.pkcs11.open_ro_session(self.slot), Ok)
    }

    /// Keeps `session` for the next caller.
    pub(super) fn put_back(&self, session: Session) {
        lock(&self.idle).push(session);
    }
}

fn find_token(pkcs11: &Pkcs11, wanted: &TokenMatch) -> Result<(Slot, TokenInfo)> {
    let slots = pkcs11.get_slots_with_token().map_err(|error| fault(OP, error))?;
    let mut found = Vec::new();
    let mut others = Vec::new();
    for slot in slots {
        // A slot that fails is not the one, or the search says that nothing was found.
        let Ok(info) = pkcs11.get_token_info(slot) else { continue };
        if !info.token_initialized() {
            continue;
        }
        let is = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        if is(&wanted.label, info.label())
            && is(&wanted.serial, info.serial_number())
            && is(&wanted.model, info.model())
            && is(&wanted.manufacturer, info.manufacturer_id())
        {
            found.push((slot, info));
        } else {
            others.push(format!("`{}` (serial {})", info.label(), info.serial_number()));
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        // An HSM that is off shows no token, so this may pass.
        0 => {
            let error =
                error(KmsFault::Unavailable, "the PKCS#11 module shows no token of that name");
            Err(match others.as_slice() {
                [] => error.with_hint("it shows no token at all: is the HSM connected and set up?"),
                others => error.with_hint(format!("it shows {}", others.join(", "))),
            })
        }
        _ => {
            let serials = found.iter().map(|(_, info)| info.serial_number());
            let serials = serials.collect::<Vec<_>>().join(", ");
            Err(error(KmsFault::Misconfigured, "several PKCS#11 tokens fit the URI")
                .with_hint(format!("add `serial=` and one of {serials}")))
        }
    }
}

fn log_in(module: &Module, anchor: &Session, info: &TokenInfo, wanted: &Pkcs11Uri) -> Result<()> {
    let Some(source) = &wanted.pin_source else {
        if !info.login_required() {
            return Ok(());
        }
        return Err(error(KmsFault::Misconfigured, "the PKCS#11 token asks for a PIN")
            .with_hint("add `&pin-source=file:/path` of a file of mode 0600 to the URI"));
    };
    if info.user_pin_locked() {
        return Err(fault(OP, pin_answer(RvError::PinLocked)));
    }
    let mut refused = lock(&module.refused);
    let pin = pin::read(source)?;
    let serial = info.serial_number();
    if refused.get(serial).is_some_and(|old| same(old, &pin)) {
        return Err(fault(OP, pin_answer(RvError::PinIncorrect)));
    }
    if info.user_pin_final_try() {
        return Err(error(KmsFault::Denied, "one more wrong PIN would lock the PKCS#11 token")
            .with_hint("log in by hand once, such as with `pkcs11-tool --login --list-objects`"));
    }
    let raw = pin.expose(|pin| RawAuthPin::new(Box::new(pin.to_vec())));
    match anchor.login_with_raw(UserType::User, &raw) {
        // The login belongs to the process: another session of it has logged in.
        Ok(()) | Err(Cryptoki::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(error) => {
            if matches!(
                error,
                Cryptoki::Pkcs11(
                    RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange,
                    _
                )
            ) {
                refused.insert(serial.to_owned(), pin);
            }
            Err(fault(OP, error))
        }
    }
}

fn find_key(
    session: &Session,
    info: &TokenInfo,
    wanted: &Pkcs11Uri,
) -> Result<(ObjectHandle, KeyUri)> {
    let label = wanted.object.as_ref().map(|label| Attribute::Label(label.clone().into_bytes()));
    let id = wanted.id.as_ref().map(|id| Attribute::Id(id.clone()));
    let key = the_one(session, label.into_iter().chain(id))?;
    let asked = [AttributeType::ValueLen, AttributeType::Id, AttributeType::Label];
    let asked = session.get_attributes(key, &asked).map_err(|error| fault(OP, error))?;
    let (mut len, mut id, mut label) = (None, Vec::new(), Vec::new());
    for attribute in asked {
        match attribute {
            Attribute::ValueLen(value) => len = Some(usize::from(value)),
            Attribute::Id(value) => id = value,
            Attribute::Label(value) => label = value,
            _ => {}
        }
    }
    if len != Some(DataKey::LEN) {
        return Err(error(
            KmsFault::Misconfigured,
            "the PKCS#11 key is not an AES key of 256 bits",
        ));
    }
    let object = str::from_utf8(&label).unwrap_or_default();
    if id.is_empty() && object.is_empty() {
        return Err(error(KmsFault::Misconfigured, "the PKCS#11 key has neither id nor label")
            .with_hint("give it a CKA_ID: envelopes name the key by it"));
    }
    // What names the key in envelopes must not name another one as well.
    if id.is_empty() {
        the_one(session, [Attribute::Label(label.clone())])?;
    } else {
        the_one(session, [Attribute::Id(id.clone())])?;
    }
    let (serial, token) = (info.serial_number(), info.label());
    let uri = Identity { serial, token, id: &id, object }.uri().map_err(|error| {
        Error::new(ErrorKind::Kms(KmsFault::Misconfigured), OP, "the PKCS#11 key's id is too long")
            .with_source(error)
    })?;
    Ok((key, uri))
}

/// The only AES key with these attributes.
fn the_one(
    session: &Session,
    attributes: impl IntoIterator<Item = Attribute>,
) -> Result<ObjectHandle> {
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(true),
    ];
    template.extend(attributes);
    match session.find_objects(&template).map_err(|error| fault(OP, error))?.as_slice() {
        [key] => Ok(*key),
        [] => Err(error(KmsFault::KeyMissing, "the PKCS#11 token has no such AES key")
            .with_hint("`pkcs11-tool --login --list-objects --type secrkey` shows what is there")),
        _ => Err(error(KmsFault::Misconfigured, "several AES keys of the PKCS#11 token fit")
            .with_hint("give each a CKA_ID of its own, and add `id=` to the URI")),
    }
}

fn same(a: &SecretBytes, b: &SecretBytes) -> bool {
    a.expose(|a| b.expose(|b| a == b))
}

fn pin_answer(code: RvError) -> Cryptoki {
    Cryptoki::Pkcs11(code, cryptoki::context::Function::Login)
}

fn error(fault: KmsFault, detail: &'static str) -> Error {
    Error::new(ErrorKind::Kms(fault), OP, detail)
}

const OP: &str = "kms.pkcs11.connect";

//! The URI that settings name a key by (RFC 7512), and the one that stands in envelopes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::super::KeyUri;
use crate::error::{Error, Result};

/// Where the key is and how to get there: what a `pkcs11:` URI of RFC 7512 says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pkcs11Uri {
    pub(super) token: TokenMatch,
    /// `CKA_LABEL`.
    pub(super) object: Option<String>,
    /// `CKA_ID`.
    pub(super) id: Option<Vec<u8>>,
    /// The library to load.
    pub(super) module: PathBuf,
    /// The file that holds the PIN; none for a token without a login.
    pub(super) pin_source: Option<PathBuf>,
    /// Serial numbers of tokens that the same key was on before.
    pub(super) former_serials: Vec<String>,
}

/// What a token must say of itself; what is not asked for is not looked at.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct TokenMatch {
    pub(super) label: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) model: Option<String>,
    pub(super) manufacturer: Option<String>,
}

impl Pkcs11Uri {
    /// Reads `pkcs11:token=…;object=…?module-path=/…&pin-source=/…`.
    ///
    /// # Errors
    /// `InvalidInput`. Nothing of the text is repeated but names of attributes that the RFC has,
    /// because a PIN may have got in.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let rest = text
            .strip_prefix("pkcs11:")
            .ok_or_else(|| bad("a PKCS#11 URI begins with `pkcs11:`"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut draft = Draft::default();
        for (at, attribute) in path.split(';').enumerate().filter(|(_, text)| !text.is_empty()) {
            draft.path_attribute(at, attribute)?;
        }
        for (at, attribute) in query.split('&').enumerate().filter(|(_, text)| !text.is_empty()) {
            draft.query_attribute(at, attribute)?;
        }
        draft.finish()
    }

    /// The URI in envelopes, where the settings alone tell it: they name serial number and id.
    pub(super) fn identity(&self) -> Option<Result<KeyUri>> {
        let (serial, id) = (self.token.serial.as_deref()?, self.id.as_deref()?);
        Some(Identity { serial, token: "", id, object: "" }.uri())
    }
}

/// What tells a key from all others for ever. The module, the PIN and the slot do not: another
/// machine may have others. The serial number of a token and the id of an object do, where they
/// are set; labels stand in for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    pub(super) serial: &'a str,
    pub(super) token: &'a str,
    pub(super) id: &'a [u8],
    pub(super) object: &'a str,
}

impl Identity<'_> {
    /// The one spelling: `pkcs11:serial=…;id=%..`. Every byte of an id is encoded, as the RFC
    /// advises; of text, all but letters, digits and `-._~`.
    pub(super) fn uri(self) -> Result<KeyUri> {
        let mut text = String::from("pkcs11:");
        if self.serial.is_empty() {
            encode(&mut text, "token=", self.token.as_bytes(), unreserved);
        } else {
            encode(&mut text, "serial=", self.serial.as_bytes(), unreserved);
        }
        if self.id.is_empty() {
            encode(&mut text, ";object=", self.object.as_bytes(), unreserved);
        } else {
            encode(&mut text, ";id=", self.id, |_| false);
        }
        KeyUri::new(text)
    }
}

#[derive(Default)]
struct Draft {
    token: TokenMatch,
    object: Option<String>,
    id: Option<Vec<u8>>,
    of_type: Option<String>,
    module: Option<String>,
    pin_source: Option<String>,
    former_serials: Vec<String>,
}

impl Draft {
    fn path_attribute(&mut self, at: usize, attribute: &str) -> Result<()> {
        let (name, value) = split(at, attribute)?;
        match name {
            "token" => set(&mut self.token.label, name, decode_text(name, value)?),
            "serial" => set(&mut self.token.serial, name, decode_text(name, value)?),
            "model" => set(&mut self.token.model, name, decode_text(name, value)?),
            "manufacturer" => set(&mut self.token.manufacturer, name, decode_text(name, value)?),
            "object" => set(&mut self.object, name, decode_text(name, value)?),
            "id" => set(&mut self.id, name, decode(name, value)?),
            "type" => set(&mut self.of_type, name, decode_text(name, value)?),
            name => Err(unknown(at, name)),
        }
    }

    fn query_attribute(&mut self, at: usize, attribute: &str) -> Result<()> {
        let (name, value) = split(at, attribute)?;
        match name {
            "module-path" => set(&mut self.module, name, decode_text(name, value)?),
            "pin-source" => set(&mut self.pin_source, name, decode_text(name, value)?),
            "pin-value" => Err(bad("the PKCS#11 URI holds a PIN, and URIs are seen").with_hint(
                "write the PIN to a file of mode 0600 and name it with `pin-source=file:/path`, \
                 then change the PIN, because this one was seen",
            )),
            "x-former-serial" => {
                self.former_serials.push(decode_text(name, value)?);
                Ok(())
            }
            name => Err(unknown(at, name)),
        }
    }

    fn finish(self) -> Result<Pkcs11Uri> {
        if self.of_type.is_some_and(|of_type| of_type != "secret-key") {
            return Err(bad("the PKCS#11 URI names another `type` than `secret-key`"));
        }
        if self.token.label.is_none() && self.token.serial.is_none() {
            return Err(
                bad("the PKCS#11 URI names no token").with_hint("add `token=` or `serial=`")
            );
        }
        if self.object.is_none() && self.id.is_none() {
            return Err(bad("the PKCS#11 URI names no key").with_hint("add `object=` or `id=`"));
        }
        let module = self.module.ok_or_else(|| {
            bad("the PKCS#11 URI names no module")
                .with_hint("add `?module-path=/path/to/the/library.so`")
        })?;
        let pin_source = match self.pin_source {
            Some(source) => Some(absolute("pin-source", file_of(&source))?),
            None => None,
        };
        Ok(Pkcs11Uri {
            token: self.token,
            object: self.object,
            id: self.id,
            // A name without a slash would be searched for, and found wherever somebody put one.
            module: absolute("module-path", &module)?,
            pin_source,
            former_serials: self.former_serials,
        })
    }
}

fn split(at: usize, attribute: &str) -> Result<(&str, &str)> {
    attribute
        .split_once('=')
        .ok_or_else(|| bad(format!("attribute {} of the PKCS#11 URI is not `name=value`", at + 1)))
}

fn set<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(bad(format!("the PKCS#11 URI says `{name}` twice"))),
    }
}

/// A name that the RFC has can be repeated in an error; any other may be anything.
fn unknown(at: usize, name: &str) -> Error {
    let place = at + 1;
    match OTHER_NAMES.iter().find(|other| **other == name) {
        Some(name) => bad(format!("the PKCS#11 attribute `{name}` is not used here, leave it out")),
        None => bad(format!("attribute {place} of the PKCS#11 URI is not known")).with_hint(
            "use `token`, `serial`, `model`, `manufacturer`, `object`, `id`, `type`, and after `?` \
             `module-path`, `pin-source`",
        ),
    }
}

/// The path of a `file:` URI, or the path itself.
fn file_of(source: &str) -> &str {
    let path = source.strip_prefix("file:").unwrap_or(source);
    path.strip_prefix("//").unwrap_or(path)
}

fn absolute(name: &str, path: &str) -> Result<PathBuf> {
    if path.contains('\0') || !Path::new(path).is_absolute() {
        return Err(bad(format!("`{name}` of the PKCS#11 URI is not an absolute path")));
    }
    Ok(PathBuf::from(path))
}

fn decode_text(name: &str, value: &str) -> Result<String> {
    String::from_utf8(decode(name, value)?)
        .map_err(|_| bad(format!("`{name}` of the PKCS#11 URI is not UTF-8")))
}

fn decode(name: &str, value: &str) -> Result<Vec<u8>> {
    let refused = || {
        bad(format!("`{name}` of the PKCS#11 URI is empty or not percent-encoded"))
            .with_hint("write a space as %20, and other bytes that are no plain text likewise")
    };
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = digit().zip(digit()).ok_or_else(refused)?;
                bytes.push(u8::try_from(high << 4 | low).map_err(|_| refused())?);
            }
            byte if byte.is_ascii_graphic() => bytes.push(byte),
            _ => return Err(refused()),
        }
    }
    if bytes.is_empty() { Err(refused()) } else { Ok(bytes) }
}

fn encode(text: &mut String, name: &str, value: &[u8], plain: fn(u8) -> bool) {
    text.push_str(name);
    for &byte in value {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn bad(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid("kms.pkcs11.uri", detail)
}

const OTHER_NAMES: &[&str] = &[
    "library-description",
    "library-manufacturer",
    "library-version",
    "module-name",
    "slot-description",
    "slot-id",
    "slot-manufacturer",
];

#[cfg(test)]
mod tests;

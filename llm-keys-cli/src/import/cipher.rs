//! What other programs sealed, by the ciphers that were asked for. None is guessed, and nothing of
//! this is known anywhere else in the program.

use llm_keys::{ApiKey, SecretBytes};

use self::fernet::FernetKey;
use self::gcm_hex::GcmKey;
use self::kms::LegacyKms;
use super::fields::Sealed;
use crate::args::{FromCipher, LegacyArgs};
use crate::failure::{Failure, Result};

mod fernet;
mod gcm_hex;
mod key_field;
mod kms;
mod legacy_key;

/// How to open what a file holds.
#[derive(Debug)]
pub(crate) struct Cipher {
    how: How,
    key_field: Option<String>,
}

#[derive(Debug)]
enum How {
    Plain,
    GcmHex(GcmKey),
    Fernet(FernetKey),
    Kms(LegacyKms),
}

/// Why one row could not be opened.
#[derive(Debug)]
pub(crate) enum Unopened {
    /// The row is bad, for this reason.
    Bad(&'static str),
    /// Every other row would fail, too.
    All(Failure),
}

impl Cipher {
    /// The cipher of the arguments, with its key.
    ///
    /// # Errors
    /// `Usage` if there is no key, or it cannot be one; what the settings of AWS lack.
    pub(crate) async fn of(args: &LegacyArgs) -> Result<Self> {
        let how = match args.from_cipher {
            FromCipher::Plain => How::Plain,
            FromCipher::GcmHex => How::GcmHex(GcmKey::parse(&legacy_key::read(args)?)?),
            FromCipher::Fernet => How::Fernet(FernetKey::parse(&legacy_key::read(args)?)?),
            FromCipher::Kms => How::Kms(LegacyKms::of(args.legacy_kms_key.clone()).await?),
        };
        Ok(Self { how, key_field: args.key_field.clone() })
    }

    /// The key that `sealed` holds.
    pub(crate) async fn open(&self, sealed: &Sealed) -> Result<ApiKey, Unopened> {
        let opened = match &self.how {
            How::Plain => sealed.bytes.expose(SecretBytes::copy_from),
            How::GcmHex(key) => {
                sealed.bytes.expose(|text| key.open(text)).map_err(Unopened::Bad)?
            }
            How::Fernet(key) => {
                sealed.bytes.expose(|text| key.open(text)).map_err(Unopened::Bad)?
            }
            How::Kms(kms) => kms.open(sealed).await?,
        };
        let opened = match &self.key_field {
            Some(field) => {
                opened.expose(|json| key_field::take(json, field)).map_err(Unopened::Bad)?
            }
            None => opened,
        };
        ApiKey::try_from(opened).map_err(|_| Unopened::Bad(NO_KEY))
    }
}

const NO_KEY: &str = "it is no key: empty, longer than 16 KiB, or with a NUL byte";

//! Whom a backup is sealed for.

use age::{Encryptor, Recipient};

use crate::args::ExportArgs;
use crate::connect::Passphrases;
use crate::failure::{Failure, Result};
use crate::import::secret_string;
use crate::secret_input;

/// What seals for those whom `args` name.
///
/// # Errors
/// `Usage` if a recipient is none, or the passphrase cannot be asked for.
pub(crate) fn encryptor(args: &ExportArgs) -> Result<Encryptor> {
    if args.passphrase || args.age_passphrase_file.is_some() {
        let passphrase = Passphrases::new(args.age_passphrase_file.clone()).new_one()?;
        return Ok(Encryptor::with_user_passphrase(secret_string(&passphrase)?));
    }
    let mut recipients = Vec::new();
    for text in &args.recipients {
        recipients.push(recipient(text).ok_or_else(|| {
            Failure::usage("a `--recipient` is none: it is `age1` and what follows")
        })?);
    }
    if let Some(file) = &args.recipients_file {
        let bytes = secret_input::read_file(file)?;
        for (line, text) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            recipients.push(recipient(text).ok_or_else(|| {
                let file = file.display();
                Failure::usage(format!("line {line} of {file} is no recipient of age"))
            })?);
        }
    }
    Encryptor::with_recipients(recipients.iter().map(|recipient| &**recipient))
        .map_err(|_| Failure::usage("there are no recipients, or they cannot be mixed"))
}

fn recipient(text: &str) -> Option<Box<dyn Recipient>> {
    if let Ok(recipient) = text.parse::<age::x25519::Recipient>() {
        return Some(Box::new(recipient));
    }
    text.parse::<age::tagpq::Recipient>().ok().map(|found| Box::new(found) as Box<dyn Recipient>)
}

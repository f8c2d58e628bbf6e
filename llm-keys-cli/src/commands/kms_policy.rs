//! `kms policy`: the least rights for each KMS key of the settings. Contacts nothing.

use serde::Serialize;

use crate::args::PolicyArgs;
use crate::connect::{Connect, MasterKeyPlace, scheme_of};
use crate::failure::{Failure, Result};

mod aws;
mod azure;
mod gcp;
mod local;
mod pkcs11;
mod vault;

/// What to paste, and what to know about it.
#[derive(Serialize, PartialEq, Debug)]
struct Policy {
    /// Such as an IAM policy or the commands of a tool.
    text: String,
    /// For people: what to fill in, how to narrow it.
    notes: Vec<&'static str>,
}

#[derive(Serialize, Debug)]
struct Shown {
    scheme: &'static str,
    #[serde(flatten)]
    policy: Policy,
}

pub(crate) fn run(args: &PolicyArgs, connect: &Connect<'_>) -> Result<()> {
    let tenant = llm_keys::Tenant::new(&args.tenant)?;
    let settings = connect.settings();
    let mut places = MasterKeyPlace::all(settings);
    places.extend(MasterKeyPlace::all_reading(settings));
    let mut all = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let scheme = scheme_of(place);
        let policy = of(place, scheme, tenant.as_str()).ok_or_else(|| {
            // The text is not repeated: it may hold a secret.
            Failure::usage(format!("KMS key {} names no key that llm-keys knows", at + 1))
                .with_hint(FORMS)
        })?;
        all.push(Shown { scheme, policy });
    }
    let output = connect.output();
    if output.is_json() {
        return output.document(&all);
    }
    for (at, Shown { scheme, policy }) in all.iter().enumerate() {
        if at > 0 {
            output.line("")?;
        }
        output.line(policy.text.trim_end())?;
        for note in &policy.notes {
            output.note(&format!("{scheme}: {note}"));
        }
    }
    Ok(())
}

fn of(place: &MasterKeyPlace, scheme: &str, tenant: &str) -> Option<Policy> {
    let text = match place {
        MasterKeyPlace::File(path) | MasterKeyPlace::Passphrase(path) => {
            return local::policy(path);
        }
        MasterKeyPlace::Elsewhere(text) => text,
    };
    match scheme {
        "aws-kms" => aws::policy(text, tenant),
        "vault" => vault::policy(text),
        "gcp-kms" => gcp::policy(text),
        "azure-kv" => azure::policy(text),
        "pkcs11" => pkcs11::policy(text),
        _ => None,
    }
}

/// Whether `text` can be pasted into a policy or a command as it is: no wildcard, no quote, and no
/// option.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(plain)
}

const FORMS: &str = "aws-kms:ARN, vault://HOST:PORT/MOUNT/KEY, \
                     gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K, \
                     azure-kv://VAULT.vault.azure.net/keys/KEY, pkcs11:…, or local:/PATH";

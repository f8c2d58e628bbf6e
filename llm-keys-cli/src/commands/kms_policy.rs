//! `kms policy`: the least rights for each KMS key of the settings. Contacts nothing.

use llm_keys::ErrorKind;
use llm_keys::error::KmsFault;
use serde::Serialize;

use crate::args::PolicyArgs;
use crate::commands::kms_check::Use;
use crate::connect::{Connect, MasterKeyPlace, scheme_of};
use crate::failure::{Failure, Result};
use crate::settings::Settings;

mod aws;
mod azure;
mod gcp;
mod local;
mod pkcs11;
mod vault;

/// What a KMS key of the settings is there for: each has rights of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// It makes the data keys and opens them.
    Seals,
    /// Several keys seal: any of them may have to make the data key, and the others wrap it.
    SealsWithOthers,
    /// It opens what was sealed under it before.
    Reads,
}

impl Purpose {
    /// How a user sees it.
    pub(super) fn usage(self) -> Use {
        match self {
            Self::Seals | Self::SealsWithOthers => Use::Seals,
            Self::Reads => Use::Reads,
        }
    }
}

/// One right, as the KMS calls it, and the operation of the engine that needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Right {
    name: &'static str,
    op: &'static str,
}

/// What to paste, and what to know about it.
#[derive(Serialize, PartialEq, Debug)]
struct Policy {
    /// All rights that `text` gives.
    #[serde(serialize_with = "names")]
    rights: Vec<Right>,
    /// Such as an IAM policy or the commands of a tool.
    text: String,
    /// For people: what to fill in, how to narrow it.
    notes: Vec<&'static str>,
}

#[derive(Serialize, Debug)]
struct Shown {
    scheme: &'static str,
    #[serde(rename = "use")]
    usage: Use,
    #[serde(flatten)]
    policy: Policy,
}

pub(crate) fn run(args: &PolicyArgs, connect: &Connect<'_>) -> Result<()> {
    let tenant = llm_keys::Tenant::new(&args.tenant)?;
    let mut all = Vec::new();
    for (at, (purpose, place)) in purposes(connect.settings()).iter().enumerate() {
        let scheme = scheme_of(place);
        let policy = of(place, *purpose, tenant.as_str()).ok_or_else(|| {
            // The text is not repeated: it may hold a secret.
            Failure::usage(format!("KMS key {} names no key that llm-keys knows", at + 1))
                .with_hint(FORMS)
        })?;
        all.push(Shown { scheme, usage: purpose.usage(), policy });
    }
    let output = connect.output();
    if output.is_json() {
        return output.document(&all);
    }
    for (at, Shown { scheme, policy, .. }) in all.iter().enumerate() {
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

/// Every KMS key of these settings, in the order of the settings, with what it is there for.
pub(super) fn purposes(settings: &Settings) -> Vec<(Purpose, MasterKeyPlace)> {
    let (write, read) = (MasterKeyPlace::all(settings), MasterKeyPlace::all_reading(settings));
    let seals = if write.len() > 1 { Purpose::SealsWithOthers } else { Purpose::Seals };
    let write = write.into_iter().map(|place| (seals, place));
    write.chain(read.into_iter().map(|place| (Purpose::Reads, place))).collect()
}

/// What to do about a check of the key at `place` that its KMS denied, if it did: which of the least
/// rights is missing, as far as the failure tells. Asks nothing.
pub(super) fn advice(
    purpose: Purpose,
    place: &MasterKeyPlace,
    failure: &Failure,
) -> Option<String> {
    let Failure::Engine(error) = failure else { return None };
    if error.kind() != ErrorKind::Kms(KmsFault::Denied) {
        return None;
    }
    // Rights are the same for every tenant.
    let policy = of(place, purpose, llm_keys::Tenant::default().as_str())?;
    let advice = match policy.rights.iter().find(|right| right.op == error.op()) {
        Some(Right { name, .. }) => {
            format!("{name} is one of the least rights that `llm-keys kms policy` prints")
        }
        None => "`llm-keys kms policy` prints the least rights".to_owned(),
    };
    Some(match error.hint() {
        Some(hint) => format!("{hint}; {advice}"),
        None => advice,
    })
}

fn of(place: &MasterKeyPlace, purpose: Purpose, tenant: &str) -> Option<Policy> {
    let text = match place {
        MasterKeyPlace::File(path) | MasterKeyPlace::Passphrase(path) => {
            return local::policy(path, purpose);
        }
        MasterKeyPlace::Elsewhere(text) => text,
    };
    match scheme_of(place) {
        "aws-kms" => aws::policy(text, purpose, tenant),
        "vault" => vault::policy(text, purpose),
        "gcp-kms" => gcp::policy(text, purpose),
        "azure-kv" => azure::policy(text, purpose),
        "pkcs11" => pkcs11::policy(text, purpose),
        _ => None,
    }
}

fn names<S: serde::Serializer>(rights: &[Right], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(rights.iter().map(|right| right.name))
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

/// Making a data key, and what wraps it for those that make none.
const GENERATE: &str = "kms.generate_data_key";
const WRAP: &str = "kms.wrap_key";
const UNWRAP: &str = "kms.unwrap_key";

#[cfg(test)]
mod tests;

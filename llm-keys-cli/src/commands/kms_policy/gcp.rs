//! Google Cloud KMS: a role on the key.

use super::{Policy, Purpose, Right, UNWRAP, WRAP, is_plain};

pub(super) fn policy(text: &str, purpose: Purpose) -> Option<Policy> {
    let rest = text.strip_prefix("gcp-kms:")?;
    let name = rest.strip_prefix("//").unwrap_or(rest);
    let name = name.split_once('?').map_or(name, |(name, _)| name);
    let parts: Vec<_> = name.split('/').collect();
    let ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", key] =
        parts[..]
    else {
        return None;
    };
    if ![project, location, ring, key].into_iter().all(is_plain) {
        return None;
    }
    // Cloud KMS makes no data keys, so that several keys need no more than one.
    let (role, rights, own) = match purpose {
        Purpose::Seals | Purpose::SealsWithOthers => {
            ("cryptoKeyEncrypterDecrypter", vec![SEAL, OPEN], OWN_ROLE_TO_SEAL)
        }
        Purpose::Reads => ("cryptoKeyDecrypter", vec![OPEN], OWN_ROLE_TO_READ),
    };
    let text = format!(
        "gcloud kms keys add-iam-policy-binding {key} \\\n  \
         --project={project} --location={location} --keyring={ring} \\\n  \
         --role=roles/cloudkms.{role} \\\n  \
         --member=serviceAccount:SERVICE_ACCOUNT\n"
    );
    let notes = vec!["write the service account's address for SERVICE_ACCOUNT", own];
    Some(Policy { rights, text, notes })
}

const SEAL: Right = Right { name: "cloudkms.cryptoKeyVersions.useToEncrypt", op: WRAP };
const OPEN: Right = Right { name: "cloudkms.cryptoKeyVersions.useToDecrypt", op: UNWRAP };
const OWN_ROLE_TO_SEAL: &str = "a role of your own needs cloudkms.cryptoKeyVersions.useToEncrypt and \
     cloudkms.cryptoKeyVersions.useToDecrypt; Google Cloud has no condition on the context";
const OWN_ROLE_TO_READ: &str = "a role of your own needs cloudkms.cryptoKeyVersions.useToDecrypt; Google Cloud has no \
     condition on the context";

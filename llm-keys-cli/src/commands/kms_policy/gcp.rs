//! Google Cloud KMS: a role on the key.

use super::{Policy, is_plain};

pub(super) fn policy(text: &str) -> Option<Policy> {
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
    let text = format!(
        "gcloud kms keys add-iam-policy-binding {key} \\\n  \
         --project={project} --location={location} --keyring={ring} \\\n  \
         --role=roles/cloudkms.cryptoKeyEncrypterDecrypter \\\n  \
         --member=serviceAccount:SERVICE_ACCOUNT\n"
    );
    Some(Policy {
        text,
        notes: vec![
            "write the service account's address for SERVICE_ACCOUNT",
            "a role of your own needs cloudkms.cryptoKeyVersions.useToEncrypt and \
             cloudkms.cryptoKeyVersions.useToDecrypt; Google Cloud has no condition on the context",
        ],
    })
}

//! Azure Key Vault: a role on the key.

use super::{Policy, Purpose, Right, UNWRAP, WRAP, is_plain};

pub(super) fn policy(text: &str, purpose: Purpose) -> Option<Policy> {
    let rest = text.strip_prefix("azure-kv://")?;
    let mut parts = rest.split('/');
    let (host, keys, key) = (parts.next()?, parts.next()?, parts.next()?);
    let (vault, domain) = host.split_once('.')?;
    if keys != "keys" || !is_plain(vault) || !is_plain(domain) || !is_plain(key) {
        return None;
    }
    let is_hsm = domain.starts_with("managedhsm.");
    let role = match purpose {
        Purpose::Reads => READ_ROLE,
        // Azure makes no data keys, so that several keys need no more than one.
        _ if is_hsm => "Managed HSM Crypto Service Encryption User",
        _ => "Key Vault Crypto Service Encryption User",
    };
    let own_role = (purpose == Purpose::Reads).then(|| match is_hsm {
        true => format!(
            "az keyvault role definition create --hsm-name {vault} --role-definition '{{\n  \
             \"roleName\": \"{READ_ROLE}\",\n  \"dataActions\": [\n    \
             \"Microsoft.KeyVault/managedHsm/keys/read/action\",\n    \
             \"Microsoft.KeyVault/managedHsm/keys/unwrap/action\"\n  ]\n}}'\n"
        ),
        false => format!(
            "az role definition create --role-definition '{{\n  \
             \"Name\": \"{READ_ROLE}\",\n  \"Actions\": [],\n  \"DataActions\": [\n    \
             \"Microsoft.KeyVault/vaults/keys/read\",\n    \
             \"Microsoft.KeyVault/vaults/keys/unwrap/action\"\n  ],\n  \
             \"AssignableScopes\": [\"/subscriptions/SUBSCRIPTION\"]\n}}'\n"
        ),
    });
    let assignment = match is_hsm {
        true => format!(
            "az keyvault role assignment create --hsm-name {vault} \\\n  \
             --role \"{role}\" \\\n  --assignee PRINCIPAL --scope /keys/{key}\n"
        ),
        false => format!(
            "az role assignment create --role \"{role}\" \\\n  \
             --assignee PRINCIPAL \\\n  \
             --scope \"$(az keyvault show --name {vault} --query id --output tsv)/keys/{key}\"\n"
        ),
    };
    let text = own_role.unwrap_or_default() + &assignment;
    let (rights, mut notes) = match purpose {
        Purpose::Seals | Purpose::SealsWithOthers => (vec![FIND, SEAL, OPEN], vec![FILL_IN]),
        Purpose::Reads => (vec![FIND, OPEN], vec![FILL_IN, NO_BUILT_IN]),
    };
    if !is_hsm {
        notes.push(match purpose {
            Purpose::Seals | Purpose::SealsWithOthers => ACCESS_POLICY_TO_SEAL,
            Purpose::Reads => ACCESS_POLICY_TO_READ,
        });
    }
    notes.push("Azure has no condition on the context");
    Some(Policy { rights, text, notes })
}

const READ_ROLE: &str = "llm-keys Reader";
/// The current version is looked up, when the key is opened.
const FIND: Right = Right { name: "keys/read", op: "kms.open" };
const SEAL: Right = Right { name: "keys/wrap/action", op: WRAP };
const OPEN: Right = Right { name: "keys/unwrap/action", op: UNWRAP };
const FILL_IN: &str = "write the object id of the user or the managed identity for PRINCIPAL";
const NO_BUILT_IN: &str = "no role of Azure's own reads without wrapping, so this makes one, once \
                           for each subscription or managed HSM; write the id of the \
                           subscription for SUBSCRIPTION";
const ACCESS_POLICY_TO_SEAL: &str =
    "in a vault with access policies, the key permissions get, wrapKey and unwrapKey";
const ACCESS_POLICY_TO_READ: &str =
    "in a vault with access policies, the key permissions get and unwrapKey";

//! Azure Key Vault: a role on the key.

use super::{Policy, is_plain};

pub(super) fn policy(text: &str) -> Option<Policy> {
    let rest = text.strip_prefix("azure-kv://")?;
    let mut parts = rest.split('/');
    let (host, keys, key) = (parts.next()?, parts.next()?, parts.next()?);
    let (vault, domain) = host.split_once('.')?;
    if keys != "keys" || !is_plain(vault) || !is_plain(domain) || !is_plain(key) {
        return None;
    }
    if domain.starts_with("managedhsm.") {
        let text = format!(
            "az keyvault role assignment create --hsm-name {vault} \\\n  \
             --role \"Managed HSM Crypto Service Encryption User\" \\\n  \
             --assignee PRINCIPAL --scope /keys/{key}\n"
        );
        return Some(Policy { text, notes: vec![FILL_IN] });
    }
    let scope = format!("$(az keyvault show --name {vault} --query id --output tsv)/keys/{key}");
    let text = format!(
        "az role assignment create --role \"Key Vault Crypto Service Encryption User\" \\\n  \
         --assignee PRINCIPAL \\\n  --scope \"{scope}\"\n"
    );
    let actions = "a role of your own needs the data actions \
                   Microsoft.KeyVault/vaults/keys/read, …/keys/wrap/action and \
                   …/keys/unwrap/action; Azure has no condition on the context";
    Some(Policy { text, notes: vec![FILL_IN, actions] })
}

const FILL_IN: &str = "write the object id of the user or the managed identity for PRINCIPAL";

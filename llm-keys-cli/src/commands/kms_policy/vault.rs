//! Vault and OpenBao Transit: a policy in HCL.

use super::{Policy, is_plain};

pub(super) fn policy(text: &str) -> Option<Policy> {
    let rest = text.strip_prefix("vault://")?;
    let place = rest.split_once('?').map_or(rest, |(place, _)| place);
    let (_, path) = place.split_once('/')?;
    let (mount, key) = path.rsplit_once('/')?;
    if !is_plain(mount) || !is_plain(key) {
        return None;
    }
    let rule = |operation| {
        format!("path \"{mount}/{operation}/{key}\" {{\n  capabilities = [\"update\"]\n}}\n")
    };
    Some(Policy {
        text: ["datakey/plaintext", "encrypt", "decrypt"].into_iter().map(rule).collect(),
        notes: vec![
            "without `create` on `encrypt`, a mistyped name never makes a key; \
             write it with `vault policy write llm-keys FILE`, in the namespace of the mount",
        ],
    })
}

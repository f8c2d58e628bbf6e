//! Vault and OpenBao Transit: a policy in HCL.

use super::{GENERATE, Policy, Purpose, Right, UNWRAP, WRAP, is_plain};

pub(super) fn policy(text: &str, purpose: Purpose) -> Option<Policy> {
    let rest = text.strip_prefix("vault://")?;
    let place = rest.split_once('?').map_or(rest, |(place, _)| place);
    let (_, path) = place.split_once('/')?;
    let (mount, key) = path.rsplit_once('/')?;
    if !is_plain(mount) || !is_plain(key) {
        return None;
    }
    let rights = match purpose {
        Purpose::Seals => vec![MAKE, OPEN],
        Purpose::SealsWithOthers => vec![MAKE, ADD, OPEN],
        Purpose::Reads => vec![OPEN],
    };
    let rule = |Right { name, .. }: &Right| {
        format!("path \"{mount}/{name}/{key}\" {{\n  capabilities = [\"update\"]\n}}\n")
    };
    let text = rights.iter().map(rule).collect();
    let mut notes =
        vec!["write it with `vault policy write llm-keys FILE`, in the namespace of the mount"];
    if purpose == Purpose::SealsWithOthers {
        notes.push("without `create` on `encrypt`, a mistyped name never makes a key");
    }
    Some(Policy { rights, text, notes })
}

const MAKE: Right = Right { name: "datakey/plaintext", op: GENERATE };
const ADD: Right = Right { name: "encrypt", op: WRAP };
const OPEN: Right = Right { name: "decrypt", op: UNWRAP };

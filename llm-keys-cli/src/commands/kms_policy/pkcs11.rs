//! PKCS#11: attributes of the key.

use super::{Policy, Purpose, Right, UNWRAP, WRAP};

/// The URI is not repeated, since it may hold a PIN: the attributes are the same for every key.
pub(super) fn policy(text: &str, purpose: Purpose) -> Option<Policy> {
    text.strip_prefix("pkcs11:").filter(|rest| !rest.is_empty())?;
    let (rights, seals) = match purpose {
        Purpose::Seals | Purpose::SealsWithOthers => {
            (vec![SEAL, OPEN], "CKA_ENCRYPT      true   # C_Encrypt")
        }
        Purpose::Reads => (vec![OPEN], "CKA_ENCRYPT      false"),
    };
    let text = format!(
        "CKA_CLASS        CKO_SECRET_KEY\n\
                CKA_KEY_TYPE     CKK_AES\n\
                CKA_VALUE_LEN    32\n\
                CKA_TOKEN        true\n\
                {seals}\n\
                CKA_DECRYPT      true   # C_Decrypt\n\
                CKA_SENSITIVE    true\n\
                CKA_EXTRACTABLE  false\n\
                CKA_WRAP         false\n\
                CKA_UNWRAP       false\n"
    );
    Some(Policy {
        rights,
        text,
        notes: vec![
            "log in as the user (CKU_USER), never as the security officer; a PIN file has mode 0600",
        ],
    })
}

const SEAL: Right = Right { name: "CKA_ENCRYPT", op: WRAP };
const OPEN: Right = Right { name: "CKA_DECRYPT", op: UNWRAP };

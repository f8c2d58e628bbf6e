//! PKCS#11: attributes of the key.

use super::Policy;

/// The URI is not repeated, since it may hold a PIN: the attributes are the same for every key.
pub(super) fn policy(text: &str) -> Option<Policy> {
    text.strip_prefix("pkcs11:").filter(|rest| !rest.is_empty())?;
    let text = "CKA_CLASS        CKO_SECRET_KEY\n\
                CKA_KEY_TYPE     CKK_AES\n\
                CKA_VALUE_LEN    32\n\
                CKA_TOKEN        true\n\
                CKA_ENCRYPT      true   # C_Encrypt\n\
                CKA_DECRYPT      true   # C_Decrypt\n\
                CKA_SENSITIVE    true\n\
                CKA_EXTRACTABLE  false\n\
                CKA_WRAP         false\n\
                CKA_UNWRAP       false\n";
    Some(Policy {
        text: text.to_owned(),
        notes: vec![
            "log in as the user (CKU_USER), never as the security officer; a PIN file has mode 0600",
        ],
    })
}

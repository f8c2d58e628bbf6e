//! Which kind of KMS a text of the settings names, without repeating it: it may hold a secret.

use super::MasterKeyPlace;

/// The kind of KMS of `place`, as the settings spell it; `unknown` if it names none that we know.
pub(crate) fn scheme_of(place: &MasterKeyPlace) -> &'static str {
    match place {
        MasterKeyPlace::File(_) => "local",
        MasterKeyPlace::Passphrase(_) => "local-passphrase",
        MasterKeyPlace::Elsewhere(text) => scheme_of_text(text),
    }
}

fn scheme_of_text(text: &str) -> &'static str {
    // AWS has names of its own for its keys.
    if text.starts_with("arn:") || text.starts_with("alias/") {
        return "aws-kms";
    }
    let scheme = text.split_once(':').map_or(text, |(scheme, _)| scheme);
    KNOWN.iter().find(|known| **known == scheme).copied().unwrap_or("unknown")
}

const KNOWN: &[&str] =
    &["aws-kms", "azure-kv", "gcp-kms", "local", "local-passphrase", "pkcs11", "vault"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_named_by_its_scheme_only() {
        for (text, scheme) in [
            ("arn:aws:kms:eu-central-1:111122223333:key/1", "aws-kms"),
            ("alias/llm-keys", "aws-kms"),
            ("aws-kms://alias/llm-keys", "aws-kms"),
            ("vault://host:8200/transit/key?token=s.secret", "vault"),
            ("local:relative", "local"),
            ("sk-secret", "unknown"),
            ("sk-secret:more", "unknown"),
        ] {
            assert_eq!(scheme_of_text(text), scheme, "{text}");
        }
    }
}

use std::path::Path;

use llm_keys::Error;

use super::*;

const KEYS: [&str; 5] = [
    "arn:aws:kms:eu-central-1:111122223333:key/11112222-3333-4444-5555-666677778888",
    "vault://vault.example.com:8200/transit/llm-keys",
    "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
    "azure-kv://team.vault.azure.net/keys/llm-keys",
    "pkcs11:token=t;object=o",
];

fn rights(text: &str, purpose: Purpose) -> Vec<&'static str> {
    let policy = of(&MasterKeyPlace::Elsewhere(text.to_owned()), purpose, "acme").unwrap();
    policy.rights.iter().map(|right| right.name).collect()
}

#[test]
fn each_purpose_has_its_own_least_rights() {
    let all = |purpose| KEYS.map(|text| rights(text, purpose));
    let [aws, vault, gcp, azure, pkcs11] = all(Purpose::Reads);
    assert_eq!(aws, ["kms:Decrypt"]);
    assert_eq!(rights("alias/a", Purpose::Reads), ["kms:Decrypt", "kms:DescribeKey"]);
    assert_eq!(vault, ["decrypt"]);
    assert_eq!(gcp, ["cloudkms.cryptoKeyVersions.useToDecrypt"]);
    assert_eq!(azure, ["keys/read", "keys/unwrap/action"]);
    assert_eq!(pkcs11, ["CKA_DECRYPT"]);
    for (alone, with_others) in all(Purpose::Seals).iter().zip(all(Purpose::SealsWithOthers)) {
        let only_wraps = ["kms:Encrypt", "encrypt"];
        assert!(!alone.iter().any(|right| only_wraps.contains(right)), "{alone:?}");
        let rest: Vec<_> =
            with_others.into_iter().filter(|right| !only_wraps.contains(right)).collect();
        assert_eq!(*alone, rest);
    }
    assert!(rights(KEYS[0], Purpose::SealsWithOthers).contains(&"kms:Encrypt"));
    assert!(rights(KEYS[1], Purpose::SealsWithOthers).contains(&"encrypt"));
}

#[test]
fn a_reader_is_given_nothing_to_seal_with() {
    for text in KEYS {
        let place = MasterKeyPlace::Elsewhere(text.to_owned());
        let printed = of(&place, Purpose::Reads, "acme").unwrap().text;
        for word in ["GenerateDataKey", "Encrypt\"", "datakey", "/encrypt/", "Encrypter", "wrap/"] {
            let printed = printed.replace("unwrap/", "");
            assert!(!printed.contains(word), "{word}: {printed}");
        }
        assert!(!printed.contains("CKA_ENCRYPT      true"), "{printed}");
    }
}

#[test]
fn advice_is_for_what_was_denied_only() {
    let place = MasterKeyPlace::Elsewhere(KEYS[0].to_owned());
    let failed = |fault, op| Failure::from(Error::new(ErrorKind::Kms(fault), op, "no"));
    let advice = |failure| advice(Purpose::Seals, &place, &failure);
    assert_eq!(advice(failed(KmsFault::Unavailable, GENERATE)), None);
    assert_eq!(advice(Failure::usage("no")), None);
    let found = advice(failed(KmsFault::Denied, GENERATE)).unwrap();
    assert!(found.starts_with("kms:GenerateDataKey is one of the least rights"), "{found}");
    let found = advice(failed(KmsFault::Denied, "kms.login").with_hint("log in")).unwrap();
    assert_eq!(found, "log in; `llm-keys kms policy` prints the least rights");
}

#[test]
fn nobody_gets_a_right_to_wrap_for_a_file() {
    let place = MasterKeyPlace::File(Path::new("/it's").to_owned());
    let policy = of(&place, Purpose::Reads, "acme").unwrap();
    assert_eq!(policy.text, "chmod 0400 '/it'\\''s'\n");
    assert_eq!(policy.notes.len(), 1);
}

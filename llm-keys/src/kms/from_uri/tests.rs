use std::sync::Mutex;

use super::*;
use crate::error::KmsFault;
use crate::kms::local::{PassphraseCost, create, create_passphrase, rotate};
use crate::random::SystemRandom;

fn kind(result: Result<Arc<dyn KmsProvider>>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn secret() -> SecretBytes {
    SecretBytes::copy_from(b"correct horse")
}

#[tokio::test]
async fn local_is_the_master_key_of_home() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::under(folder.path());
    let options = FromUri::new(&home);
    let missing = kind(from_uri("local", &options).await);
    assert_eq!(missing, ErrorKind::Kms(KmsFault::Misconfigured));
    let made = create(home.master_key(), &SystemRandom).unwrap();
    assert_eq!(from_uri("local", &options).await.unwrap().uri(), made.master.uri());
}

#[tokio::test]
async fn local_with_a_path_is_that_file_with_its_older_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (home, path) = (Home::under("/nowhere"), folder.path().join("a key"));
    create(&path, &SystemRandom).unwrap();
    let rotated = rotate(&path, &SystemRandom).unwrap();
    let uri = format!("local:{}", path.display());
    let kms = from_uri(&uri, &FromUri::new(&home)).await.unwrap();
    assert_eq!(*kms.uri(), rotated.uri);
    let older = super::super::WrappedKey { uri: rotated.older, blob: vec![0] };
    assert!(kms.accepts(&older));
    assert!(kms.check().await.is_ok());
}

#[tokio::test]
async fn local_passphrase_asks_for_the_file_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let (home, path) = (Home::under("/nowhere"), folder.path().join("params"));
    let cost = PassphraseCost::new(64, 1, 1).unwrap();
    let master = create_passphrase(&path, &secret(), cost, &SystemRandom).unwrap();
    let uri = format!("local-passphrase:{}", path.display());

    let asked = Mutex::new(Vec::new());
    let ask = |path: &Path| {
        asked.lock().unwrap().push(path.to_owned());
        Ok(secret())
    };
    let options = FromUri::new(&home).with_passphrase(&ask);
    assert_eq!(from_uri(&uri, &options).await.unwrap().uri(), master.uri());
    assert_eq!(*asked.lock().unwrap(), [path]);

    let wrong = |_: &Path| Ok(SecretBytes::copy_from(b"incorrect horse"));
    let options = FromUri::new(&home).with_passphrase(&wrong);
    assert_eq!(kind(from_uri(&uri, &options).await), ErrorKind::Kms(KmsFault::WrongKey));
    // Nobody to ask.
    assert_eq!(kind(from_uri(&uri, &FromUri::new(&home)).await), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn everything_else_is_refused_and_never_repeated() {
    let home = Home::under("/nowhere");
    for text in [
        "",
        ":",
        "sk-proj-Canary",
        "sk-proj:Canary",
        "LOCAL",
        "local:",
        "local:Canary",
        "local:./Canary",
        "local://Canary/x",
        "local-passphrase",
        "local-passphrase:Canary",
        "file:/Canary",
        "aws-kms:Canary",
        "arn:Canary",
        "alias/Canary!",
        "vault",
    ] {
        let error = from_uri(text, &FromUri::new(&home)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        assert!(!format!("{error:?}").contains("Canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_kms_of_later_is_told_from_one_nobody_knows() {
    let home = Home::under("/nowhere");
    for later in LATER {
        let error = from_uri(&format!("{later}:x"), &FromUri::new(&home)).await.unwrap_err();
        assert!(error.to_string().contains("has no KMS"), "{error}");
    }
    let error = from_uri("nonsense:x", &FromUri::new(&home)).await.unwrap_err();
    assert!(error.to_string().contains("no KMS that llm-keys knows"), "{error}");
    let hint = error.hint().unwrap();
    for scheme in ["local", "local-passphrase", "aws-kms", "azure-kv", "gcp-kms", "pkcs11", "vault"]
    {
        let known = hint.contains(&format!("`{scheme}:"));
        assert_ne!(known, LATER.contains(&scheme), "{scheme}: {hint}");
    }
}

#[tokio::test]
async fn a_set_takes_lists() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::under(folder.path());
    let uris = ["a", "b"].map(|name| {
        let path = folder.path().join(name);
        create(&path, &SystemRandom).unwrap();
        format!("local:{}", path.display())
    });
    let options = FromUri::new(&home);
    let set = KmsSet::from_uris(&uris[..1], &uris[1..], &options).await.unwrap();
    assert_eq!((set.writers().count(), set.readers().count()), (1, 2));
    let twice = [&uris[0], &uris[0]];
    let error = KmsSet::from_uris(&twice, &[], &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_future_can_move_between_threads() {
    fn movable(_: impl Send) {}
    let home = Home::under("/nowhere");
    movable(from_uri("local", &FromUri::new(&home)));
}

//! The KMS of two people keeps the contract of a KMS, and needs both.

use std::fs;

use examples::TwoPersonKms;
use llm_keys::testing::kms::TwoKeys;

llm_keys::kms_conformance!(async |_name| TwoKeys::new(fresh(), fresh()));

/// One whose shares nobody needs again.
fn fresh() -> TwoPersonKms {
    let folder = tempfile::tempdir().unwrap();
    TwoPersonKms::create([&folder.path().join("a"), &folder.path().join("b")]).unwrap()
}

#[test]
fn both_shares_are_needed_and_their_order_is_not() {
    use llm_keys::kms::KmsProvider as _;

    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
    let made = TwoPersonKms::create([&a, &b]).unwrap();
    assert!(made.uri().as_str().starts_with("two-person:"), "{}", made.uri());
    assert_eq!(TwoPersonKms::open([&b, &a]).unwrap().uri(), made.uri());

    // A share of somebody else makes another key; the same share twice makes none.
    llm_keys::kms::local::create(&c, &llm_keys::SystemRandom).unwrap();
    assert_ne!(TwoPersonKms::open([&a, &c]).unwrap().uri(), made.uri());
    fs::copy(&a, &c).unwrap();
    for same in [[&*a, &*a], [&*a, &*c]] {
        let error = TwoPersonKms::open(same).unwrap_err();
        assert_eq!(error.kind().code(), "kms_misconfigured");
    }
}

#[test]
fn shares_that_are_there_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    TwoPersonKms::create([&a, &b]).unwrap();
    let share = fs::read(&b).unwrap();
    assert_eq!(TwoPersonKms::create([&a, &b]).unwrap_err().kind().code(), "conflict");
    // One is lost: no half of a new key is put beside the other.
    fs::remove_file(&a).unwrap();
    assert_eq!(TwoPersonKms::create([&a, &b]).unwrap_err().kind().code(), "conflict");
    assert!(!a.exists());
    assert_eq!(fs::read(&b).unwrap(), share);
    assert_eq!(TwoPersonKms::open([&a, &b]).unwrap_err().kind().code(), "kms_misconfigured");
}

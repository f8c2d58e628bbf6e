//! KMS backends of this crate.

mod local {
    use llm_keys::kms::local::{LocalKms, MasterKey};
    use llm_keys::testing::kms::TwoKeys;

    llm_keys::kms_conformance!(async |_name| {
        TwoKeys::new(LocalKms::ephemeral().unwrap(), LocalKms::ephemeral().unwrap())
    });

    mod with_older_master_keys {
        use super::*;

        fn kms() -> LocalKms {
            let master = || MasterKey::generate(&llm_keys::SystemRandom).unwrap();
            LocalKms::new(master(), vec![master(), master()])
        }

        llm_keys::kms_conformance!(async |_name| TwoKeys::new(kms(), kms()));
    }
}

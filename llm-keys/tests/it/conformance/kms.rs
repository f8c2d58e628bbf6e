//! KMS backends of this crate.

mod local {
    use llm_keys::kms::local::{self, LocalKms, MasterKey};
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

    mod from_a_rotated_file {
        use super::*;

        fn kms() -> LocalKms {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("master.key");
            local::create(&path, &llm_keys::SystemRandom).unwrap();
            local::rotate(&path, &llm_keys::SystemRandom).unwrap();
            LocalKms::open(&path).unwrap()
        }

        llm_keys::kms_conformance!(async |_name| TwoKeys::new(kms(), kms()));
    }
}

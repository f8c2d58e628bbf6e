//! The suite of all KMS backends.

use llm_keys::kms::local::LocalKms;
use llm_keys::testing::kms::TwoKeys;

use super::soft_hsm::SoftHsm;

llm_keys::kms_conformance!(async |name| match SoftHsm::of_test(module_path!(), name) {
    Some(hsm) => {
        hsm.add_token("llmkeys");
        hsm.add_key("llmkeys", "one", &[1]);
        hsm.add_key("llmkeys", "two", &[2]);
        let one = hsm.open("token=llmkeys;object=one").await.unwrap();
        TwoKeys::new(one, hsm.open("token=llmkeys;id=%02").await.unwrap())
    }
    // It was tested in the other process; the rule wants something to do here, too.
    None => TwoKeys::new(LocalKms::ephemeral().unwrap(), LocalKms::ephemeral().unwrap()),
});

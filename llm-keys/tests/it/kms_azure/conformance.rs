//! The suite of every KMS.

use llm_keys::testing::kms::TwoKeys;

use super::{fake, open};

llm_keys::kms_conformance!(async |_name| {
    // It ends with the runtime of the test.
    let fake = Box::leak(Box::new(fake(&["main", "other"]).await));
    TwoKeys::new(open(fake, "main").await.unwrap(), open(fake, "other").await.unwrap())
});

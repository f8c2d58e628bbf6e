//! The suite that every KMS passes.

use llm_keys::testing::kms::TwoKeys;

use super::server::fresh;

llm_keys::kms_conformance!(async |_name| TwoKeys::new(fresh().await, fresh().await));

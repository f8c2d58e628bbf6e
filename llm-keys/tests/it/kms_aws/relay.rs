//! A relay in front of the server that counts the requests of each kind that pass.

use super::server::variable;

pub(super) struct Relay(testkit::relay::Relay);

impl Relay {
    pub(super) fn start() -> Self {
        Self(testkit::relay::Relay::start(&variable("LLM_KEYS_TEST_LOCALSTACK")).unwrap())
    }

    pub(super) fn endpoint(&self) -> String {
        self.0.url()
    }

    /// How often `operation` was asked for.
    pub(super) fn count(&self, operation: &str) -> usize {
        self.operations().iter().filter(|seen| *seen == operation).count()
    }

    /// How many requests there were.
    pub(super) fn total(&self) -> usize {
        self.operations().len()
    }

    /// Each KMS request has one header that names its operation.
    fn operations(&self) -> Vec<String> {
        let named = |text: &String| -> Vec<_> {
            let after = text.split("TrentService.").skip(1);
            after
                .map(|text| text.chars().take_while(char::is_ascii_alphanumeric).collect())
                .collect()
        };
        self.0.sent().iter().flat_map(named).collect()
    }
}

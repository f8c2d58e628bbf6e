//! What `kms policy` prints, on servers that check it: enough for everything that the program does,
//! and without any part of it something is denied.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Output};

use crate::sandbox::{PROGRAM, Sandbox, feed};

mod aws;
mod http;
#[path = "../../../llm-keys/tests/it/kms_aws/iam.rs"]
mod iam;
mod recorder;
mod server;
mod vault;

/// What `kms policy` prints for `kms` and the tenant `acme`.
fn printed(kms: &str) -> String {
    Sandbox::new().must(&["kms", "policy", "--tenant", "acme", "--kms", kms], "")
}

/// The program as one user of a KMS runs it.
struct User {
    sandbox: Sandbox,
    kms: String,
    variables: Vec<(&'static str, String)>,
}

impl User {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.command(PROGRAM);
        command.args(args).args(["--kms", &self.kms]).envs(self.variables.iter().cloned());
        command
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        feed(self.command(args), input)
    }

    fn must(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input);
        let talk = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {talk}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Everything that the program asks of a KMS for a tenant: a check, the sentinel, a new data
    /// key, opening it, wrapping one that another KMS made.
    fn does_everything(&self) {
        self.must(&["kms", "check"], "");
        self.must(&["init"], "");
        self.must(&["store", "openai", "--tenant", "acme"], "sk-test-first");
        assert_eq!(self.must(&["get", "openai", "--tenant", "acme"], ""), "sk-test-first");
        let local = self.local();
        self.must(&["store", "openai", "--tenant", "acme", "--kms", &local], "sk-test-second");
        assert_eq!(self.must(&["get", "openai", "--tenant", "acme"], ""), "sk-test-second");
        self.must(&["doctor"], "");
    }

    /// A local master key, as the setting that names it. Named first it makes the data keys, and
    /// the user's KMS only wraps them.
    fn local(&self) -> String {
        let path = self.sandbox.path().join("other.key");
        let mut options = File::options();
        options.create(true).truncate(true).write(true).mode(0o600);
        options.open(&path).unwrap().write_all(&[7; 32]).unwrap();
        format!("local:{}", path.display())
    }

    /// The command must be denied, with a hint that has this word.
    fn denied(&self, args: &[&str], word: &str) {
        let output = self.run(args, "sk-test-denied");
        let talk =
            String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(matches!(output.status.code(), Some(5 | 9)), "{args:?}: {talk}");
        assert!(talk.contains("kms_denied"), "{args:?}: {talk}");
        assert!(talk.contains(word), "{word}: {talk}");
    }
}

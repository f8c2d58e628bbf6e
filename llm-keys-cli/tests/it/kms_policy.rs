//! What `kms policy` prints, on servers that check it: enough for everything that the program does,
//! and without any part of it something is denied.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Output};

use serde_json::Value;

use crate::sandbox::{PROGRAM, Sandbox, feed};

mod aws;
mod http;
#[path = "../../../llm-keys/tests/it/kms_aws/iam.rs"]
mod iam;
mod recorder;
mod server;
mod vault;

/// What a KMS key is there for, and so what else the settings name.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Case {
    Alone,
    WithOthers,
    Reads,
}

/// What `kms policy` prints for `kms` and the tenant `acme`.
fn printed(kms: &str, case: Case) -> String {
    let acme = ["kms", "policy", "--json", "--tenant", "acme"];
    let other = "local:/another.key";
    let more = match case {
        Case::Alone => vec!["--kms", kms],
        Case::WithOthers => vec!["--kms", other, "--kms", kms],
        Case::Reads => vec!["--kms", other, "--kms-read", kms],
    };
    let list = Sandbox::new().must(&[&acme[..], &more].concat(), "");
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    let own = list.into_iter().find(|one| one["scheme"] != "local").unwrap();
    own["text"].as_str().unwrap().to_owned()
}

/// The program as one user of a KMS runs it.
struct User {
    sandbox: Sandbox,
    kms: String,
    variables: Vec<(&'static str, String)>,
}

impl User {
    /// With the user's KMS before all others.
    fn command(&self, args: &[&str]) -> Command {
        self.command_with(&["--kms", &self.kms], args)
    }

    fn command_with(&self, kms: &[&str], args: &[&str]) -> Command {
        let mut command = self.sandbox.command(PROGRAM);
        command.args(kms).args(args).envs(self.variables.iter().cloned());
        command
    }

    fn must(&self, args: &[&str], input: &str) -> String {
        succeeded(args, feed(self.command(args), input))
    }

    fn must_with(&self, kms: &[&str], args: &[&str], input: &str) -> String {
        succeeded(args, feed(self.command_with(kms, args), input))
    }

    /// The same files for a user with other credentials.
    fn leaves_to(self, other: &Self) -> Self {
        Self { variables: other.variables.clone(), ..self }
    }

    /// Everything that the program asks of a KMS for a tenant: a check, the sentinel, a new data
    /// key, opening it, and with others wrapping one that another KMS made.
    fn does_everything(&self, case: Case) {
        let local = self.local();
        let orders: &[&[&str]] = match case {
            Case::Alone => &[&["--kms", &self.kms]],
            Case::WithOthers => {
                &[&["--kms", &local, "--kms", &self.kms], &["--kms", &self.kms, "--kms", &local]]
            }
            Case::Reads => panic!("see `reads_everything`"),
        };
        for kms in orders {
            self.must_with(kms, &["kms", "check"], "");
            self.must_with(kms, &["init"], "");
            self.must_with(kms, &["store", "openai", "--tenant", "acme"], "sk-test");
            // What this KMS alone opens.
            assert_eq!(self.must(&["get", "openai", "--tenant", "acme"], ""), "sk-test");
            self.must_with(kms, &["doctor"], "");
            // The next one makes a sentinel of its own.
            std::fs::remove_dir_all(self.sandbox.home()).unwrap();
        }
    }

    /// Stores a key, and makes the sentinel, under the user's KMS alone.
    fn stores(&self) {
        self.must(&["init"], "");
        self.must(&["store", "openai", "--tenant", "acme"], "sk-test");
    }

    /// Opens what [`Self::stores`] has stored, the sentinel first.
    fn reading(&self, args: &[&str]) -> Output {
        let kms = ["--kms", &self.local(), "--kms-read", &self.kms];
        let mut command = self.command_with(&kms, args);
        command.env("LLM_KEYS_CHECK_ON_START", "true");
        feed(command, "")
    }

    fn reads_everything(&self) {
        let get = ["get", "openai", "--tenant", "acme"];
        assert_eq!(succeeded(&get, self.reading(&get)), "sk-test");
        for args in [&["kms", "check"][..], &["doctor"]] {
            succeeded(args, self.reading(args));
        }
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
        denied(args, &feed(self.command(args), "sk-test-denied"), word);
    }

    fn denied_with(&self, kms: &[&str], args: &[&str], word: &str) {
        denied(args, &feed(self.command_with(kms, args), "sk-test-denied"), word);
    }
}

fn succeeded(args: &[&str], output: Output) -> String {
    let talk = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {talk}{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn denied(args: &[&str], output: &Output, word: &str) {
    let talk = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(matches!(output.status.code(), Some(5 | 9)), "{args:?}: {talk}");
    assert!(talk.contains("kms_denied"), "{args:?}: {talk}");
    assert!(talk.contains(word), "{word}: {talk}");
}

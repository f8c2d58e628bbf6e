//! `import …` and `export …`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::OwnerArgs;

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The file; it is read once, so that a pipe such as `<(…)` will do.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the file is; by its name if left out.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Store this variable of a `.env` file as the key for a service; may be given several times.
    #[arg(long, value_name = "VAR=SERVICE[/NAME]")]
    pub(crate) map: Vec<String>,
    #[command(flatten)]
    pub(crate) owner: OwnerArgs,
    /// Whose installation the keys are for, where several share one database.
    #[arg(long, value_name = "TENANT", default_value = "default", hide_default_value = true)]
    pub(crate) tenant: String,
    #[command(flatten)]
    pub(crate) legacy: LegacyArgs,
    /// Open an age file with the identities in this file; otherwise with a passphrase.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Read the passphrase of an age file from this file instead of the terminal.
    #[arg(long, value_name = "FILE", conflicts_with = "identity")]
    pub(crate) age_passphrase_file: Option<PathBuf>,
    /// Store a new version of keys that are there with another value; they are left alone otherwise.
    #[arg(long)]
    pub(crate) update: bool,
    /// Store what is good although some rows are bad; otherwise nothing is stored then.
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// Pass over columns and fields that are not known.
    #[arg(long)]
    pub(crate) ignore_unknown: bool,
    /// Show what would be stored, and store nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// What another program sealed, and how.
#[derive(Args, Debug)]
#[command(next_help_heading = "From another program's storage")]
pub(crate) struct LegacyArgs {
    /// How the keys of a CSV or JSONL file are sealed.
    #[arg(long, value_enum, value_name = "CIPHER", default_value = "plain")]
    pub(crate) from_cipher: FromCipher,
    /// The other program's key, for `gcm-hex` and `fernet`; asked for on a terminal otherwise.
    #[arg(long, value_name = "FILE")]
    pub(crate) legacy_key_file: Option<PathBuf>,
    /// The environment variable that holds that key.
    #[arg(long, value_name = "VAR", conflicts_with = "legacy_key_file")]
    pub(crate) legacy_key_env: Option<String>,
    /// The KMS key that `kms` is opened with: an ARN, an alias or an id. Without it AWS takes the one
    /// that the bytes name, which may be somebody else's.
    #[arg(long, value_name = "KEY")]
    pub(crate) legacy_kms_key: Option<String>,
    /// What was sealed is a JSON object, and the key is this member of it; the others are left
    /// behind.
    #[arg(long, value_name = "MEMBER")]
    pub(crate) key_field: Option<String>,
    /// Whose a key with the `user_id` `global` is: some programs wrote that for keys of nobody,
    /// where it cannot be told from a user of that name.
    #[arg(long, value_enum, value_name = "WHOSE")]
    pub(crate) global_user_id: Option<GlobalUserId>,
}

/// What a file to import is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// Lines `NAME=VALUE`, as in a `.env` file.
    Env,
    /// Comma-separated values under a line of column names.
    Csv,
    /// A JSON object on each line.
    Jsonl,
    /// A backup made by `llm-keys export`, or JSONL sealed by age.
    Age,
}

/// How another program sealed its keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum FromCipher {
    /// Not at all.
    Plain,
    /// AES-256-GCM as `iv:tag:ciphertext`, each in hexadecimal digits.
    GcmHex,
    /// Fernet tokens.
    Fernet,
    /// AWS KMS ciphertexts with the encryption context `{service, user_id}`.
    Kms,
}

/// Whose a key with the user id `global` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum GlobalUserId {
    /// Everybody's.
    Everybody,
    /// That of a user who is called so.
    User,
}

#[derive(Args, Debug)]
#[group(id = "whom", required = true, multiple = true, args = ["recipients", "recipients_file", "passphrase", "age_passphrase_file"])]
pub(crate) struct ExportArgs {
    /// The age file to make; one that is there is never replaced.
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) to_age: PathBuf,
    /// Seal it for this recipient, `age1…`; may be given several times.
    #[arg(long = "recipient", value_name = "RECIPIENT")]
    pub(crate) recipients: Vec<String>,
    /// Seal it for the recipients in this file, one on a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) recipients_file: Option<PathBuf>,
    /// Seal it by a passphrase, which is asked for twice.
    #[arg(long, conflicts_with_all = ["recipients", "recipients_file"])]
    pub(crate) passphrase: bool,
    /// Seal it by the passphrase in this file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["recipients", "recipients_file"])]
    pub(crate) age_passphrase_file: Option<PathBuf>,
    /// Only keys for this service.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    #[command(flatten)]
    pub(crate) owner: OwnerArgs,
    /// Only keys that belong to everybody.
    #[arg(long, conflicts_with_all = ["user", "team"])]
    pub(crate) global: bool,
    /// Keys of this tenant.
    #[arg(long, value_name = "TENANT", default_value = "default", hide_default_value = true)]
    pub(crate) tenant: String,
    /// Leave out keys that are inactive or expired, which are not given out; otherwise they are a
    /// failure.
    #[arg(long)]
    pub(crate) skip_unusable: bool,
}

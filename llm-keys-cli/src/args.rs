//! The command line: every command and option, whose doc comments are the reference text.
//!
//! Texts stay texts here. They are parsed by the engine later, whose errors never repeat what was
//! typed: it may be a key in the wrong place.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::backup::{
    ExportArgs, Format, FromCipher, GlobalUserId, ImportArgs, LegacyArgs,
};
pub(crate) use self::key::{KeyArgs, OwnerArgs};
pub(crate) use self::kms::{
    AllowArgs, BackupArgs, KmsCommand, LocalCommand, PolicyArgs, RestoreArgs, RewrapArgs,
};
pub(crate) use self::life::{
    DeleteArgs, HistoryArgs, PruneArgs, ReasonArgs, RollbackArgs, RotateArgs, UndeleteArgs,
};
pub(crate) use self::list::{ListArgs, ShowArgs};
pub(crate) use self::migrate::{MigrateCommand, MigrateDownArgs};
pub(crate) use self::reseal::ResealArgs;
pub(crate) use self::resolve::ResolveArgs;
pub(crate) use self::run::RunArgs;
pub(crate) use self::secret::KeySourceArgs;
pub(crate) use self::verify::VerifyArgs;

mod backup;
mod key;
mod kms;
mod life;
mod list;
mod migrate;
mod reseal;
mod resolve;
mod run;
mod secret;
mod verify;

/// Store API keys sealed, and read them back.
///
/// Keys are sealed by envelope encryption under a master key or a KMS, and bound to the service and
/// owner they are for. With no configuration at all they lie in an SQLite file in your data folder
/// (`$XDG_DATA_HOME/llm-keys/keys.db`), under a master key file in your configuration folder
/// (`$XDG_CONFIG_HOME/llm-keys/master.key`), or both under `LLM_KEYS_HOME`.
///
/// Data goes to standard output, everything else to standard error.
#[derive(Parser, Debug)]
#[command(name = "llm-keys", version, max_term_width = 100, after_long_help = EXIT_CODES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Default, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Read settings from this TOML file.
    ///
    /// Otherwise from `config.toml` in the configuration folder, if it is there; never from the
    /// working directory.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the keys are stored, such as `sqlite:/var/lib/llm-keys/keys.db`,
    /// `postgres://HOST/DATABASE` or `mysql://HOST/DATABASE`.
    ///
    /// A URL with a password belongs into the variable or the settings: others can see arguments.
    /// Otherwise `LLM_KEYS_DATABASE_URL`, then `DATABASE_URL`, then `database` of the settings,
    /// then `keys.db` in the data folder.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// Which KMS key seals, such as `local:/etc/llm-keys/master.key`; may be given several times.
    ///
    /// Otherwise `LLM_KEYS_KMS` (separated by commas), then `kms` of the settings, then
    /// `master.key` in the configuration folder.
    #[arg(long, global = true, value_name = "URI")]
    pub(crate) kms: Vec<String>,
    /// A KMS key that only reads, after those that seal; may be given several times.
    ///
    /// For what was sealed before the KMS key was changed. Otherwise `LLM_KEYS_KMS_READ` (separated
    /// by commas), then `kms_read` of the settings.
    #[arg(long, global = true, value_name = "URI")]
    pub(crate) kms_read: Vec<String>,
    /// Store a key when at least this many of the KMS keys seal it and the others are out of reach;
    /// all of them if left out.
    ///
    /// What lacks one is marked, so that it can be sealed under that one later. Otherwise
    /// `LLM_KEYS_KMS_QUORUM`, then `kms_quorum` of the settings.
    #[arg(long, global = true, value_name = "N", allow_hyphen_values = true)]
    pub(crate) kms_quorum: Option<String>,
    /// Read the passphrase of a passphrase master key from this file instead of the terminal.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Append an event as a line of JSON to this file for each operation on a key; if that fails,
    /// so does the operation.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// Write JSON: one document to standard output, one line for each message or error to standard
    /// error.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log to standard error: `-v` what is done, `-vv` how; `RUST_LOG` says it more exactly.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make the folders, the master key and the database.
    ///
    /// What is there already is left as it is, so that it can be run again at any time. Other
    /// commands that need them make them on first use; `init` also says where everything is and
    /// what to back up.
    Init(InitArgs),
    /// Store a key, or a new version of it.
    ///
    /// The key is asked for on a terminal (hidden), and read from standard input otherwise; one
    /// newline at its end is dropped. The same goes for `--key-file`. A key is 1 byte to 16 KiB
    /// without NUL bytes.
    #[command(visible_alias = "set")]
    Store(StoreArgs),
    /// Print a key.
    ///
    /// On a pipe or into a file: the bytes of the key and nothing else, not even a newline. On a
    /// terminal only its last four characters, unless `--show` is given.
    Get(GetArgs),
    /// Say whose key a user gets for a service, and why; without the secret.
    ///
    /// The key is opened as for `get`, so that one that cannot be used is found, and the read is
    /// recorded. Only the lack of a key leads to the next one: one that is inactive, expired or
    /// damaged ends the search with its error.
    Resolve(ResolveArgs),
    /// List keys, without secrets.
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Print what is known about a key, without the secret.
    Show(ShowArgs),
    /// Stop giving out a key, until it is activated again.
    Deactivate(ChangeArgs),
    /// Give out a key again that was deactivated.
    Activate(ChangeArgs),
    /// Print all versions of a key, newest first, without secrets: who wrote each, when, and why.
    ///
    /// Also of a deleted key. The current version is marked with `*`.
    History(HistoryArgs),
    /// Go back to an old version: what it holds becomes current again, as the newest version.
    ///
    /// Expiry, labels and rotation rule stay as they are. Asks on a terminal; needs `--yes`
    /// otherwise.
    Rollback(RollbackArgs),
    /// Replace a key by a new one, while the old one is still good at its service.
    ///
    /// Takes the new key as `store` does. Readers get the old one until the new one is stored, and
    /// the new one from then on.
    Rotate(RotateArgs),
    /// Shred the oldest versions of a key.
    ///
    /// Versions that are pending, or still good at their service, are kept in any case, and the
    /// history keeps a line of each. Asks on a terminal; needs `--yes` otherwise.
    Prune(PruneArgs),
    /// Delete a key.
    ///
    /// It is not given out any more, and purged when it cannot be undeleted any longer. Asks on a
    /// terminal; needs `--yes` otherwise.
    #[command(visible_alias = "rm")]
    Delete(DeleteArgs),
    /// Take back that a key was deleted.
    Undelete(UndeleteArgs),
    /// Do what is due now: purge deleted keys whose time is over, and tell by an event of keys that
    /// expired or are to be rotated.
    ///
    /// For all tenants. `store`, `rotate` and `delete` do a little of it each time, so that nobody
    /// has to run this. It needs no KMS.
    Tend,
    /// Seal a key anew, with a new data key.
    ///
    /// For when a data key may have become known, though not the API key itself: then revoke and
    /// replace that. The secret and its version numbers stay. It is for one key or, with `--all`, for
    /// every key of every tenant.
    Reseal(ResealArgs),
    /// Store the keys of a file: `.env`, CSV, JSONL, or a backup.
    ///
    /// Shows what it would store and asks; needs `--yes` where nobody can be asked. Keys that are
    /// there with another value are left alone unless `--update` is given. If a row is bad, nothing
    /// is stored, unless `--skip-bad` is given. A run that was broken off goes on when it is run
    /// again. Of keys only the last four characters are ever shown.
    Import(ImportArgs),
    /// Write a backup of keys, sealed by age, for `import` to read.
    ///
    /// Holds the current version of each key with its id, labels, settings and expiry. Each key that
    /// goes into it is recorded as read.
    Export(ExportArgs),
    /// Run a program with keys in its environment.
    ///
    /// The program takes the place of this one, so that signals, terminal and exit code are its own.
    /// It gets the environment of this process with the keys, and without the variables that begin
    /// with `LLM_KEYS_`. If it is not started, the exit code is 125 (it is not to blame: a key is
    /// missing, the KMS failed), 126 (it cannot be executed) or 127 (there is no such program).
    Run(RunArgs),
    /// Look at every row, and say which are not as they were written.
    ///
    /// Of all tenants and states: MACs, versions, envelopes. It stops at no bad row, and changes
    /// nothing. With `--checkpoint` it also finds what is older than it was: a key, or the whole
    /// database, that somebody put back. With `--accept` rows that are refused are signed anew as they
    /// are now, once you have looked at them. Ends with exit code 7 if anything is wrong.
    /// `docs/guides/verify.md` says what to do then.
    Verify(VerifyArgs),
    /// Check settings, folders, database and KMS, and that stored keys open.
    ///
    /// If stored keys open, it also opens the sentinel, a sealed record that tells the right KMS
    /// from a wrong one. Where there is none it is made, if nothing was ever stored or at least one
    /// key was opened. Ends with exit code 9 if any check failed.
    Doctor,
    /// Show in a temporary folder what happens to a key; touches nothing of yours.
    Demo,
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
    /// Look after the KMS.
    #[command(subcommand)]
    Kms(KmsCommand),
    /// Look after the tables of the database.
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// The commands `store` and `list` in another spelling.
    #[command(subcommand, hide = true)]
    Keys(KeysCommand),
    /// Write the reference pages into a folder.
    #[command(name = "__reference", hide = true)]
    Reference(ReferenceArgs),
}

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// Protect the master key by a passphrase, which is asked for twice (or read from
    /// `--passphrase-file`), instead of by the mode of its file alone.
    #[arg(long)]
    pub(crate) passphrase: bool,
}

#[derive(Args, Debug)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) how: StoreHowArgs,
}

#[derive(Args, Debug)]
pub(crate) struct StoreHowArgs {
    #[command(flatten)]
    pub(crate) source: KeySourceArgs,
    /// Stop giving out this version after a time such as `90d`, `36h` or `30m` (a day is 24 hours),
    /// or at a moment such as `2030-01-31T12:00:00Z`; never if left out.
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub(crate) expires: Option<String>,
    /// Replace the key this often, such as `90d`: it is due then, and `list --due` shows it; 0 takes
    /// that back. If left out, the key keeps the rule it has.
    #[arg(long, value_name = "DAYS", allow_hyphen_values = true)]
    pub(crate) rotate_every: Option<String>,
    /// A mark for people and filters; may be given up to 16 times. If left out, the key keeps the
    /// labels it has.
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<String>,
    /// Store only if this is the current version; 0: only if there is no such key.
    #[arg(long, value_name = "N")]
    pub(crate) expect_version: Option<String>,
    #[command(flatten)]
    pub(crate) why: ReasonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Print the key on a terminal, too.
    #[arg(long)]
    pub(crate) show: bool,
    /// Print this version instead of the current one.
    #[arg(long, value_name = "N")]
    pub(crate) version: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// For which shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub(crate) struct ReferenceArgs {
    /// Into which folder.
    pub(crate) folder: PathBuf,
}

#[derive(Subcommand, Debug)]
pub(crate) enum KeysCommand {
    /// As `llm-keys store SERVICE`.
    Store(KeysStoreArgs),
    /// As `llm-keys list`.
    List(ListArgs),
}

#[derive(Args, Debug)]
pub(crate) struct KeysStoreArgs {
    /// What the key opens, such as `anthropic`.
    #[arg(long, value_name = "SERVICE", required = true)]
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) whose: key::WhoseArgs,
    #[command(flatten)]
    pub(crate) how: StoreHowArgs,
}

/// What every help text ends with.
const EXIT_CODES: &str = "\
Exit codes:
  0  it worked
  1  another failure
  2  wrong usage or input
  3  there is no such key
  4  the key is inactive or expired
  5  the KMS failed, or the master key is missing or the wrong one
  6  the database failed
  7  stored bytes are damaged, or were moved from where they belong
  8  somebody else changed the key first
  9  a check failed";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_exit_code_is_in_the_help() {
        for exit in crate::exit::Exit::ALL {
            let line = format!("\n  {}  ", exit.code());
            assert!(EXIT_CODES.contains(&line), "{line}");
        }
    }
}

//! `kms …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Subcommand, Debug)]
pub(crate) enum KmsCommand {
    /// Try every KMS key of the settings: whether it is reached, permitted, and opens what it
    /// sealed, and how long that takes.
    ///
    /// Ends with exit code 9 if any of them failed.
    Check,
    /// Print the least rights that each KMS key of the settings needs, ready to paste.
    ///
    /// Nothing is asked of the KMS.
    Policy(PolicyArgs),
    /// Read with KMS keys that the settings do not name.
    ///
    /// For what was sealed before an alias was pointed elsewhere by a program that did not remember
    /// it, or under a key in another account or region. What an alias of the settings means is
    /// remembered without this. Each URI is taken as `--kms` takes it; it must be reached by a KMS
    /// key of the settings, with the same credentials. The list is sealed in the database, for all
    /// programs that use it.
    Allow(AllowArgs),
    /// List the KMS keys that are read with beside those of the settings: what aliases have meant,
    /// and what was allowed.
    Allowed,
    /// Look after the master key of this machine.
    #[command(subcommand)]
    Local(LocalCommand),
}

#[derive(Args, Debug)]
pub(crate) struct PolicyArgs {
    /// Only for the keys of this tenant, where the KMS can tell.
    #[arg(long, value_name = "TENANT", default_value = "default", hide_default_value = true)]
    pub(crate) tenant: String,
}

#[derive(Args, Debug)]
pub(crate) struct AllowArgs {
    /// The KMS keys, such as `aws-kms:arn:aws:kms:…:key/…`.
    #[arg(value_name = "URI", required_unless_present = "start_over")]
    pub(crate) keys: Vec<String>,
    /// Begin a new list, because the KMS key is gone that the old one was sealed under.
    ///
    /// Replaces the list and the sentinel where they cannot be opened because their key is missing,
    /// disabled or none of the settings; never one that opens, and never while a KMS is out of
    /// reach. The new list has the keys that are written under now, and each URI. Keys that an alias
    /// meant before are forgotten: allow those that are still needed. Asks first at a terminal.
    #[arg(long)]
    pub(crate) start_over: bool,
    /// Do not ask.
    #[arg(long, requires = "start_over")]
    pub(crate) yes: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum LocalCommand {
    /// Copy the master key to a new file, to be kept apart from the database.
    Backup(BackupArgs),
    /// Put a backup in the place of a missing master key.
    Restore(RestoreArgs),
    /// Make a new master key for what is stored from now on; the old one is kept to read what is
    /// there.
    Rotate,
}

#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    /// The file to make; one that is there is never replaced.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Seal the backup by a passphrase, which is asked for twice (or read from
    /// `--passphrase-file`).
    #[arg(long)]
    pub(crate) passphrase: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

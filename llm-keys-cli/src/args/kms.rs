//! `kms …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use llm_keys::manager::RewrapOptions;
use llm_keys::{Error, PageSize, Result};

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
    /// Wrap everything under another KMS key, or under a rotated one.
    ///
    /// Every data key is unwrapped and wrapped again: those of all versions of all tenants, and of
    /// the records of llm-keys itself. The sealed secrets stay as they are, and programs that read
    /// and write meanwhile notice nothing. It can be broken off at any time, even by a crash: run
    /// it again, and it goes on where it was. `docs/guides/rotate-the-kms-key.md` says it step by
    /// step.
    ///
    /// What cannot be wrapped is left as it is and named at the end; then it does not end with 0.
    Rewrap(RewrapArgs),
    /// Look after the master key of this machine.
    #[command(subcommand)]
    Local(LocalCommand),
}

#[derive(Args, Debug)]
pub(crate) struct RewrapArgs {
    /// Under which KMS key, as `--kms` takes it; may be given several times. Those of the settings
    /// if left out.
    ///
    /// Afterwards everything is wrapped under exactly these.
    #[arg(long, value_name = "URI")]
    pub(crate) to: Vec<String>,
    /// With which KMS key to read what is there; may be given several times. All those of the
    /// settings if left out.
    #[arg(long, value_name = "URI")]
    pub(crate) from: Vec<String>,
    /// Only say what there is to do, and what cannot be opened.
    #[arg(long)]
    pub(crate) plan: bool,
    /// Wrap also what is under the right KMS key already: after the KMS has rotated a key that kept
    /// its name.
    #[arg(long)]
    pub(crate) all: bool,
    /// Let the KMS unwrap each new copy before it is stored: one more call for each.
    #[arg(long)]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) walk: WalkArgs,
}

/// How to walk over everything.
#[derive(Args, Debug)]
pub(crate) struct WalkArgs {
    /// Read, and write, so many at a time: 1 to 1000.
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) batch: String,
    /// Make so many calls of the KMS at once: 1 to 256.
    #[arg(long, value_name = "N", default_value = "16")]
    pub(crate) concurrency: String,
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

impl WalkArgs {
    /// The options these arguments mean.
    ///
    /// # Errors
    /// `InvalidInput` if a number is out of its bounds.
    pub(crate) fn options(&self) -> Result<RewrapOptions> {
        let bad = |what| Error::invalid("cli.walk", what);
        let batch = self.batch.parse().ok().and_then(|size| PageSize::new(size).ok());
        let batch = batch.ok_or_else(|| bad("--batch takes a number from 1 to 1000"))?;
        let at_once = self.concurrency.parse().ok().filter(|number| (1..=256).contains(number));
        let at_once = at_once.ok_or_else(|| bad("--concurrency takes a number from 1 to 256"))?;
        Ok(RewrapOptions::default().page(batch).at_once(at_once))
    }
}

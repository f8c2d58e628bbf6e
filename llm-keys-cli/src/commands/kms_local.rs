//! `kms local backup`, `restore` and `rotate`.

use std::path::PathBuf;

use llm_keys::SystemRandom;
use llm_keys::kms::local::{self, PassphraseCost};
use serde_json::json;

use crate::args::{BackupArgs, RestoreArgs};
use crate::connect::{Connect, MasterKeyPlace};
use crate::failure::{Failure, Result};

pub(crate) fn backup(args: &BackupArgs, connect: &Connect<'_>) -> Result<()> {
    let path = master_key(connect)?;
    let seal = if args.passphrase { Some(connect.passphrases().new_one()?) } else { None };
    let seal = seal.as_ref().map(|passphrase| (passphrase, PassphraseCost::default()));
    let sealed = seal.is_some();
    let keys = local::backup(&path, &args.file, seal, &SystemRandom)?;
    let (to, many) = (args.file.display(), if keys == 1 { "key" } else { "keys" });
    let advice = if sealed { "" } else { ": whoever has it can open the database" };
    connect.output().done(
        &format!("backed up {keys} master {many} to {to}; keep it apart from the database{advice}"),
        &json!({ "file": args.file, "keys": keys, "sealed": sealed }),
    )
}

pub(crate) fn restore(args: &RestoreArgs, connect: &Connect<'_>) -> Result<()> {
    let path = master_key(connect)?;
    let settings = connect.settings();
    if settings.kms.is_empty() {
        settings.home.create()?;
    }
    let passphrases = connect.passphrases();
    let ask = || passphrases.known(&args.file);
    let restored = local::restore(&args.file, &path, &ask, &SystemRandom)?;
    let (uri, path) = (&restored.uri, path.display());
    let text = match restored.made.len() {
        0 => format!("{uri} was in its place already: {path}"),
        _ => format!("put {uri} back: {path}"),
    };
    connect.output().done(&text, &json!({ "uri": uri.as_str(), "made": restored.made }))
}

pub(crate) fn rotate(connect: &Connect<'_>) -> Result<()> {
    let rotated = local::rotate(master_key(connect)?, &SystemRandom)?;
    let (new, old, kept) = (&rotated.uri, &rotated.older, rotated.kept.display());
    connect.output().done(
        &format!(
            "{new} seals from now on; {old} stays at {kept} to read what is there\n\
             back up again: `llm-keys kms local backup FILE`"
        ),
        &json!({ "uri": new.as_str(), "older": old.as_str(), "kept": rotated.kept }),
    )
}

/// The master key file of the settings.
fn master_key(connect: &Connect<'_>) -> Result<PathBuf> {
    let places = MasterKeyPlace::all(connect.settings());
    match places.as_slice() {
        [MasterKeyPlace::File(path)] => Ok(path.clone()),
        [MasterKeyPlace::Passphrase(path)] => {
            let path = path.display();
            Err(Failure::usage("the master key is made from a passphrase")
                .with_hint(format!("back up {path} by copying it, and remember the passphrase")))
        }
        [MasterKeyPlace::Elsewhere(_)] => Err(Failure::usage("the KMS key is not on this machine")),
        _ => Err(Failure::usage("there are several KMS keys")
            .with_hint("name the master key: `--kms local:/path/to/master.key`")),
    }
}

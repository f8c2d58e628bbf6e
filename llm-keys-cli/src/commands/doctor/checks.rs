//! The checks, each of which looks for itself and, but for the sentinel, changes nothing that
//! lasts.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use llm_keys::error::KmsFault;
use llm_keys::kms::KmsSet;
use llm_keys::manager::Sentinel;
use llm_keys::store::{KeyStore as _, MemoryStore};
use llm_keys::{Error, ErrorKind, KeyFilter, PageSize, SecureKeyManager as _};
use llm_keys_diesel::DieselStore;

use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::settings::Origin;

/// Which settings hold, and who said so.
pub(super) fn settings(connect: &Connect<'_>) -> String {
    let settings = connect.settings();
    let from = |origin: &Origin| match origin {
        Origin::Flag => "the command line".to_owned(),
        Origin::Variable(name) => (*name).to_owned(),
        Origin::File => "the settings file".to_owned(),
        Origin::Default => "default".to_owned(),
    };
    let file = match &settings.file {
        Some(file) => format!("read from {}", file.display()),
        None => "no file".to_owned(),
    };
    let (database, kms) = (from(&settings.database_from), from(&settings.kms_from));
    format!("{file}; database: {database}; KMS: {kms}")
}

/// Whether nobody else can look into the folders of the embedded default.
pub(super) fn folders(connect: &Connect<'_>) -> Result<String> {
    let home = &connect.settings().home;
    let files = [home.database(), home.master_key()];
    let mut folders: Vec<_> = files.iter().filter_map(|file| file.parent()).collect();
    folders.dedup();
    let mut shown = Vec::new();
    for folder in folders {
        shown.push(format!("{} ({})", folder.display(), mode(folder)?));
    }
    Ok(shown.join(", "))
}

fn mode(folder: &Path) -> Result<String> {
    let shown = folder.display();
    let found = match std::fs::metadata(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok("not there yet".to_owned());
        }
        Err(error) => {
            return Err(Failure::io("cli.doctor", format!("{shown} cannot be looked at"), error));
        }
    };
    if !found.is_dir() {
        return Err(Failure::usage(format!("{shown} is not a folder")));
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(Failure::usage(format!("others may write in {shown} (mode {mode:04o})"))
            .with_hint(format!("run `chmod go-w {shown}`")));
    }
    Ok(format!("mode {mode:04o}"))
}

/// Whether the database opens and has the tables of this program.
pub(super) async fn database(connect: &Connect<'_>) -> Result<(DieselStore, String)> {
    let shown = connect.settings().database_shown();
    let Some(store) = connect.store_if_there().await? else {
        return Err(
            Failure::usage(format!("{shown} is not there")).with_hint("`llm-keys init` makes it")
        );
    };
    store.key_list(&KeyFilter::default(), None, PageSize::new(1)?).await?;
    Ok((store, format!("{shown} opens, with tables that this version knows")))
}

/// Whether a made-up value can be sealed and opened, in memory.
pub(super) async fn sealing(connect: &Connect<'_>, kms: KmsSet) -> Result<String> {
    let keys = connect.quiet_manager(kms, MemoryStore::default()).await?;
    // A record of the program's own and no key: who may use the keys of one tenant only may seal it.
    let (first, second) = (keys.check_sentinel().await?, keys.check_sentinel().await?);
    if matches!((first, second), (Sentinel::Made, Sentinel::Opened)) {
        return Ok("a made-up value was sealed and opened".to_owned());
    }
    Err(Error::new(ErrorKind::Internal, "cli.doctor", "a made-up value did not come back").into())
}

/// Whether stored keys open: those of the first page of the default tenant. No key is shown, so
/// there is no event.
pub(super) async fn keys(connect: &Connect<'_>, kms: KmsSet, store: DieselStore) -> Result<String> {
    let page = store.key_list(&KeyFilter::default(), None, PageSize::default()).await?;
    let keys = connect.quiet_manager(kms, store).await?;
    let (mut opened, mut resting, mut broken) = (0, 0, Vec::new());
    for row in &page.items {
        match keys.refresh(&row.id).await {
            Ok(_) => opened += 1,
            Err(error) if matches!(error.kind(), ErrorKind::Inactive | ErrorKind::Expired) => {
                resting += 1;
            }
            Err(error) => broken.push((row.id.to_string(), error)),
        }
    }
    let more = if page.next.is_some() { " (the first page; there are more)" } else { "" };
    let Some((id, error)) = broken.first() else {
        return Ok(format!("{opened} open, {resting} inactive or expired{more}"));
    };
    let count = broken.len();
    let all = page.items.len();
    let kind = match error.kind() {
        // One key of another master key is no reason to doubt this one; all of them are.
        ErrorKind::Kms(KmsFault::WrongKey) if count == all => "none can be opened: ",
        _ => "",
    };
    Err(Failure::usage(format!("{kind}{count} of {all} do not open{more}; {id}: {error}"))
        .with_hint(error.hint().unwrap_or("restore the database from a backup").to_owned()))
}

/// Whether the sentinel opens. Where there is none it is made: only for a KMS that opened what is
/// stored, or a wrong one would be taken for the right one.
pub(super) async fn sentinel(
    connect: &Connect<'_>,
    kms: KmsSet,
    store: DieselStore,
) -> Result<String> {
    Ok(match connect.sentinel(kms, store).await? {
        Sentinel::Made => "there was none; it was sealed just now".to_owned(),
        _ => "the sealed record opens".to_owned(),
    })
}

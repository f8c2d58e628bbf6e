//! `export --to-age FILE`.

use std::io::Write as _;

use llm_keys::{
    EnvelopeKeyManager, ErrorKind, KeyFilter, KeyMetadata, KeyState, OpenOptions, OpenedContent,
    Owner, PageSize, SecureKeyManager as _, Service, Tenant,
};
use serde_json::json;

use super::show::check_verified;
use crate::args::ExportArgs;
use crate::connect::Connect;
use crate::export::{Target, encryptor, write_line};
use crate::failure::{Failure, Result};
use crate::import::BACKUP;
use crate::output::view::time;

pub(crate) async fn run(args: &ExportArgs, connect: &Connect<'_>) -> Result<()> {
    let filter = filter(args)?;
    let encryptor = encryptor(args)?;
    let output = connect.output();
    let none = || Failure::usage("there are no keys to export; nothing was written");
    let keys = connect.manager_if_there().await?.ok_or_else(none)?;
    // What lies beside a key goes into the backup, too, and from there under a new MAC.
    keys.open_row_macs(&filter.tenant).await?;
    let found = list(&keys, &filter).await?;
    check_verified(&found, true)?;
    let found: Vec<_> =
        found.into_iter().filter(|key| !matches!(key.state, KeyState::Deleted { .. })).collect();
    if found.is_empty() {
        return Err(none());
    }
    let failed = |error| {
        let file = args.to_age.display();
        Failure::io("cli.export", format!("{file} cannot be written"), error)
    };
    let mut out = encryptor.wrap_output(Target::make(&args.to_age)?).map_err(failed)?;
    let head = json!({ (BACKUP): 1, "created_at": time(super::now()) });
    writeln!(out, "{head}").map_err(failed)?;
    let (mut exported, mut left_out) = (0_u64, 0_u64);
    for about in found {
        let id = &about.id;
        let opened = match keys.open(id, &OpenOptions::default()).await {
            Ok(Some(opened))
                if Some(opened.version) != about.version || opened.record != about.record =>
            {
                let said = format!("{id} was changed since the export began; nothing was written");
                return Err(Failure::usage(said).with_hint("run it again"));
            }
            Ok(Some(opened)) => opened,
            // Deleted since it was listed.
            Ok(None) => continue,
            Err(error) => {
                let unusable = matches!(error.kind(), ErrorKind::Inactive | ErrorKind::Expired);
                if unusable && args.skip_unusable {
                    output.warn(&format!("{id} is left out: {error}"));
                    left_out += 1;
                    continue;
                }
                let hint = match (unusable, error.hint()) {
                    (true, _) => {
                        format!("this is about {id}; `--skip-unusable` leaves such keys out")
                    }
                    (false, Some(hint)) => format!("this is about {id}: {hint}"),
                    (false, None) => format!("this is about {id}"),
                };
                return Err(Failure::from(error).with_hint(hint));
            }
        };
        let OpenedContent::Raw(key) = &opened.content else {
            return Err(Failure::usage(format!("{id} has several fields, and no single key")));
        };
        write_line(&mut out, &about, (key, opened.version, opened.expires_at)).map_err(failed)?;
        exported += 1;
    }
    out.finish().map_err(failed)?.keep()?;
    // That they were read now is no part of the backup.
    if let Err(error) = keys.shutdown().await {
        tracing::warn!(error = ?error, "the last uses could not be written");
    }
    let what = if exported == 1 { "key" } else { "keys" };
    let file = args.to_age.display().to_string();
    output.done(
        &format!("exported {exported} {what} to {file}"),
        &json!({ "file": file, "exported": exported, "left_out": left_out }),
    )
}

/// Deleted ones, too: a row that somebody edited to be deleted must not be missing unseen.
async fn list(keys: &EnvelopeKeyManager, filter: &KeyFilter) -> Result<Vec<KeyMetadata>> {
    let filter = &filter.clone().with_deleted();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let size = PageSize::new(PageSize::MAX)?;
        let page = keys.list_api_keys(filter, after.as_ref(), size).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

fn filter(args: &ExportArgs) -> Result<KeyFilter> {
    let mut filter = KeyFilter::of(Tenant::new(&args.tenant)?);
    let owner = if args.global { Some(Owner::Global) } else { args.owner.owner()? };
    if let Some(owner) = owner {
        filter = filter.owner(owner);
    }
    if let Some(service) = &args.service {
        filter = filter.service(Service::new(service)?);
    }
    Ok(filter)
}

//! `get SERVICE`.

use llm_keys::model::{Hint, VersionState};
use llm_keys::{
    ApiKey, EnvelopeKeyManager, KeyId, OpenOptions, Opened, OpenedContent, Owner,
    SecureKeyManager as _, Version, VersionMetadata,
};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::args::GetArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::output::view::time;

pub(crate) async fn run(args: &GetArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let version = args.version.as_ref().map(|text| text.parse::<Version>()).transpose()?;
    let mut options = OpenOptions::default();
    options.version = version;
    let missing = |id| match version {
        Some(version) => Failure::NoVersion(id, version),
        None => Failure::NotFound(id),
    };
    let Some(keys) = connect.manager_if_there().await? else { return Err(missing(id)) };
    let Some(opened) = keys.open(&id, &options).await? else {
        return match version {
            Some(version) if was_shredded(&keys, &id, version).await? => {
                Err(Failure::Shredded(id, version))
            }
            _ => Err(missing(id)),
        };
    };
    print(&id, &opened, args.show, connect.output())?;
    // That it was used now is no part of the key: a database that may only be read gives it, too.
    if let Err(error) = keys.shutdown().await {
        tracing::warn!(error = ?error, "the last use could not be written");
    }
    Ok(())
}

/// Whether `version` of a key that is not deleted was there once.
async fn was_shredded(keys: &EnvelopeKeyManager, id: &KeyId, version: Version) -> Result<bool> {
    if keys.key_metadata(id).await?.is_none() {
        return Ok(false);
    }
    let history = keys.key_history(id).await?.unwrap_or_default();
    let shredded =
        |row: &VersionMetadata| row.version == version && row.state == VersionState::Shredded;
    Ok(history.iter().any(shredded))
}

fn print(id: &KeyId, opened: &Opened, show: bool, output: &Output) -> Result<()> {
    let OpenedContent::Raw(key) = &opened.content else {
        return Err(Failure::usage("this credential has several fields, and no single key"));
    };
    let masked = output.is_terminal() && !show;
    if output.is_json() {
        let text = if masked { None } else { Some(json(id, opened, key)?) };
        return match text {
            Some(text) => output.bytes(&text),
            None => output.document(&View::new(id, opened, key)),
        };
    }
    if masked {
        let hint = Hint::of(key).map_or("(hidden)".to_owned(), |hint| hint.to_string());
        output.line(&hint)?;
        output.note("the key is hidden on a terminal: add `--show` to see it");
        return Ok(());
    }
    key.expose(|bytes| output.bytes(bytes))?;
    if output.is_terminal() { output.bytes(b"\n") } else { Ok(()) }
}

/// What is printed with `--json`; `key` only where it may be seen.
#[derive(Serialize)]
struct View<'a> {
    tenant: &'a str,
    owner: &'a Owner,
    service: &'a str,
    name: &'a str,
    version: u32,
    expires_at: Option<String>,
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

impl<'a> View<'a> {
    fn new(id: &'a KeyId, opened: &Opened, key: &ApiKey) -> Self {
        Self {
            tenant: id.tenant.as_str(),
            owner: &id.owner,
            service: id.service.as_str(),
            name: id.name.as_str(),
            version: opened.version.get(),
            expires_at: opened.expires_at.map(time),
            hint: Hint::of(key).map(|hint| hint.as_str().to_owned()),
            key: None,
        }
    }
}

/// One line of JSON with the key in it, in a buffer that never grows and is wiped.
fn json(id: &KeyId, opened: &Opened, key: &ApiKey) -> Result<Zeroizing<Vec<u8>>> {
    let room = key.expose(|key| key.len() * LONGEST_ESCAPE + ROOM_FOR_THE_REST);
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    let written = key.expose_str(|shown| {
        let view = View { key: Some(shown), ..View::new(id, opened, key) };
        serde_json::to_writer(&mut *text, &view)
    });
    let written = written.map_err(|error| {
        Failure::from(error).with_hint("JSON holds text only: read this key without `--json`")
    })?;
    written.map_err(|error| {
        Failure::io("output.write", "the JSON cannot be written".into(), error.into())
    })?;
    text.push(b'\n');
    Ok(text)
}

/// `\u0001`.
const LONGEST_ESCAPE: usize = 6;
const ROOM_FOR_THE_REST: usize = 4096;

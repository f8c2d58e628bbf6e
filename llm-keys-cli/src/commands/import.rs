//! `import FILE`.

use std::path::Path;

use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use llm_keys::{EnvelopeKeyManager, Owner, SecureKeyManager as _, Tenant};

use super::confirm::{Question, confirm};
use crate::args::{Format, ImportArgs};
use crate::connect::{Connect, Passphrases};
use crate::failure::{Failure, Result};
use crate::import::{
    Cipher, Counts, Defaults, Draft, Found, Planned, Refusal, Standing, Unopened, csv, identities,
    jsonl, open_age, plan, recognise, source, summary, table, write,
};
use crate::output::Output;

/// How many ciphertexts are opened at once, and how many lines are shown before there are too many.
const AT_ONCE: usize = 16;
const SHOWN: usize = 100;

pub(crate) async fn run(args: &ImportArgs, connect: &Connect<'_>) -> Result<()> {
    let output = connect.output();
    let mut found = read(args, output).await?;
    found.one_for_each_key();
    say(&found, output);
    if !found.bad.is_empty() && !args.skip_bad {
        if output.is_json() {
            output.document(&summary(&Counts::default(), &found.bad, &found.skipped))?;
        }
        let count = found.bad.len();
        let what = if count == 1 { "row is" } else { "rows are" };
        return Err(Failure::usage(format!("{count} {what} bad; nothing was stored"))
            .with_hint("`--skip-bad` stores the others"));
    }
    let there = connect.manager_if_there().await?;
    let planned = plan(std::mem::take(&mut found.rows), there.as_ref()).await?;
    let shown = if args.dry_run { planned.len() } else { planned.len().min(SHOWN) };
    if !planned.is_empty() {
        output.text(table(&planned[..shown], args.update).trim_end())?;
        if shown < planned.len() {
            output.text(&format!("… and {} more", planned.len() - shown))?;
        }
    }
    let mut counts = Counts { dry_run: args.dry_run, ..Counts::default() };
    let mut to_store: Vec<Planned> = Vec::new();
    for planned in planned {
        match planned.standing {
            Standing::Unchanged => counts.unchanged += 1,
            Standing::Other(_) if !args.update => counts.kept += 1,
            _ => to_store.push(planned),
        }
    }
    if args.dry_run {
        let new = to_store.iter().filter(|planned| planned.standing == Standing::New).count();
        counts.written.stored = new as u64;
        counts.written.updated = (to_store.len() - new) as u64;
    } else if !to_store.is_empty() {
        if !args.yes {
            let text = match to_store.len() {
                1 => "Store 1 key?".to_owned(),
                count => format!("Store {count} keys?"),
            };
            let why = "an import asks before it stores";
            confirm(&Question { text: &text, why, refused: "nothing was stored" }, output)?;
        }
        let keys = match there {
            Some(keys) => keys,
            None => connect.manager_or_make().await?,
        };
        counts.written = store(to_store, &keys, output).await?;
        keys.shutdown().await?;
    } else if let Some(keys) = there {
        keys.shutdown().await?;
    }
    let line = counts.line(found.bad.len());
    output.done(&line, &summary(&counts, &found.bad, &found.skipped))
}

async fn store(
    planned: Vec<Planned>,
    keys: &EnvelopeKeyManager,
    output: &Output,
) -> Result<crate::import::Written> {
    let bar = progress(planned.len() as u64, output);
    let written = write(planned, keys, || bar.inc(1)).await;
    bar.finish_and_clear();
    written.map_err(|failure| {
        let done = bar.position();
        failure.with_hint(format!("{done} keys were stored; run it again for the others"))
    })
}

/// A bar on a terminal, and nothing elsewhere.
fn progress(len: u64, output: &Output) -> ProgressBar {
    if output.is_json() {
        return ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// What is not stored, by line and reason.
fn say(found: &Found, output: &Output) {
    if output.is_json() {
        return;
    }
    for remark in &found.skipped {
        output.note(&format!(
            "line {}: {}passed over: {}",
            remark.line,
            name(&remark.variable),
            remark.reason
        ));
    }
    for remark in &found.bad {
        output.warn(&format!("line {}: {}{}", remark.line, name(&remark.variable), remark.reason));
    }
}

fn name(variable: &str) -> String {
    if variable.is_empty() { String::new() } else { format!("{variable}: ") }
}

async fn read(args: &ImportArgs, output: &Output) -> Result<Found> {
    let owner = args.owner.owner()?.unwrap_or(Owner::Global);
    let tenant = Tenant::new(&args.tenant)?;
    let format = args.format.map_or_else(|| format_of(&args.file), Ok)?;
    if format != Format::Env && !args.map.is_empty() {
        return Err(Failure::usage("`--map` is for `.env` files"));
    }
    let cipher = Cipher::of(&args.legacy).await?;
    let source = source::read(&args.file)?;
    if source.others_may_read && format != Format::Age {
        let file = args.file.display();
        output.warn(&format!(
            "others may read {file}: run `chmod 600 {file}`, and delete it when its keys are stored"
        ));
    }
    let defaults = Defaults {
        owner,
        tenant,
        global_user_id: args.legacy.global_user_id,
        ignore_unknown: args.ignore_unknown,
        now: super::now(),
    };
    let mut found = Found::default();
    let drafts = match format {
        Format::Env => {
            return recognise(&source.bytes, &args.map, &defaults.owner, &defaults.tenant);
        }
        Format::Csv => csv::read(&source.bytes, &defaults, &mut found)?,
        Format::Jsonl => jsonl::read(&source.bytes, &defaults, &mut found),
        Format::Age => {
            let with = args.identity.as_deref().map(identities).transpose()?;
            let passphrases = Passphrases::new(args.age_passphrase_file.clone());
            let ask = || passphrases.known(&args.file).map_err(Failure::from);
            let opened = open_age(&source.bytes, with, ask)?;
            jsonl::read(&opened, &defaults, &mut found)
        }
    };
    unseal(drafts, &cipher, &mut found).await?;
    Ok(found)
}

async fn unseal(drafts: Vec<Draft>, cipher: &Cipher, found: &mut Found) -> Result<()> {
    let opening = drafts.into_iter().map(|draft| async move {
        let key = cipher.open(&draft.sealed).await;
        (draft, key)
    });
    let mut opened = futures_util::stream::iter(opening).buffered(AT_ONCE);
    while let Some((draft, key)) = opened.next().await {
        let line = draft.line;
        let row = match key {
            Ok(key) => draft.with_key(key),
            Err(Unopened::Bad(reason)) => Err(Refusal::Bad(reason.to_owned())),
            Err(Unopened::All(failure)) => return Err(failure),
        };
        match row {
            Ok(row) => found.rows.push(row),
            Err(Refusal::Bad(reason)) => found.bad(line, "", reason),
            Err(Refusal::Skip(reason)) => found.skip(line, "", reason),
        }
    }
    drop(opened);
    found.bad.sort_by_key(|remark| remark.line);
    Ok(())
}

/// What a file is, by its name.
fn format_of(file: &Path) -> Result<Format> {
    let name = file.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase());
    let name = name.unwrap_or_default();
    let ends = |end: &str| name.ends_with(end);
    if ends(".csv") {
        Ok(Format::Csv)
    } else if ends(".jsonl") || ends(".ndjson") {
        Ok(Format::Jsonl)
    } else if ends(".age") {
        Ok(Format::Age)
    } else if ends(".env") || name.starts_with(".env") || name == "env" {
        Ok(Format::Env)
    } else {
        Err(Failure::usage("the name of the file does not tell what it is")
            .with_hint("`--format env`, `csv`, `jsonl` or `age` says it"))
    }
}

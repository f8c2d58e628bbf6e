//! `init`.

use serde_json::json;

use crate::args::InitArgs;
use crate::connect::{Connect, Made, MasterKeyPlace};
use crate::failure::Result;

pub(crate) async fn run(args: &InitArgs, connect: &Connect<'_>) -> Result<()> {
    let database_was_there = connect.database_is_there();
    let store = connect.make_store().await?;
    let keys = connect.make_master_keys(args.passphrase, &store).await?;
    connect.check_sentinel(&keys, &store).await?;
    let settings = connect.settings();
    let database = settings.database_shown();
    let file = settings.file.clone().unwrap_or_else(|| settings.home.config_file());
    let output = connect.output();
    if output.is_json() {
        let kms: Vec<_> = keys
            .iter()
            .map(|key| json!({ "place": place(&key.place), "made": key.fresh }))
            .collect();
        output.document(&json!({
            "database": { "url": database, "made": !database_was_there },
            "kms": kms,
            "settings": { "file": file, "read": settings.file.is_some() },
        }))?;
    } else {
        let mut lines = format!("database    {database} ({})\n", word(!database_was_there));
        for Made { place: key, fresh } in &keys {
            lines.push_str(&format!("master key  {} ({})\n", place(key), word(*fresh)));
        }
        let read = if settings.file.is_some() { "read" } else { "none; not needed" };
        lines.push_str(&format!("settings    {} ({read})\n", file.display()));
        output.bytes(lines.as_bytes())?;
    }
    let mut warnings: Vec<_> = keys.iter().filter_map(|key| warning(&key.place)).collect();
    warnings.dedup();
    for text in warnings {
        output.warn(&text);
    }
    Ok(())
}

fn place(place: &MasterKeyPlace) -> String {
    match place {
        MasterKeyPlace::File(path) => path.display().to_string(),
        MasterKeyPlace::Passphrase(path) => format!("{} and its passphrase", path.display()),
        MasterKeyPlace::Elsewhere(text) => text.clone(),
    }
}

fn word(fresh: bool) -> &'static str {
    if fresh { "made" } else { "was there" }
}

fn warning(place: &MasterKeyPlace) -> Option<String> {
    match place {
        MasterKeyPlace::File(_) => Some(
            "a lost master key is lost keys: nobody can open the database without it. Keep a copy \
             of it elsewhere: `llm-keys kms local backup FILE`"
                .to_owned(),
        ),
        MasterKeyPlace::Passphrase(path) => Some(format!(
            "a lost master key is lost keys: nobody can open the database without the passphrase \
             and {}. Keep a copy of both elsewhere",
            path.display()
        )),
        MasterKeyPlace::Elsewhere(_) => None,
    }
}

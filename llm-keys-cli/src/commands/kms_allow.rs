//! `kms allow` and `kms allowed`: the KMS keys that are read with beside those of the settings.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use llm_keys::kms::{KeyUri, Pins};
use serde::Serialize;

use super::confirm::{Question, confirm};
use crate::args::AllowArgs;
use crate::connect::{Connect, MasterKeyPlace};
use crate::failure::{Failure, Result};
use crate::output::table;

/// One key, and why it is on the list.
#[derive(Serialize, Debug)]
struct Allowed<'a> {
    key: &'a str,
    /// The alias that has meant it; without one it was allowed by hand.
    alias: Option<&'a str>,
}

pub(crate) async fn allow(args: &AllowArgs, connect: &Connect<'_>) -> Result<()> {
    let mut keys: Vec<KeyUri> = Vec::new();
    for text in &args.keys {
        let place = MasterKeyPlace::of(text, connect.settings());
        keys.push(connect.kms_key(place).await?.uri().clone());
    }
    let pins = match args.start_over {
        true => start_over(args, &keys, connect).await?,
        false => match connect.manager_if_there().await? {
            Some(manager) => manager.allow_kms_keys(&keys).await?,
            None => return Err(no_database()),
        },
    };
    let output = connect.output();
    if output.is_json() {
        return output.document(&list(&pins));
    }
    if args.start_over {
        output.note("what did not open was begun anew");
    }
    for key in &keys {
        output.note(&format!("{key} is allowed"));
    }
    Ok(())
}

async fn start_over(args: &AllowArgs, keys: &[KeyUri], connect: &Connect<'_>) -> Result<Pins> {
    if !args.yes {
        let question = Question {
            text: "Forget which KMS keys were read with, and begin a new list?",
            why: "the list of KMS keys is forgotten for good",
            refused: "nothing was changed",
        };
        confirm(&question, connect.output())?;
    }
    let Some(store) = connect.store_if_there().await? else { return Err(no_database()) };
    // Unlike other managers it opens no sentinel first: that may be lost, too.
    let manager = connect.quiet_manager(connect.kms().await?, store).await?;
    Ok(manager.start_pins_over(keys).await?)
}

fn no_database() -> Failure {
    Failure::usage("there is no database yet, and nothing to read in it")
        .with_hint("`llm-keys init` makes one")
}

pub(crate) async fn allowed(connect: &Connect<'_>) -> Result<()> {
    let pins = match connect.manager_if_there().await? {
        Some(manager) => manager.allowed_kms_keys().await?,
        None => Pins::default(),
    };
    let (output, list) = (connect.output(), list(&pins));
    if output.is_json() {
        output.document(&list)
    } else if list.is_empty() {
        output.note("no KMS keys but those of the settings");
        Ok(())
    } else {
        let mut rows = Table::new();
        rows.load_style(NOTHING).set_header(["KEY", "ALIAS"]);
        for Allowed { key, alias } in &list {
            rows.add_row([*key, alias.unwrap_or("-")]);
        }
        output.bytes(table::text(&rows).as_bytes())
    }
}

/// Aliases first, each with the keys in the order it has meant them.
fn list(pins: &Pins) -> Vec<Allowed<'_>> {
    let of_aliases = pins.aliases().flat_map(|(alias, keys)| {
        keys.iter().map(move |key| Allowed { key: key.as_str(), alias: Some(alias) })
    });
    let by_hand = pins.allowed().iter();
    let by_hand = by_hand.map(|key| Allowed { key: key.as_str(), alias: None });
    of_aliases.chain(by_hand).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_stands_with_the_alias_that_meant_it() {
        let uri = |text: &str| KeyUri::new(text).unwrap();
        let mut pins = Pins::default();
        pins.allow(&uri("aws-kms:1")).unwrap();
        pins.add("arn:alias/z", &uri("aws-kms:2")).unwrap();
        pins.add("arn:alias/a", &uri("aws-kms:3")).unwrap();
        pins.add("arn:alias/a", &uri("aws-kms:1")).unwrap();
        let list = list(&pins);
        let list: Vec<_> = list.iter().map(|allowed| (allowed.key, allowed.alias)).collect();
        assert_eq!(
            list,
            [
                ("aws-kms:3", Some("arn:alias/a")),
                ("aws-kms:1", Some("arn:alias/a")),
                ("aws-kms:2", Some("arn:alias/z")),
                ("aws-kms:1", None),
            ]
        );
    }
}

//! `migrate status`, `up` and `down`.

use llm_keys_diesel::MigrationStatus;
use serde_json::json;

use super::confirm::{Question, confirm};
use crate::args::{MigrateCommand, MigrateDownArgs};
use crate::connect::Connect;
use crate::failure::{Failure, Result};

pub(crate) async fn run(command: MigrateCommand, connect: &Connect<'_>) -> Result<()> {
    match command {
        MigrateCommand::Status => status(connect).await,
        MigrateCommand::Up => up(connect).await,
        MigrateCommand::Down(args) => down(&args, connect).await,
    }
}

async fn status(connect: &Connect<'_>) -> Result<()> {
    let output = connect.output();
    let Some(store) = connect.bare_store_if_there().await? else { return Err(no_database()) };
    let all = store.migrations().await?;
    if output.is_json() {
        let all: Vec<_> = all
            .iter()
            .map(|one| json!({ "name": one.name, "applied": one.applied, "known": one.known }))
            .collect();
        return output.document(&all);
    }
    all.iter().try_for_each(|one| output.line(&line(one)))
}

fn line(one: &MigrationStatus) -> String {
    let word = match (one.applied, one.known) {
        (true, true) => "applied",
        (false, _) => "missing",
        (true, false) => "of a newer version",
    };
    // The name of an unknown one is whatever stands in the database.
    format!("{}  {word}", one.name.escape_debug())
}

async fn up(connect: &Connect<'_>) -> Result<()> {
    let store = connect.make_bare_store().await?;
    let ran = store.migrate().await?;
    let text = match ran {
        0 => "the tables are up to date".to_owned(),
        1 => "ran 1 migration".to_owned(),
        ran => format!("ran {ran} migrations"),
    };
    connect.output().done(&text, &json!({ "ran": ran }))
}

async fn down(args: &MigrateDownArgs, connect: &Connect<'_>) -> Result<()> {
    let output = connect.output();
    let Some(store) = connect.bare_store_if_there().await? else { return Err(no_database()) };
    if !args.yes {
        let question = Question {
            text: "Take back the newest migration, for an older version of llm-keys?",
            why: "the tables are changed for an older version",
            refused: "nothing was changed",
        };
        confirm(&question, output)?;
    }
    let taken = store.migrate_down().await?;
    let text = match taken {
        Some(name) => format!("took back {name}"),
        None => "no migration ran".to_owned(),
    };
    output.done(&text, &json!({ "took_back": taken }))
}

fn no_database() -> Failure {
    Failure::usage("there is no database yet").with_hint("`llm-keys migrate up` makes it")
}

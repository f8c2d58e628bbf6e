//! `reseal SERVICE` and `reseal --all`.

use llm_keys::manager::{KeptVersions, ResealOptions};

use super::kms_rewrap::{document, end, summary, walk};
use crate::args::ResealArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};

pub(crate) async fn run(args: &ResealArgs, connect: &Connect<'_>) -> Result<()> {
    let how = args.walk.options()?;
    let id = args.service.as_deref().map(|service| args.whose.id(service)).transpose()?;
    let manager = match (connect.manager_if_there().await?, &id) {
        (Some(manager), _) => manager,
        (None, Some(id)) => return Err(Failure::NotFound(id.clone())),
        (None, None) => {
            return Err(Failure::usage("there is no database yet, and nothing to seal in it"));
        }
    };
    let versions = if args.current { KeptVersions::Current } else { KeptVersions::All };
    let options = match &id {
        Some(id) => ResealOptions::keys(vec![id.clone()]),
        None => ResealOptions::all(),
    };
    let options = options.versions(versions);
    let output = connect.output();
    let total = match id {
        Some(_) => 1,
        None => manager.rewrap_plan(&how).await?.versions.total,
    };
    let report =
        walk(total, how, output, async |how| Ok(manager.reseal(&options.clone().how(how)).await?))
            .await?;
    if let Some(id) = id
        && report.progress.seen() == 0
        && report.stopped.is_none()
    {
        return Err(Failure::NotFound(id));
    }
    match output.is_json() {
        true => output.document(&document(&report))?,
        false => output.note(&summary("sealed anew", &report)),
    }
    end("sealed anew", &report, output)
}

//! `resolve SERVICE`.

use llm_keys::manager::{Receipt, ResolveOptions};
use llm_keys::model::{EnvName, Fallback, Source, Step};
use llm_keys::{OwnerId, SecureKeyManager as _, Service};
use serde::Serialize;

use crate::args::ResolveArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::view::time;

pub(crate) async fn run(args: &ResolveArgs, connect: &Connect<'_>) -> Result<()> {
    let service = Service::new(&args.service)?;
    let user = OwnerId::new(&args.user)?;
    let teams = args.teams.iter().map(OwnerId::new).collect::<llm_keys::Result<Vec<_>>>()?;
    let policy: Fallback = args.policy.parse()?;
    let mut options =
        ResolveOptions::default().tenant(args.tenant.parse()?).name(args.name.parse()?);
    options.environment = args.env.as_ref().map(EnvName::new).transpose()?;
    let keys = connect.manager_or_empty().await?;
    let found = keys.resolve(&user, &teams, &service, policy, &options).await?;
    let Some(found) = found else { return Err(Failure::Unresolved { service, user, policy }) };
    let view = View::new(&options, &service, &found.receipt);
    let output = connect.output();
    if output.is_json() {
        output.document(&view)?;
    } else {
        output.bytes(view.lines().as_bytes())?;
    }
    // That it was used now is no part of the key: a database that may only be read gives it, too.
    if let Err(error) = keys.shutdown().await {
        tracing::warn!(error = ?error, "the last use could not be written");
    }
    Ok(())
}

/// The receipt as JSON and as lines.
#[derive(Serialize)]
struct View<'a> {
    tenant: &'a str,
    service: &'a str,
    name: &'a str,
    user: &'a str,
    policy: Fallback,
    source: &'a Source,
    version: Option<u32>,
    record: Option<String>,
    expires_at: Option<String>,
    steps: &'a [Step],
}

impl<'a> View<'a> {
    fn new(options: &'a ResolveOptions, service: &'a Service, receipt: &'a Receipt) -> Self {
        Self {
            tenant: options.tenant.as_str(),
            service: service.as_str(),
            name: options.name.as_str(),
            user: receipt.trail.user.as_str(),
            policy: receipt.trail.policy,
            source: &receipt.source,
            version: receipt.version.map(|version| version.get()),
            record: receipt.record.map(|record| record.to_string()),
            expires_at: receipt.expires_at.map(time),
            steps: &receipt.trail.steps,
        }
    }

    /// One `name value` line for each thing known, and one for each source that was asked.
    fn lines(&self) -> String {
        // A variable has neither.
        let version = self.version.map_or("-".to_owned(), |version| version.to_string());
        let ever = if self.version.is_some() { "never" } else { "-" };
        let mut lines = vec![
            ("uses", self.source.to_string()),
            ("version", version),
            ("expires", self.expires_at.clone().unwrap_or(ever.to_owned())),
            ("service", self.service.to_owned()),
            ("name", self.name.to_owned()),
            ("tenant", self.tenant.to_owned()),
            ("user", self.user.to_owned()),
            ("policy", self.policy.to_string()),
        ];
        let asked = self.steps.iter().map(|step| format!("{}: {}", step.from, step.gave.word()));
        lines.extend(asked.map(|asked| ("asked", asked)));
        lines.iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect()
    }
}

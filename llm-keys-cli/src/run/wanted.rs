//! Which key goes into which variable.

use llm_keys::{KeyId, Owner, Tenant};

use super::reference::KeyReference;
use crate::args::RunArgs;
use crate::failure::{Failure, Result};
use crate::known;

/// The variables to set, each with its key.
///
/// # Errors
/// `Usage` if a service has no usual variable, a variable has no good name, or one is to have two
/// keys.
pub(crate) fn wanted(args: &RunArgs) -> Result<Vec<(String, KeyId)>> {
    let owner = args.owner.owner()?.unwrap_or(Owner::Global);
    let tenant = Tenant::new(&args.tenant)?;
    let id = |reference: KeyReference| reference.of(owner.clone(), tenant.clone());
    let mut wanted = Vec::new();
    for text in &args.services {
        let id = id(KeyReference::parse(text)?);
        let variables = known::set_for(id.service.as_str());
        if variables.is_empty() {
            let service = &id.service;
            return Err(Failure::usage(format!("no variable is known for `{service}`"))
                .with_hint(format!("name it: `--env VAR={service}`")));
        }
        wanted.extend(variables.into_iter().map(|name| (name.to_owned(), id.clone())));
    }
    for text in &args.env {
        let (name, reference) = text
            .split_once('=')
            .ok_or_else(|| Failure::usage("`--env` is `VAR=SERVICE` or `VAR=SERVICE/NAME`"))?;
        check_variable(name)?;
        wanted.push((name.to_owned(), id(KeyReference::parse(reference)?)));
    }
    for (at, (name, first)) in wanted.iter().enumerate() {
        if let Some((_, second)) = wanted[at + 1..].iter().find(|(other, _)| other == name) {
            return Err(Failure::usage(format!(
                "{name} cannot have two keys: {first} and {second}"
            ))
            .with_hint("name a variable for one of them: `--env VAR=SERVICE/NAME`"));
        }
    }
    Ok(wanted)
}

fn check_variable(name: &str) -> Result<()> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty() || !name.bytes().all(fine) || name.as_bytes()[0].is_ascii_digit() {
        return Err(Failure::usage("the variable of `--env` is not made of A-Z a-z 0-9 _"));
    }
    if name.starts_with(super::environment::OURS) {
        return Err(Failure::usage("variables that begin with `LLM_KEYS_` are never passed on"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn of(args: &[&str]) -> Result<Vec<String>> {
        let args = [&["llm-keys", "run"], args, &["--", "true"]].concat();
        let Command::Run(args) = Cli::try_parse_from(args).unwrap().command else { panic!() };
        let wanted = wanted(&args)?;
        Ok(wanted.into_iter().map(|(name, id)| format!("{name}={id}")).collect())
    }

    #[test]
    fn services_have_their_variables_and_others_are_named() {
        let usual = ["--service", "openai/work", "--service", "gemini", "--env", "MY_KEY=mine"];
        assert_eq!(
            of(&usual).unwrap(),
            [
                "OPENAI_API_KEY=default/global/openai/work",
                "GOOGLE_API_KEY=default/global/gemini/default",
                "GEMINI_API_KEY=default/global/gemini/default",
                "MY_KEY=default/global/mine/default",
            ]
        );
        let of_alice = of(&["--user", "alice", "--tenant", "t", "--env", "a=b/c"]).unwrap();
        assert_eq!(of_alice, ["a=t/user:alice/b/c"]);
    }

    #[test]
    fn a_variable_has_one_key_and_a_plain_name() {
        for bad in [
            &["--service", "openai", "--service", "openai/work"][..],
            &["--service", "openai", "--service", "openai"],
            &["--service", "openai", "--env", "OPENAI_API_KEY=other"],
            &["--service", "unheard-of"],
            &["--env", "A"],
            &["--env", "=openai"],
            &["--env", "1A=openai"],
            &["--env", "A B=openai"],
            &["--env", "LLM_KEYS_HOME=openai"],
            &["--env", "A="],
        ] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}

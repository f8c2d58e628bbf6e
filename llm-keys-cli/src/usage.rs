//! What `clap` has to say, without what was typed: a key may have been typed in the wrong place.

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::Cli;
use crate::failure::Failure;

/// The usage error of `clap` in our words.
pub(crate) fn failure(error: &clap::Error) -> Failure {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    // Names of options and arguments of ours, which `clap` writes as `--user <ID>`.
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let option = argument.split(['=', ' ']).next().filter(|name| is_option(name));
    let command = text(ContextKind::SuggestedSubcommand).map(|name| format!("`{name}`"));
    match error.kind() {
        ErrorKind::UnknownArgument => match option {
            Some(name) => Failure::usage(format!("there is no option `{name}` here")).with_hint(
                text(ContextKind::SuggestedArg).map_or_else(
                    || "add `--help` to see which there are".to_owned(),
                    |name| format!("did you mean `{name}`?"),
                ),
            ),
            None => Failure::usage("there is an argument too many")
                .with_hint("a key is no argument: pipe it in, or use `--key-file`"),
        },
        ErrorKind::InvalidSubcommand => Failure::usage("there is no such command").with_hint(
            command.map_or("`llm-keys help` lists them".to_owned(), |name| {
                format!("did you mean {name}?")
            }),
        ),
        ErrorKind::MissingRequiredArgument => Failure::usage(format!("missing: {argument}"))
            .with_hint("add `--help` to see how it is used"),
        ErrorKind::ArgumentConflict => {
            let other = text(ContextKind::PriorArg).unwrap_or("another option".to_owned());
            Failure::usage(format!("{argument} and {other} exclude each other"))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::NoEquals => {
            let failure = Failure::usage(format!("{argument} has a wrong value, or none"));
            match text(ContextKind::ValidValue).filter(|values| !values.is_empty()) {
                Some(values) => failure.with_hint(format!("one of: {values}")),
                None => failure,
            }
        }
        ErrorKind::InvalidUtf8 => Failure::usage("an argument is not UTF-8 text"),
        _ => Failure::usage("the arguments are wrong")
            .with_hint("add `--help` to see how it is used"),
    }
}

/// Whether arguments that make no command were meant for `run`, whose exit codes are others.
pub(crate) fn is_of_run(args: impl Iterator<Item = OsString>) -> bool {
    let lenient = Cli::command().ignore_errors(true);
    let matches = lenient.try_get_matches_from(args);
    matches.is_ok_and(|matches| matches.subcommand_name() == Some("run"))
}

/// Whether it is spelled like an option, and not like a key that begins with a dash.
fn is_option(name: &str) -> bool {
    let rest = name.trim_start_matches('-');
    name.starts_with('-')
        && rest.len() <= 20
        && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

//! Asking before something is gone for good.

use std::io::{self, BufRead as _, IsTerminal as _};

use crate::failure::{Failure, Result};
use crate::output::Output;

/// What is asked, and what is said where it is not done.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// What is asked.
    pub(crate) text: &'a str,
    /// What is said where nobody can be asked.
    pub(crate) why: &'static str,
    /// What is said to who answers no.
    pub(crate) refused: &'static str,
}

/// Asks at a terminal.
///
/// # Errors
/// `Usage` if the answer is no, or nobody can be asked.
pub(crate) fn confirm(question: &Question<'_>, output: &Output) -> Result<()> {
    if !io::stdin().is_terminal() || output.is_json() {
        return Err(Failure::usage(question.why).with_hint("add `--yes` where nobody can be asked"));
    }
    output.ask(&format!("{} [y/N] ", question.text));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::io("cli.ask", "the terminal cannot be read".into(), error))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::usage(question.refused)),
    }
}

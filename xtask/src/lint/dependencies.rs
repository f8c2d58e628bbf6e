//! `cargo deny check`: licences, sources, layer walls, known holes.

use crate::failure::{Failure, Result};
use crate::process::{capture, cargo, require, run};

/// Checks the dependency tree. The advisory database comes from the network: where that is closed
/// the advisories are left out, loudly, unless they are `required`.
pub(crate) fn check(offline: bool, required: bool) -> Result {
    require("deny")?;
    let deny = |what: &[&str]| {
        let mut command = cargo(["deny"])?;
        if offline {
            // One platform, because the crates of the others need not be there.
            command.args(["--offline", "--target", THIS_PLATFORM]);
        }
        command.arg("check").args(what).env("GIT_TERMINAL_PROMPT", "0");
        Ok(command)
    };
    run(&mut deny(&["bans", "licenses", "sources"])?)?;
    let output = capture(&mut deny(&["advisories"])?)?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    eprint!("{said}");
    match verdict(output.status.success(), &said) {
        Verdict::Fine => Ok(()),
        Verdict::Found => Err(Failure::new("there are advisories against our dependencies")),
        Verdict::NoDatabase if required => {
            Err(Failure::new("advisories NOT checked: the database cannot be fetched"))
        }
        Verdict::NoDatabase => {
            eprintln!("{NOT_CHECKED}");
            Ok(())
        }
    }
}

/// What a run of `cargo deny check advisories` means.
#[derive(PartialEq, Eq, Debug)]
enum Verdict {
    Fine,
    Found,
    NoDatabase,
}

fn verdict(success: bool, said: &str) -> Verdict {
    let no_database = ["failed to fetch advisory database", "failed to get 'FETCH_HEAD' metadata"];
    if success {
        Verdict::Fine
    } else if no_database.iter().any(|error| said.contains(error)) {
        Verdict::NoDatabase
    } else {
        Verdict::Found
    }
}

const THIS_PLATFORM: &str = "x86_64-unknown-linux-gnu";

const NOT_CHECKED: &str = "
*** advisories NOT checked: the RustSec database cannot be fetched from here.
*** `deny.toml` still refuses the versions it names. Run `cargo deny check advisories` with network.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_database_is_forgiven() {
        let closed = "[ERROR] failed to fetch advisory database https://github.com/RustSec/…";
        assert_eq!(verdict(false, closed), Verdict::NoDatabase);
        let hole = "error[vulnerability]: a hole\n\nadvisories FAILED";
        assert_eq!(verdict(false, hole), Verdict::Found);
        assert_eq!(verdict(false, "a word nobody knows"), Verdict::Found);
        assert_eq!(verdict(true, "advisories ok"), Verdict::Fine);
    }
}

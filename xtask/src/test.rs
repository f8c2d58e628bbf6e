//! `cargo xtask test`: all tests.

use crate::failure::Result;
use crate::process::{cargo, require, run};
use crate::services::Services;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the doctests
    #[arg(long)]
    no_doc: bool,
    /// Start no servers: tests that need one fail, unless variables say where it is
    #[arg(long)]
    no_servers: bool,
    /// Passed on to `cargo nextest run`, such as a filter
    #[arg(last = true)]
    nextest: Vec<String>,
}

/// Runs doctests, then the rest: nextest is last, because its closing line is the result.
pub(crate) fn run_all(args: &Args) -> Result {
    require("nextest")?;
    if !args.no_doc {
        run(&mut cargo(["test", "--doc", "--workspace", "--all-features"])?)?;
    }
    let packages = packages(&args.nextest);
    let mut nextest = cargo(["nextest", "run", "--all-features"])?;
    if packages.is_empty() {
        nextest.arg("--workspace");
    }
    nextest.args(&args.nextest);
    if args.no_servers || !need_servers(&packages) {
        return run(&mut nextest);
    }
    let mut services = Services::start()?;
    run(services.introduce(&mut nextest))?;
    // Some listeners come up long after their server is ready.
    services.check()
}

/// The packages that the options of nextest select; none means all.
fn packages(options: &[String]) -> Vec<&str> {
    let mut found = Vec::new();
    let mut options = options.iter().take_while(|option| *option != "--");
    while let Some(option) = options.next() {
        if option == "-p" || option == "--package" {
            found.extend(options.next().map(String::as_str));
        } else if let Some(name) =
            option.strip_prefix("--package=").or_else(|| option.strip_prefix("-p"))
        {
            found.push(name.trim_start_matches('='));
        }
    }
    found
}

fn need_servers(packages: &[&str]) -> bool {
    packages.is_empty() || packages.iter().any(|package| !WITHOUT_SERVERS.contains(package))
}

/// The packages that have no test of a KMS.
const WITHOUT_SERVERS: &[&str] = &["llm-keys-diesel", "xtask"];

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(options: &str) -> Vec<String> {
        let options: Vec<_> = options.split(' ').map(str::to_owned).collect();
        packages(&options).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn packages_are_found_however_they_are_written() {
        assert_eq!(selected("-p a --package b -pc --package=d -p=e"), ["a", "b", "c", "d", "e"]);
        assert!(selected("-E test(x) --profile ci kms").is_empty());
        assert!(selected("name -- -p a").is_empty());
    }

    #[test]
    fn servers_are_started_unless_no_selected_test_needs_one() {
        assert!(need_servers(&[]));
        assert!(need_servers(&["llm-keys-diesel", "llm-keys"]));
        assert!(need_servers(&["llm-keys*"]));
        assert!(!need_servers(&["llm-keys-diesel", "xtask"]));
    }
}

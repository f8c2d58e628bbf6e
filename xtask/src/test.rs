//! `cargo xtask test`: all tests.

use crate::failure::Result;
use crate::process::{cargo, require, run};
use crate::services::{DATABASES, Services};

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
    let mut services = match needed(&packages) {
        _ if args.no_servers => return run(&mut nextest),
        Needed::Nothing => return run(&mut nextest),
        Needed::Databases => Services::start_some(DATABASES)?,
        Needed::Everything => Services::start()?,
    };
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

/// Which servers the tests of some packages need.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Needed {
    Nothing,
    Databases,
    Everything,
}

fn needed(packages: &[&str]) -> Needed {
    let of = |package: &&str| match *package {
        "xtask" => Needed::Nothing,
        "llm-keys-diesel" => Needed::Databases,
        _ => Needed::Everything,
    };
    packages.iter().map(of).max().unwrap_or(Needed::Everything)
}

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
        assert_eq!(needed(&[]), Needed::Everything);
        assert_eq!(needed(&["llm-keys-diesel", "llm-keys"]), Needed::Everything);
        assert_eq!(needed(&["llm-keys*"]), Needed::Everything);
        assert_eq!(needed(&["llm-keys-diesel", "xtask"]), Needed::Databases);
        assert_eq!(needed(&["xtask"]), Needed::Nothing);
    }
}

//! PostgreSQL: the one that runs on the standard port, or one of our own from installed programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};

use super::keeper::Kept;
use super::place::Place;
use super::programs::{as_root, find, prepare, succeeds};
use super::{Started, ports};

pub(super) const VARIABLE: &str = "LLM_KEYS_TEST_POSTGRES_URL";

pub(super) fn start(place: &Place) -> Result<Started> {
    let folders = folders();
    let psql = find(&["psql"], &folders);
    let usual = psql.as_deref().and_then(running);
    if let Some(url) = usual {
        return Ok(Started { server: None, variables: vec![(VARIABLE, url.into())] });
    }
    let (Some(psql), Some(initdb), Some(postgres)) =
        (psql, find(&["initdb"], &folders), find(&["postgres"], &folders))
    else {
        return Err(Failure::new(format!(
            "none on port 5432 lets us in, and none is installed: on Debian `apt-get install \
             postgresql`; or set {VARIABLE} to the URL of a server where we may make schemas"
        )));
    };
    let scratch = place.scratch(NAME)?;
    let data = scratch.join("data");
    if as_root() {
        prepare(Command::new("chown").arg("postgres").arg(&scratch))?;
    }
    let mut make = as_server(&initdb);
    make.args(["-U", "postgres", "-A", "trust", "-N", "-D"]).arg(&data).current_dir("/");
    prepare(&mut make)?;
    let port = ports::free_pair()?;
    let mut command = as_server(&postgres);
    // Nothing here must outlive the machine.
    command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c"]);
    command.arg("unix_socket_directories=").args(["-p", &port.to_string(), "-D"]).arg(&data);
    let mut server = Kept::start(place, NAME, &command)?;
    let url = url("postgres", port, "postgres");
    server.wait(|| Ok(answers(&psql, &url).then_some(())))?;
    Ok(Started { server: Some(server), variables: vec![(VARIABLE, url.into())] })
}

/// The server on the standard port, if it lets us make something.
fn running(psql: &Path) -> Option<String> {
    let users = ["postgres".to_owned(), std::env::var("USER").unwrap_or_default()];
    let urls = users.iter().filter(|user| !user.is_empty()).flat_map(|user| {
        ["test", "postgres"].iter().map(move |database| url(user, 5432, database))
    });
    urls.into_iter().find(|url| answers(psql, url))
}

fn url(user: &str, port: u16, database: &str) -> String {
    format!("postgres://{user}@127.0.0.1:{port}/{database}")
}

/// Whether we may make schemas there.
fn answers(psql: &Path, url: &str) -> bool {
    let may = "SELECT 1 / has_database_privilege(current_database(), 'CREATE')::int";
    let mut command = Command::new(psql);
    succeeds(command.args(["-w", "-X", "-c", may, url]).env("PGCONNECT_TIMEOUT", "2"))
}

/// A program that refuses to be run by root.
fn as_server(program: &Path) -> Command {
    if !as_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// Where Debian and Fedora keep the programs of the server, newest first.
fn folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    found.sort_unstable();
    found.reverse();
    found.push("/usr/pgsql/bin".into());
    found
}

const NAME: &str = "postgres";

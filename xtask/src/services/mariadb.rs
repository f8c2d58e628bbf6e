//! MariaDB or MySQL: the one that runs on the standard port, or a MariaDB of our own from installed
//! programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};

use super::keeper::Kept;
use super::place::Place;
use super::programs::{as_root, find, prepare, succeeds};
use super::{Started, ports, random};

pub(super) const VARIABLE: &str = "LLM_KEYS_TEST_MYSQL_URL";

pub(super) fn start(place: &Place) -> Result<Started> {
    let folders = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/libexec")];
    let client = find(&["mariadb", "mysql"], &folders);
    if client.as_deref().is_some_and(|client| answers(client, 3306)) {
        return Ok(Started { server: None, variables: vec![(VARIABLE, url(3306).into())] });
    }
    let (Some(client), Some(install), Some(mariadbd)) =
        (client, find(&["mariadb-install-db"], &folders), find(&["mariadbd"], &folders))
    else {
        return Err(Failure::new(format!(
            "none on port 3306 lets root in without a password, and none is installed: on Debian \
             `apt-get install mariadb-server`; or set {VARIABLE} to the URL of a server where we \
             may make databases"
        )));
    };
    let scratch = place.scratch(NAME)?;
    let data = scratch.join("data");
    let mut make = Command::new(install);
    make.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    make.args(user()).arg(format!("--datadir={}", data.display()));
    prepare(&mut make)?;
    let port = ports::free_pair()?;
    let mut command = Command::new(mariadbd);
    command.args(["--no-defaults", "--bind-address=127.0.0.1"]).args(user());
    // Nothing here must outlive the machine.
    command.args(["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"]);
    command.arg(format!("--port={port}")).arg(format!("--datadir={}", data.display()));
    command.arg("--socket=server.sock").arg("--pid-file=server.pid");
    let mut server = Kept::start(place, NAME, &command)?;
    server.wait(|| Ok(answers(&client, port).then_some(())))?;
    Ok(Started { server: Some(server), variables: vec![(VARIABLE, url(port).into())] })
}

fn url(port: u16) -> String {
    format!("mysql://root@127.0.0.1:{port}/mysql")
}

/// Whether we may make databases there.
fn answers(client: &Path, port: u16) -> bool {
    let Ok(name) = random::hex(8) else { return false };
    let make =
        format!("CREATE DATABASE llm_keys_probe_{name}; DROP DATABASE llm_keys_probe_{name}");
    let mut command = Command::new(client);
    command.args(["--no-defaults", "--connect-timeout=2", "-h", "127.0.0.1", "-u", "root"]);
    succeeds(command.arg(format!("--port={port}")).args(["-e", &make]))
}

/// It wants to be told that root is meant.
fn user() -> Option<&'static str> {
    as_root().then_some("--user=root")
}

const NAME: &str = "mariadb";

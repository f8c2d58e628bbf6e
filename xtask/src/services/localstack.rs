//! LocalStack: AWS KMS with encryption contexts, disabled and deleted keys. It has no permissions;
//! for those there is MiniStack.
//!
//! It runs without Docker and without an account, from the package `localstack-core`.

use std::net::{Ipv6Addr, SocketAddr};
use std::process::Command;

use crate::failure::{Failure, Result};

use super::keeper::Kept;
use super::place::Place;
use super::python::{Python, Wanted, program};
use super::{Started, http, ports};

pub(super) const VARIABLE: &str = "LLM_KEYS_TEST_LOCALSTACK";

pub(super) fn start(place: &Place) -> Result<Started> {
    let python =
        Python::find(|version| lock(version).is_some(), "3.11, 3.13 or later", WITHOUT_PYTHON)?;
    let lock = lock(python.version()).unwrap_or_default();
    let environment = python.environment(place, &Wanted { name: NAME, lock })?;
    let port = ports::free_v6()?;
    // Kept from run to run: what it caches there makes the first call ten times faster.
    let warm = place.warm(NAME)?;
    let mut command = Command::new(program(&environment, "python"));
    command.args(["-m", "localstack.runtime.main"]);
    // Twisted, its default server, listens on all addresses whatever address of IPv4 it is given.
    command.env("GATEWAY_LISTEN", format!("[::1]:{port}"));
    // Else it writes to folders of the system where it believes to be in a container.
    command.env("OVERRIDE_IN_DOCKER", "0");
    command.env("FILESYSTEM_ROOT", warm.join("fs"));
    command.env("HOME", warm.join("home")).env("XDG_CACHE_HOME", warm.join("cache"));
    command.env("TMPDIR", place.scratch(NAME)?);
    command.envs([
        ("SERVICES", "kms,sts"),
        ("STRICT_SERVICE_LOADING", "1"),
        ("EAGER_SERVICE_LOADING", "0"),
        ("PERSISTENCE", "0"),
        // It calls no one.
        ("API_ENDPOINT", "http://127.0.0.1:1"),
        ("SKIP_SSL_CERT_DOWNLOAD", "1"),
        ("DISABLE_EVENTS", "1"),
        ("DNS_ADDRESS", "0"),
    ]);
    let mut server = Kept::start(place, NAME, &command)?;
    let address = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
    server.wait_for_http(address, "/_localstack/health", "\"kms\": \"available\"")?;
    warm_up(&server, address)?;
    Ok(Started {
        server: Some(server),
        variables: vec![(VARIABLE, format!("http://{address}").into())],
    })
}

/// The first call loads the service, which may take seconds: not in a test with a deadline.
fn warm_up(server: &Kept, address: SocketAddr) -> Result {
    let headers = [
        ("x-amz-target", "TrentService.CreateKey"),
        ("content-type", "application/x-amz-json-1.1"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kms/aws4_request, \
             SignedHeaders=host, Signature=0",
        ),
    ];
    match http::ask(address, "POST /", &headers, "{}") {
        Some((200, _)) => Ok(()),
        Some((status, body)) => Err(Failure::new(format!("CreateKey gave {status}: {body}"))),
        None => Err(server.failure("did not answer CreateKey")),
    }
}

/// The version for this Python: each runs on few of them, and only with its own dependencies.
fn lock(version: (u32, u32)) -> Option<&'static str> {
    match version {
        (3, 11) => Some("localstack-4.9.2-py311.txt"),
        (3, 13..) => Some("localstack-4.14.0-py313.txt"),
        _ => None,
    }
}

const NAME: &str = "localstack";

/// Ubuntu 24.04 has 3.12 and no other.
const WITHOUT_PYTHON: &str = "`apt-get install python3 python3-venv` brings one on Debian 12 and 13; elsewhere \
     `uv python install 3.13` or pyenv puts one beside those; or run LocalStack in Docker \
     (`docker compose up --detach --wait localstack`) and set LLM_KEYS_TEST_LOCALSTACK to \
     http://127.0.0.1:4566";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_python_has_its_version_or_none() {
        assert_eq!(lock((3, 11)), Some("localstack-4.9.2-py311.txt"));
        assert_eq!(lock((3, 14)), Some("localstack-4.14.0-py313.txt"));
        assert_eq!(lock((3, 12)), None);
    }
}

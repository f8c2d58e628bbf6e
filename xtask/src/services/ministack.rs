//! MiniStack: an AWS KMS that checks signatures and IAM policies, so that `AccessDenied` is real.
//! Its cryptography is a toy; for that there is LocalStack.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::failure::Result;

use super::keeper::Kept;
use super::place::Place;
use super::python::{Python, Wanted, program};
use super::{Started, ports, random};

pub(super) const VARIABLE: &str = "LLM_KEYS_TEST_MINISTACK";

pub(super) fn start(place: &Place) -> Result<Started> {
    let wanted = Wanted { name: NAME, lock: "ministack-1.5.33.txt" };
    let environment = Python::any()?.environment(place, &wanted)?;
    let port = ports::free_pair()?;
    let scratch = place.scratch(NAME)?;
    // The credentials it is started with are those of the account's root, who may do everything.
    let (access_key, secret_key) = ("LLMKEYSTESTADMIN", random::hex(20)?);
    let mut command = Command::new(program(&environment, NAME));
    command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
    command.env("AWS_ACCESS_KEY_ID", access_key).env("AWS_SECRET_ACCESS_KEY", &secret_key);
    command.env("AUTH", "true").env("SERVICES", "kms,sts,iam");
    // It would listen on all addresses for MQTT, whatever `BIND_HOST` and `SERVICES` say.
    command.env("IOT_MTLS_ENABLED", "0").env("SFTP_ENABLED", "0");
    command.env("STATE_DIR", scratch.join("state")).env("HOME", &scratch).env("TMPDIR", &scratch);
    let mut server = Kept::start(place, NAME, &command)?;
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    server.wait_for_http(address, "/_ministack/health", "\"auth\": \"enabled\"")?;
    Ok(Started {
        server: Some(server),
        variables: vec![
            (VARIABLE, format!("http://{address}").into()),
            ("LLM_KEYS_TEST_MINISTACK_ACCESS_KEY", access_key.into()),
            ("LLM_KEYS_TEST_MINISTACK_SECRET_KEY", secret_key.into()),
        ],
    })
}

const NAME: &str = "ministack";

//! OpenBao in development mode: in memory, without TLS, and unsealed.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::failure::Result;

use super::super::keeper::Kept;
use super::super::place::Place;
use super::super::{Started, ports, random};
use super::Installed;

pub(in crate::services) const VARIABLE: &str = "LLM_KEYS_TEST_OPENBAO";

pub(in crate::services) fn start(place: &Place) -> Result<Started> {
    let installed = Installed::get(place)?;
    // It takes the next port too.
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports::free_pair()?);
    let token = random::hex(16)?;
    let scratch = place.scratch(NAME)?;
    let mut command = Command::new(&installed.program);
    command.args(["server", "-dev", "-dev-no-store-token"]);
    command.env("BAO_DEV_LISTEN_ADDRESS", address.to_string()).env("BAO_DEV_ROOT_TOKEN_ID", &token);
    command.env("HOME", &scratch).env("TMPDIR", &scratch);
    let mut server = Kept::start(place, NAME, &command)?;
    server.wait_for_http(address, "/v1/sys/health", "\"sealed\":false")?;
    Ok(Started {
        server: Some(server),
        variables: vec![
            (VARIABLE, format!("http://{address}").into()),
            ("LLM_KEYS_TEST_OPENBAO_TOKEN", token.into()),
        ],
    })
}

const NAME: &str = "openbao";

//! OpenBao as in production: on disk, with TLS, and unsealed by a key of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};

use super::super::keeper::Kept;
use super::super::place::{Place, cannot};
use super::super::{Started, ports, random};
use super::{Installed, printed};

pub(in crate::services) const VARIABLE: &str = "LLM_KEYS_TEST_OPENBAO_TLS";

pub(in crate::services) fn start(place: &Place) -> Result<Started> {
    let installed = Installed::get(place)?;
    let scratch = place.scratch(NAME)?;
    make_certificates(&installed, place, &scratch)?;
    let port = ports::free_pair()?;
    let config = scratch.join("config.hcl");
    let text = configuration(&scratch, port, &random::hex(32)?);
    fs::create_dir_all(scratch.join("raft"))
        .and_then(|()| fs::write(&config, text))
        .map_err(|error| cannot("write", &config, &error))?;
    let mut command = Command::new(&installed.program);
    command.arg("server").arg("-config").arg(&config);
    command.env("HOME", &scratch).env("TMPDIR", &scratch);
    let mut server = Kept::start(place, NAME, &command)?;
    let client = Client {
        program: installed.program,
        url: format!("https://{}", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        authority: scratch.join("ca.pem"),
        home: scratch,
    };
    let token = server.wait(|| Ok(client.initialise()))?;
    let token = token.ok_or_else(|| server.failure("gave no root token"))?;
    // A token is good for nothing until the server has elected itself.
    server.wait(|| Ok(client.knows(&token)))?;
    Ok(Started {
        server: Some(server),
        variables: vec![
            (VARIABLE, client.url.into()),
            ("LLM_KEYS_TEST_OPENBAO_TLS_TOKEN", token.into()),
            ("LLM_KEYS_TEST_OPENBAO_TLS_CA", client.authority.into()),
        ],
    })
}

/// The server's own command line.
struct Client {
    program: PathBuf,
    url: String,
    authority: PathBuf,
    home: PathBuf,
}

impl Client {
    /// The root token, once the server can be initialised.
    fn initialise(&self) -> Option<Option<String>> {
        let init = ["operator", "init", "-recovery-shares=1", "-recovery-threshold=1"];
        printed(self.command().args(init).arg("-format=json")).map(|answer| root_token(&answer))
    }

    /// Whether the server takes this token.
    fn knows(&self, token: &str) -> Option<()> {
        printed(self.command().args(["token", "lookup"]).env("BAO_TOKEN", token)).map(drop)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("BAO_ADDR", &self.url).env("BAO_CACERT", &self.authority);
        // It looks there for a token of the user's.
        command.env("HOME", &self.home);
        command
    }
}

fn make_certificates(installed: &Installed, place: &Place, folder: &Path) -> Result {
    let script = place.file("certificates.py");
    printed(Command::new(&installed.python).arg(script).arg(folder))
        .map(drop)
        .ok_or_else(|| Failure::new("xtask/servers/certificates.py made no certificates"))
}

fn root_token(answer: &str) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_str(answer).ok()?;
    answer.get("root_token")?.as_str().map(str::to_owned)
}

/// The multiplier is that of production; its default makes the election five times slower.
fn configuration(folder: &Path, port: u16, seal_key: &str) -> String {
    let folder = folder.display();
    let next = port.saturating_add(1);
    format!(
        r#"
api_addr = "https://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{next}"
storage "raft" {{
  path = "{folder}/raft"
  node_id = "one"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{next}"
  tls_cert_file = "{folder}/server.pem"
  tls_key_file = "{folder}/server.key"
}}
seal "static" {{
  current_key_id = "one"
  current_key = "{seal_key}"
}}
"#
    )
}

const NAME: &str = "openbao-tls";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_token_is_found() {
        let answer = r#"{"recovery_keys_b64": ["x"], "root_token": "s.abc"}"#;
        assert_eq!(root_token(answer).as_deref(), Some("s.abc"));
        assert_eq!(root_token("{}"), None);
        assert_eq!(root_token("no"), None);
    }

    #[test]
    fn a_configuration_names_both_ports() {
        let text = configuration(Path::new("/x"), 8210, "00");
        assert!(text.contains("  cluster_address = \"127.0.0.1:8211\"\n"));
        assert!(text.contains("  path = \"/x/raft\"\n"));
    }
}

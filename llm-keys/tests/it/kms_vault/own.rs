//! A server of our own, to seal: others use the shared ones.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use super::server::{Server, variable};
use super::{generate, said, same, token, unwrap};

struct Own {
    process: Child,
    server: Server,
    _folder: TempDir,
}

impl Own {
    /// A server that is not initialised.
    async fn start() -> Self {
        let binary = PathBuf::from(variable("LLM_KEYS_TEST_OPENBAO_BIN"));
        let folder = tempfile::tempdir().unwrap();
        let (data, config) = (folder.path().join("data"), folder.path().join("config.hcl"));
        std::fs::create_dir(&data).unwrap();
        let [port, cluster] = free_ports();
        let text = format!(
            "api_addr = \"http://127.0.0.1:{port}\"\n\
             cluster_addr = \"http://127.0.0.1:{cluster}\"\n\
             storage \"raft\" {{\n path = {data:?}\n node_id = \"n1\"\n}}\n\
             listener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n\
             cluster_address = \"127.0.0.1:{cluster}\"\n tls_disable = true\n}}\n"
        );
        std::fs::write(&config, text).unwrap();
        let process = Command::new(binary)
            .args(["server", "-config"])
            .arg(&config)
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("http://127.0.0.1:{port}");
        let server = Server::new(address, String::new(), None);
        let own = Self { process, server, _folder: folder };
        own.wait_for(501).await;
        own
    }

    async fn wait_for(&self, status: u16) {
        let url = format!("{}/v1/sys/health", self.server.address);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        for _ in 0..600 {
            let answer = http.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().as_u16() == status) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("the server's health never was {status}");
    }

    /// The key that unseals it.
    async fn initialise(&mut self) -> String {
        let body = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let answer = self.server.must("PUT", "sys/init", body).await;
        answer["root_token"].as_str().unwrap().clone_into(&mut self.server.token);
        answer["keys"][0].as_str().unwrap().to_owned()
    }

    async fn unseal(&self, key: &str) {
        self.server.must("PUT", "sys/unseal", json!({ "key": key })).await;
        self.wait_for(200).await;
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

#[tokio::test]
async fn a_server_that_is_not_ready_says_what_to_do() {
    let mut own = Own::start().await;
    let kms = own.server.open_as("transit", "k", "", token("x")).await;
    let (code, hint) = said(generate(&kms).await);
    assert_eq!((code, &*hint), ("kms_unavailable", "bao operator init"));

    let key = own.initialise().await;
    let (code, hint) = said(generate(&kms).await);
    assert_eq!((code, &*hint), ("kms_unavailable", "bao operator unseal"));

    own.unseal(&key).await;
    own.server.must("POST", "sys/mounts/transit", json!({ "type": "transit" })).await;
    own.server.make_key("transit", "k", json!({})).await;
    let kms = own.server.open("transit", "k").await;
    let (data_key, wrapped) = generate(&kms).await.unwrap();

    // Sealed while we use it, and back without a new provider.
    own.server.must("PUT", "sys/seal", Value::Null).await;
    own.wait_for(503).await;
    for _ in 0..2 {
        let (code, hint) = said(unwrap(&kms, &wrapped).await);
        assert_eq!((code, &*hint), ("kms_unavailable", "bao operator unseal"));
    }
    own.unseal(&key).await;
    assert!(same(&unwrap(&kms, &wrapped).await.unwrap(), &data_key));

    own.process.kill().unwrap();
    own.process.wait().unwrap();
    assert_eq!(said(unwrap(&kms, &wrapped).await).0, "kms_unavailable");
}

//! Microsoft's own client against the fake: what it accepts is Key Vault's format.

use std::process::Command;

use testkit::azure::State;

use super::fake;

#[tokio::test(flavor = "multi_thread")]
async fn microsofts_client_agrees_with_the_fake() {
    let python = std::env::var_os("LLM_KEYS_TEST_PYTHON").expect(
        "LLM_KEYS_TEST_PYTHON must name the python of a virtual environment with \
         azure-keyvault-keys==4.11.3; `cargo xtask test` makes one",
    );
    let fake = fake(&["main", "rotated", "rotated", "disabled", "expired"]).await;
    fake.vault().set_state("disabled", State::Disabled);
    fake.vault().set_state("expired", State::Expired);
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, fake.ca_pem()).unwrap();

    let judge = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/judges/azure_key_vault.py");
    let url = format!("https://localhost:{}", fake.address().port());
    let mut command = Command::new(python);
    command.arg(judge).arg(url).env("REQUESTS_CA_BUNDLE", ca).env("NO_PROXY", "*");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.trim() == "agreed",
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // The client can do RSA by itself: it must not have.
    assert!(fake.vault().calls("wrapkey") >= 3 && fake.vault().calls("unwrapkey") >= 3);
}

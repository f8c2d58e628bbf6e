//! Whom we trust.

use llm_keys::kms::vault::VaultKms;
use serde_json::json;

use super::server::Server;
use super::{generate, said, token};

#[tokio::test]
async fn only_the_named_authority_is_trusted() {
    let server = Server::tls();
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let plain = format!("vault://{}/{mount}/k", server.address.trim_start_matches("https://"));
    let options = || token(&server.token);

    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.pem");
    std::fs::write(&other, OTHER).unwrap();
    let wrong = [
        VaultKms::open(&plain, options()).await.unwrap(),
        VaultKms::open(&plain, options().ca_certificate(&other)).await.unwrap(),
        VaultKms::open(&format!("{plain}?ca={}", other.display()), options()).await.unwrap(),
    ];
    for kms in &wrong {
        let (code, hint) = said(generate(kms).await);
        assert_eq!((code, hint.contains("ca=")), ("kms_misconfigured", true));
    }

    let ca = server.ca.as_ref().unwrap();
    let kms = VaultKms::open(&plain, options().ca_certificate(ca)).await.unwrap();
    generate(&kms).await.unwrap();
    // The URI wins.
    let uri = format!("{plain}?ca={}", ca.display());
    let kms = VaultKms::open(&uri, options().ca_certificate(&other)).await.unwrap();
    generate(&kms).await.unwrap();

    std::fs::write(&other, "no certificate").unwrap();
    let error = VaultKms::open(&plain, options().ca_certificate(&other)).await.unwrap_err();
    assert_eq!(error.kind().code(), "kms_misconfigured");
}

/// A certificate authority that signed nothing. Its key was never kept.
const OTHER: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBgjCCASegAwIBAgIUKa9EtEfsnOUR/NkD5zRxTOXtrsEwCgYIKoZIzj0EAwIw\n\
FTETMBEGA1UEAwwKYW5vdGhlciBDQTAgFw0yNjExMjAxMjEwNDVaGA8yMTI2MTAy\n\
NzEyMTA0NVowFTETMBEGA1UEAwwKYW5vdGhlciBDQTBZMBMGByqGSM49AgEGCCqG\n\
SM49AwEHA0IABP/7UdvNCEcg9cjxl3drTINXGUeR+QXYNf7cYEGGwmR73du5j+a5\n\
FH80wI//BgGyO9oFrlgOj2RJkZGfi4OFxYCjUzBRMB0GA1UdDgQWBBQqIMfda0Yi\n\
LCShtAqj6VGCneN6VjAfBgNVHSMEGDAWgBQqIMfda0YiLCShtAqj6VGCneN6VjAP\n\
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQD/bggEC4ltVzeYPELG\n\
IQxLo+68hwDfAULj1vQ1p67f6gIhAPrexo2PiuLgZVwEi4r/vPrJ4lHE94QYZJ+1\n\
eJgvC/By\n\
-----END CERTIFICATE-----\n\
";

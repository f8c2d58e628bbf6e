//! Which credentials go where.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use google_cloud_auth::credentials::{Credentials, service_account};
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn a_service_account_signs_a_token_for_cloud_kms_only() {
    let fake = FakeGcpKms::start(0).await.unwrap();
    fake.add_key(KEY);
    let credentials = credentials_of("test@p-1.iam.gserviceaccount.com");
    let options =
        GcpOptions::default().with_endpoint(fake.endpoint()).with_credentials(credentials);
    let kms = GcpKms::open(&format!("gcp-kms://{KEY}"), options).unwrap();
    kms.check().await.unwrap();

    let sent = fake.last_authorization().unwrap();
    let claims = sent.strip_prefix("Bearer ").unwrap().split('.').nth(1).unwrap();
    let claims = Base64UrlUnpadded::decode_vec(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["scope"], SCOPE);
}

#[tokio::test]
async fn the_credentials_of_the_machine_are_not_sent_over_plain_http() {
    let bed = Bed::new().await;
    assert_eq!(bed.fake.last_authorization(), None);
}

#[tokio::test]
async fn an_endpoint_in_the_setting_is_no_part_of_the_name() {
    let bed = Bed::new().await;
    let setting = format!("gcp-kms://{KEY}?endpoint={}", bed.fake.endpoint());
    let kms = GcpKms::open(&setting, GcpOptions::default()).unwrap();
    assert_eq!(kms.uri().as_str(), format!("gcp-kms://{KEY}"));
    kms.unwrap_key(&bed.wrapped, with(&bed.context)).await.unwrap();

    for bad in ["?", "?x=1", "?endpoint=", "?endpoint=http://kms.example.com", "?endpoint=x&y=z"] {
        let error = GcpKms::open(&format!("gcp-kms://{KEY}{bad}"), GcpOptions::default());
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
    }
}

/// The credentials of a service account that nobody ever made.
pub(super) fn credentials_of(email: &str) -> Credentials {
    let account = json!({
        "type": "service_account",
        "project_id": "p-1",
        "private_key_id": "test",
        "private_key": pem(),
        "client_email": email,
        "client_id": "1",
        "universe_domain": "googleapis.com",
        "token_uri": "http://127.0.0.1:1/never-called"
    });
    service_account::Builder::new(account)
        .with_access_specifier(service_account::AccessSpecifier::from_scopes([SCOPE]))
        .build()
        .unwrap()
}

const SCOPE: &str = "https://www.googleapis.com/auth/cloudkms";

fn pem() -> String {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let text = Base64::encode_string(der.as_ref());
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let lines = lines.join("\n");
    format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n")
}

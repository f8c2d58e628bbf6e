//! Just enough of IAM to make a user with a policy: signed form requests.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use aws_lc_rs::{digest, hmac};
use aws_sdk_kms::primitives::{DateTime, DateTimeFormat};
use llm_keys::{Clock as _, SystemClock};

use super::server::variable;

/// Access key and secret key.
#[derive(Clone, Debug)]
pub(crate) struct AccessKey(pub(crate) String, pub(crate) String);

/// The administrator of ministack.
pub(crate) fn administrator() -> AccessKey {
    AccessKey(
        variable("LLM_KEYS_TEST_MINISTACK_ACCESS_KEY"),
        variable("LLM_KEYS_TEST_MINISTACK_SECRET_KEY"),
    )
}

/// A fresh user who may do what `policy` says, and nothing else.
pub(crate) fn user(policy: &str) -> AccessKey {
    access_key(&named_user(policy))
}

/// The same by name, without an access key.
pub(crate) fn named_user(policy: &str) -> String {
    let name = format!("user-{}", uuid::Uuid::new_v4());
    ask(&[("Action", "CreateUser"), ("UserName", &name)]);
    let put = [("Action", "PutUserPolicy"), ("UserName", &name), ("PolicyName", "p")];
    ask(&[&put[..], &[("PolicyDocument", policy)]].concat());
    name
}

/// A fresh access key of a user.
pub(crate) fn access_key(user: &str) -> AccessKey {
    let answer = ask(&[("Action", "CreateAccessKey"), ("UserName", user)]);
    let of = |tag: &str| {
        let (_, rest) = answer.split_once(&format!("<{tag}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    AccessKey(of("AccessKeyId"), of("SecretAccessKey"))
}

/// Asks IAM for one action, as the administrator.
pub(crate) fn ask(form: &[(&str, &str)]) -> String {
    let mut body = "Version=2010-05-08".to_owned();
    for (name, value) in form {
        body += &format!("&{name}={}", encoded(value));
    }
    let server = variable("LLM_KEYS_TEST_MINISTACK");
    let host = server.trim_start_matches("http://").trim_end_matches('/');
    let (date, authorization) = sign(host, &body);
    let len = body.len();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {host}\r\nX-Amz-Date: {date}\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len}\r\n\
         Connection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// Signature version 4: the date and the header.
fn sign(host: &str, body: &str) -> (String, String) {
    let now = DateTime::from_secs(SystemClock::new().now().0 / 1_000_000);
    let date = now.fmt(DateTimeFormat::DateTime).unwrap().replace(['-', ':'], "");
    let day = &date[..8];
    let AccessKey(access, secret) = administrator();
    let scope = format!("{day}/us-east-1/iam/aws4_request");
    let body = hash(body);
    let request = format!("POST\n/\n\nhost:{host}\nx-amz-date:{date}\n\nhost;x-amz-date\n{body}");
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(&request));
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part);
    }
    let signature = hex::encode(mac(&key, &to_sign));
    let header = format!(
        "AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders=host;x-amz-date, \
         Signature={signature}"
    );
    (date, header)
}

fn hash(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

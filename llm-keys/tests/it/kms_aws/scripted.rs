//! Answers that no server gives on demand: one for each connection, by script.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use aws_sdk_kms::primitives::Blob;
use base64ct::{Base64, Encoding as _};
use llm_keys::error::KmsFault;
use llm_keys::kms::aws::AwsKms;
use llm_keys::kms::{KmsProvider as _, WrappedKey};
use llm_keys::{DataKey, Error, ErrorKind, SystemRandom};

use super::server::{alice, config, hashed};

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const CANARY: &[u8; DataKey::LEN] = b"canary-data-key-8f2c6e1b9d4a7053";

#[derive(Clone)]
enum Answer {
    Json(u16, String),
    /// These bytes, and the end of the connection.
    Raw(String),
    Silence,
}

struct Server {
    endpoint: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// Answers every request with `answer`.
    fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut buffer) = (stream.unwrap(), [0; 16 * 1024]);
                // Requests are small, and arrive in one or two pieces before anybody looks.
                thread::sleep(Duration::from_millis(20));
                if matches!(stream.read(&mut buffer), Ok(1..)) {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                let text = match &answer {
                    Answer::Raw(text) => text.clone(),
                    Answer::Silence => {
                        // Held open until the test is over.
                        std::mem::forget(stream);
                        continue;
                    }
                    Answer::Json(status, body) => {
                        let len = body.len();
                        format!(
                            "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}"
                        )
                    }
                };
                let _ = stream.write_all(text.as_bytes());
            }
        });
        Self { endpoint, requests }
    }

    async fn kms(&self) -> AwsKms {
        AwsKms::open_with(ARN, &config(&self.endpoint, "test", "test")).await.unwrap()
    }
}

/// What each of the three calls says to `answer`: all must agree, after one request each, and say
/// nothing of the plaintext.
async fn all(answer: Answer) -> KmsFault {
    let server = Server::start(answer);
    let (kms, context) = (server.kms().await, alice());
    let context = hashed(&context);
    let wrapped = WrappedKey { uri: kms.uri().clone(), blob: vec![7; 100] };
    let key = DataKey::copy_from(CANARY);
    let errors = [
        kms.generate_data_key(context, &SystemRandom).await.map(drop).unwrap_err(),
        kms.wrap_key(&key, context).await.map(drop).unwrap_err(),
        kms.unwrap_key(&wrapped, context).await.map(drop).unwrap_err(),
    ];
    assert_eq!(server.requests.load(Ordering::SeqCst), 3, "no retries of the SDK's");
    for error in &errors {
        assert_silent(error);
        assert_eq!(error.kind(), errors[0].kind(), "{errors:?}");
    }
    let ErrorKind::Kms(fault) = errors[0].kind() else { panic!("{errors:?}") };
    fault
}

fn assert_silent(error: &Error) {
    let said = format!("{error:?}");
    let plain = String::from_utf8_lossy(CANARY);
    for shape in [&*plain, &Base64::encode_string(CANARY), &hex::encode(CANARY)] {
        assert!(!said.contains(shape), "the error holds the plaintext");
    }
}

fn code(status: u16, code: &str) -> Answer {
    let message = Base64::encode_string(CANARY);
    Answer::Json(status, format!(r#"{{"__type":"{code}","message":"{message}"}}"#))
}

#[tokio::test]
async fn trouble_that_passes() {
    assert_eq!(all(code(400, "ThrottlingException")).await, KmsFault::Throttled);
    assert_eq!(all(code(500, "KMSInternalException")).await, KmsFault::Unavailable);
    assert_eq!(all(code(500, "DependencyTimeoutException")).await, KmsFault::Unavailable);
    for status in [500, 502, 503] {
        let page = Answer::Json(status, "<html>no JSON</html>".to_owned());
        assert_eq!(all(page).await, KmsFault::Unavailable, "{status}");
    }
    for cut in [
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"KeyId\":\"a",
    ] {
        assert_eq!(all(Answer::Raw(cut.to_owned())).await, KmsFault::Unavailable, "{cut:?}");
    }
}

#[tokio::test]
async fn nobody_listens() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let config = config(&format!("http://127.0.0.1:{port}"), "test", "test");
    let kms = AwsKms::open_with(ARN, &config).await.unwrap();
    let error = kms.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Unavailable));
    let error = AwsKms::open_with("alias/x", &config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Unavailable));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left() {
    let kms = Server::start(Answer::Silence).kms().await;
    let error = kms.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Unavailable));
}

#[tokio::test]
async fn answers_that_make_no_sense() {
    for body in ["", "{", "[]", "null", "<html>", r#"{"KeyId":7}"#, "{}"] {
        let answer = Answer::Json(200, body.to_owned());
        assert_eq!(all(answer).await, KmsFault::BadAnswer, "{body}");
    }
    assert_eq!(all(Answer::Json(400, "<html>".to_owned())).await, KmsFault::BadAnswer);
    assert_eq!(all(code(400, "NobodyKnows")).await, KmsFault::BadAnswer);
}

/// An answer to any of the three calls.
fn answer(key: Option<&str>, plaintext: &[u8], blob: &[u8]) -> Answer {
    let mut fields = vec![
        format!(r#""Plaintext":"{}""#, Base64::encode_string(plaintext)),
        format!(r#""CiphertextBlob":"{}""#, Base64::encode_string(blob)),
    ];
    fields.extend(key.map(|key| format!(r#""KeyId":"{key}""#)));
    Answer::Json(200, format!("{{{}}}", fields.join(",")))
}

#[tokio::test]
async fn an_answer_of_another_key_is_not_believed() {
    let other = ARN.replace("1234abcd", "00000000");
    let id = ARN.rsplit('/').next().unwrap();
    for key in [Some(other.as_str()), Some(id), Some(""), None] {
        let answer = answer(key, CANARY, b"blob");
        assert_eq!(all(answer).await, KmsFault::BadAnswer, "{key:?}");
    }
    // The same with the right one is fine: the script is not what fails.
    let server = Server::start(answer(Some(ARN), CANARY, b"blob"));
    let (kms, context) = (server.kms().await, alice());
    let (key, wrapped) = kms.generate_data_key(hashed(&context), &SystemRandom).await.unwrap();
    assert!(key.expose(|key| key == CANARY));
    assert_eq!(Blob::new(wrapped.blob), Blob::new("blob"));
}

#[tokio::test]
async fn lengths_that_cannot_be() {
    let context = alice();
    for len in [0, 16, 31, 33, 64] {
        let server = Server::start(answer(Some(ARN), &vec![7; len], b"blob"));
        let kms = server.kms().await;
        let wrapped = WrappedKey { uri: kms.uri().clone(), blob: vec![7; 100] };
        for error in [
            kms.generate_data_key(hashed(&context), &SystemRandom).await.map(drop),
            kms.unwrap_key(&wrapped, hashed(&context)).await.map(drop),
        ] {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Kms(KmsFault::BadAnswer), "{len}");
        }
    }
    for len in [0, WrappedKey::MAX_BLOB + 1] {
        let server = Server::start(answer(Some(ARN), CANARY, &vec![7; len]));
        let made = server.kms().await.generate_data_key(hashed(&context), &SystemRandom).await;
        assert_eq!(made.unwrap_err().kind(), ErrorKind::Kms(KmsFault::BadAnswer), "{len}");
    }
}

//! The example on AWS KMS, against LocalStack.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

/// LocalStack takes requests without a signature, as those of its own account and us-east-1.
fn create_key(server: &str) -> String {
    let host = server.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 2\r\n\
         Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: TrentService.CreateKey\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kms/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\r\n{{}}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let from = answer.find("arn:aws:kms:").unwrap_or_else(|| panic!("{answer}"));
    answer[from..].split('"').next().unwrap().to_owned()
}

#[test]
fn stores_and_reads_a_key() {
    let server = std::env::var("LLM_KEYS_TEST_LOCALSTACK").unwrap_or_else(|_| {
        panic!(
            "LLM_KEYS_TEST_LOCALSTACK is not set: `cargo xtask test` starts a server and sets it"
        )
    });
    let arn = create_key(&server);
    let id = arn.rsplit('/').next().unwrap();
    for name in [arn.as_str(), id] {
        let run = Command::new(env!("CARGO_BIN_EXE_aws_kms"))
            .arg(name)
            .env("AWS_ENDPOINT_URL", &server)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env_remove("AWS_PROFILE")
            .output()
            .unwrap();
        let (said, wrong) =
            (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{wrong}");
        assert_eq!(
            said,
            format!(
                "{name} is aws-kms:{arn}\n\
                 it may be described, generate data keys and decrypt them\n\
                 read back a key of 21 characters\n"
            )
        );
    }
}

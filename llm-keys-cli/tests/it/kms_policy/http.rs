//! Just enough of HTTP to set a server up.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

/// What `server` answers; it must not refuse.
pub(super) fn ask(server: &str, first: &str, headers: &[(&str, &str)], body: &Value) -> Value {
    let host = server.trim_start_matches("http://").trim_end_matches('/');
    let body = body.to_string();
    let mut request =
        format!("{first} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "{request}\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.split(' ').nth(1).unwrap().starts_with('2'), "{first}: {answer}");
    serde_json::from_str(body).unwrap_or(Value::Null)
}

//! As much of HTTP as it takes to ask a server on the loopback whether it is there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Sends one request; gives the status of the answer and its text, or nothing if there was none.
pub(super) fn ask(
    address: SocketAddr,
    request: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    let mut connection = TcpStream::connect_timeout(&address, CONNECT_LIMIT).ok()?;
    connection.set_read_timeout(Some(READ_LIMIT)).ok()?;
    connection.write_all(written(address, request, headers, body).as_bytes()).ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    read(&answer)
}

/// Version 1.0, so that the answer ends with the connection and comes in one piece.
fn written(address: SocketAddr, request: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!(
        "{request} HTTP/1.0\r\nhost: {address}\r\n{headers}content-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

fn read(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// The first request that LocalStack answers may take many seconds.
const READ_LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written() {
        let text = written("[::1]:80".parse().unwrap(), "POST /", &[("a", "b")], "{}");
        assert_eq!(
            text,
            "POST / HTTP/1.0\r\nhost: [::1]:80\r\na: b\r\ncontent-length: 2\r\n\
             connection: close\r\n\r\n{}"
        );
    }

    #[test]
    fn an_answer_is_read() {
        let answer = read("HTTP/1.1 200 OK\r\nserver: x\r\n\r\nbody\r\n\r\nmore");
        assert_eq!(answer, Some((200, "body\r\n\r\nmore".to_owned())));
        assert_eq!(read("HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(read("nonsense\r\n\r\n"), None);
    }
}

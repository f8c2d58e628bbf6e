//! A relay in front of the server that counts the requests of each kind that pass.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::server::variable;

pub(super) struct Relay {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    pub(super) fn start() -> Self {
        let server = variable("LLM_KEYS_TEST_LOCALSTACK");
        let server = server.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let (answers, back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let log = Arc::clone(&log);
                thread::spawn(move || pump(client, server, Some(&log)));
                thread::spawn(move || pump(answers, back, None));
            }
        });
        Self { port, seen }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How often `operation` was asked for.
    pub(super) fn count(&self, operation: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|seen| *seen == operation).count()
    }

    /// How many requests there were.
    pub(super) fn total(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

/// Copies until one side ends. Each KMS request has one header that names its operation; it may
/// arrive in pieces.
fn pump(mut from: TcpStream, mut to: TcpStream, log: Option<&Mutex<Vec<String>>>) {
    const HEADER: &[u8] = b"TrentService.";
    let (mut buffer, mut rest) = ([0; 16 * 1024], Vec::new());
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        rest.extend_from_slice(&buffer[..len]);
        while let Some(at) = rest.windows(HEADER.len()).position(|window| window == HEADER) {
            let name = &rest[at + HEADER.len()..];
            let Some(end) = name.iter().position(|b| !b.is_ascii_alphanumeric()) else { break };
            let name = String::from_utf8(name[..end].to_vec()).unwrap();
            rest.drain(..at + HEADER.len() + end);
            if let Some(log) = log {
                log.lock().unwrap().push(name);
            }
        }
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

//! A relay in front of a server that keeps what it was sent.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Map, Value};

/// All bytes of each connection.
type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

pub(super) struct Recorder {
    port: u16,
    sent: Sent,
}

impl Recorder {
    pub(super) fn start(server: &str) -> Self {
        let server = server.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Sent::default();
        let log = Arc::clone(&sent);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let (answers, back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let log = Arc::clone(&log);
                thread::spawn(move || pump(client, server, Some(&log)));
                thread::spawn(move || pump(answers, back, None));
            }
        });
        Self { port, sent }
    }

    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The action and the encryption context of all requests so far that have one.
    pub(super) fn requests(&self) -> Vec<(String, Map<String, Value>)> {
        let sent = self.sent.lock().unwrap();
        let texts = sent.iter().map(|sent| String::from_utf8_lossy(sent));
        let found = texts.map(|text| {
            let requests: Vec<_> =
                text.split("TrentService.").skip(1).filter_map(request).collect();
            requests
        });
        found.flatten().collect()
    }
}

/// A request from the name of its action on.
fn request(text: &str) -> Option<(String, Map<String, Value>)> {
    let action = text.chars().take_while(char::is_ascii_alphabetic).collect::<String>();
    let (_, context) = text.split_once(r#""EncryptionContext":"#)?;
    Some((format!("kms:{action}"), first(context)))
}

/// The document that `text` starts with.
fn first(text: &str) -> Map<String, Value> {
    serde_json::Deserializer::from_str(text).into_iter().next().unwrap().unwrap()
}

fn pump(mut from: TcpStream, mut to: TcpStream, log: Option<&Sent>) {
    let mut buffer = [0; 16 * 1024];
    let at = log.map(|log| {
        let mut log = log.lock().unwrap();
        log.push(Vec::new());
        log.len() - 1
    });
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        if let (Some(log), Some(at)) = (log, at) {
            log.lock().unwrap()[at].extend_from_slice(&buffer[..len]);
        }
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

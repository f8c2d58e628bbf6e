//! A relay in front of a server, which keeps what the server was sent.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The bytes of each connection, as far as they have come.
type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

/// Passes everything on, for as long as the process lives.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    sent: Sent,
}

impl Relay {
    /// Starts in front of `server`, a URL with `http` and a port.
    ///
    /// # Errors
    /// No free port.
    pub fn start(server: &str) -> io::Result<Self> {
        let server = server.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let sent = Sent::default();
        let log = Arc::clone(&sent);
        thread::spawn(move || {
            for client in listener.incoming() {
                // A client whose connection fails sees that itself.
                let _ = client.and_then(|client| relay(client, &server, &log));
            }
        });
        Ok(Self { port, sent })
    }

    /// Where to send what is for the server.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What each connection was sent so far, as text.
    pub fn sent(&self) -> Vec<String> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

fn relay(client: TcpStream, server: &str, log: &Sent) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    let (answers, back) = (server.try_clone()?, client.try_clone()?);
    let at = {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(Vec::new());
        log.len() - 1
    };
    let log = Arc::clone(log);
    thread::spawn(move || {
        pump(client, server, |bytes| {
            // Before it is passed on: who has an answer finds its request here.
            if let Some(sent) = log.lock().unwrap_or_else(PoisonError::into_inner).get_mut(at) {
                sent.extend_from_slice(bytes);
            }
        });
    });
    thread::spawn(move || pump(answers, back, |_| {}));
    Ok(())
}

/// Copies until one side ends.
fn pump(mut from: TcpStream, mut to: TcpStream, see: impl Fn(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        see(&buffer[..len]);
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
